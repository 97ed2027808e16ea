from espnet2_ext.bin.data import main

if __name__ == "__main__":
    main()
