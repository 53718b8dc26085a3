"""`python -m features`: see `features.commands`."""

import sys

from features.commands import main

if __name__ == "__main__":
    sys.exit(main())
