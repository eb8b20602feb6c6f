"""One thread for torch: on tensors as small as the tests', several only fight for the cores."""
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
