from espnet2_ext.bin.data import main

main()
