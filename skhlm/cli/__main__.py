"""``python -m skhlm.cli``, where the command ``skhlm`` is not on the path."""

import sys

from skhlm.cli import main

sys.exit(main())
