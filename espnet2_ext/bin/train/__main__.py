from espnet2_ext.bin.train import main

main()
