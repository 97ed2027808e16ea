"""The name that ``prepare opencpop`` had in version 0.1.0."""

from espnet2_ext.bin.prepare import former_main

main = former_main("opencpop")

if __name__ == "__main__":
    main()
