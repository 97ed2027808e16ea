from espnet2_ext.bin.voice import main

if __name__ == "__main__":
    main()
