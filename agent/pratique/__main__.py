"""`python -m pratique`: the same as the `pratique` command."""

import sys

from pratique.cli import main

if __name__ == "__main__":
    sys.exit(main())
