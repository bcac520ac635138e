"""`python -m mam` is the command `mam`."""

import sys

from mam.cli import main

if __name__ == "__main__":
    sys.exit(main())
