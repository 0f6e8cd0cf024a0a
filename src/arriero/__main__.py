"""`python -m arriero`: the command line."""

from arriero.cli import main

if __name__ == "__main__":
    main()
