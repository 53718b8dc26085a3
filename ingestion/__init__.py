"""From a partner's file to the lake: contracts, deliveries, landing, protection."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # nothing here multiplies matrices, and idle threads of NumPy's spin
