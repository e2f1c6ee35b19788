"""The command line, as ``python -m skhlm``."""

import sys

from skhlm.cli import main

if __name__ == "__main__":
    sys.exit(main())
