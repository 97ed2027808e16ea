from espnet2_ext.bin.fit import main

if __name__ == "__main__":
    main()
