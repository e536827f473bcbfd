"""`python -m finecaption`: the same as the `finecaption` command."""

from finecaption.cli import main

if __name__ == "__main__":
    main()
