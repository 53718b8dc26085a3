"""`python -m quality`: see `quality.commands`."""

import sys

from quality.commands import main

if __name__ == "__main__":
    sys.exit(main())
