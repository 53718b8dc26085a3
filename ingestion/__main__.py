"""`python -m ingestion`: see `ingestion.commands`."""

import gc
import os
import sys

if __name__ == "__main__":
    gc.set_threshold(100_000)  # modules and batches of rows live long: looking through them for cycles finds none
    from ingestion.commands import main

    gc.freeze()
    code = main()
    sys.stdout.flush()
    os._exit(code)  # taking frozen objects apart is slow, and DuckDB's binding reports each of them as leaked
