from espnet2_ext.bin.train import main

if __name__ == "__main__":
    main()
