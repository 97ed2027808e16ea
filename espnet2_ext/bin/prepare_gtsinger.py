"""The name that ``prepare gtsinger`` had in version 0.1.0."""

from espnet2_ext.bin.prepare import former_main

main = former_main("gtsinger")

if __name__ == "__main__":
    main()
