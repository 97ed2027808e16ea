"""The name that ``infer vocoder`` had in version 0.1.0."""

from espnet2_ext.bin.infer import former_main

main = former_main("vocoder")

if __name__ == "__main__":
    main()
