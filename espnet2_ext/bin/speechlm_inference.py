"""The name that ``infer speechlm`` had in version 0.1.0."""

from espnet2_ext.bin.infer import former_main

main = former_main("speechlm")

if __name__ == "__main__":
    main()
