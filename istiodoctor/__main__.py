"""`python -m istiodoctor` is the command `istiodoctor`."""

from istiodoctor.cli.main import main

if __name__ == "__main__":
    main()
