"""`python -m gankit`: the console script, where that is not on the path."""

from gankit.cli import main

if __name__ == "__main__":
    main()
