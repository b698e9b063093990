"""numpy's linear algebra on one thread.

OpenBLAS starts a thread per core and lets them spin after each product. The products of speech features take
microseconds; the spinning tripled the CPU of a decode (28 ms instead of 10) and took the cores from the calls.
"""

import ctypes
from pathlib import Path

import numpy as np

_SETTERS = ("scipy_openblas_set_num_threads64_", "openblas_set_num_threads64_", "openblas_set_num_threads")


def use_one_blas_thread() -> bool:
    """Process-wide, any time. False: this numpy was built on another library, nothing is changed."""
    package = Path(np.__file__).parent
    for folder in (package.with_name("numpy.libs"), package / ".dylibs"):
        for path in sorted(folder.glob("*openblas*")):
            library = ctypes.CDLL(str(path))
            for name in _SETTERS:
                if hasattr(library, name):
                    getattr(library, name)(1)
                    return True
    return False
