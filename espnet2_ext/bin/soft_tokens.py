"""The name that ``infer soft`` had in version 0.1.0."""

from espnet2_ext.bin.infer import former_main

main = former_main("soft")

if __name__ == "__main__":
    main()
