"""One thread for torch: on tensors as small as the tests', several only fight for the cores.
Notebooks' JSON is checked without a grammar of addresses, which takes two seconds to build.
"""
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.modules.setdefault("rfc3987_syntax", None)
