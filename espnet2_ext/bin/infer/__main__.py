from espnet2_ext.bin.infer import main

if __name__ == "__main__":
    main()
