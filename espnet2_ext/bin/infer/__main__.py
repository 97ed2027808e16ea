from espnet2_ext.bin.infer import main

main()
