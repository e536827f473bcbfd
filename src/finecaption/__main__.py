"""`python -m finecaption`: the same as the `finecaption` command."""

import sys

from finecaption.cli import main

if __name__ == "__main__":
    sys.exit(main())
