"""`python -m audiossl_cli` is the command `audiossl`."""

from audiossl_cli.app import main

if __name__ == "__main__":
    main()
