"""`njit` of numba where it is installed; without it the same code runs as plain Python, slowly.

Nothing here depends on which of the two it is: results agree but for the last bits.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import numba

    COMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
except ImportError:
    COMPILED = False


def njit(function: Callable[..., Any]) -> Any:
    """The function, compiled on its first call."""
    # Division by zero is inf or nan then, as in numpy, and not an error.
    return numba.njit(error_model="numpy")(function) if COMPILED else function


def _list(size: int) -> list[float]:
    return [0.0] * size


zeros: Any = np.zeros if COMPILED else _list
"""So many zeros: plain Python is faster on a list."""


def as_python(function: Any) -> Callable[..., Any]:
    """The plain function behind a compiled one: it may be given rules that are not compiled."""
    plain: Callable[..., Any] = getattr(function, "py_func", function)
    return plain
