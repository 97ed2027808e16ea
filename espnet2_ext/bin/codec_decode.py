"""The name that ``infer codec`` had in version 0.1.0."""

from espnet2_ext.bin.infer import former_main

main = former_main("codec")

if __name__ == "__main__":
    main()
