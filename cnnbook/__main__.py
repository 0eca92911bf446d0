from cnnbook.cli import main

main()
