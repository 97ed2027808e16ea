from espnet2_ext.bin.report import main

if __name__ == "__main__":
    main()
