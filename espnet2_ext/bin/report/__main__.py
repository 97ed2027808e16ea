from espnet2_ext.bin.report import main

main()
