from espnet2_ext.bin.fit import main

main()
