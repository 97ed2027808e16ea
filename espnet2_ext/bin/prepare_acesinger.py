"""The name that ``prepare acesinger`` had in version 0.1.0."""

from espnet2_ext.bin.prepare import former_main

main = former_main("acesinger")

if __name__ == "__main__":
    main()
