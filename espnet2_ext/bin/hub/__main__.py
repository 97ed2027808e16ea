from espnet2_ext.bin.hub import main

if __name__ == "__main__":
    main()
