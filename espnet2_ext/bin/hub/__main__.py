from espnet2_ext.bin.hub import main

main()
