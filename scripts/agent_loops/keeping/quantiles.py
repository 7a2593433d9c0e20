"""Quantiles of distributions, and quasi-random points that fill a space evenly.

Approximate to some 1e-6; nothing random is drawn.

Functions here run compiled in `benchmarks/keep_rule.py`: floats, flat sequences and `math` alone.
"""

from __future__ import annotations

import math

_ROOT_2 = math.sqrt(2.0)
_ROOT_2PI = math.sqrt(2.0 * math.pi)


def _generator() -> float:
    """The root of g^6 = g + 1: the base of the quasi-random sequence R5 (Roberts 2018)."""
    g = 1.0
    for _ in range(60):
        g = (1.0 + g) ** (1.0 / 6.0)
    return g


_G = _generator()


def normal_quantile(p: float) -> float:
    """The x with P(N(0,1) < x) = p, by one of Halley's steps on erfc, in the lower half."""
    if p > 0.5:
        return -normal_quantile(1.0 - p)
    t = math.sqrt(-2.0 * math.log(p))
    # Hastings' approximation (Abramowitz & Stegun 26.2.22), off by at most .003.
    x = (2.30753 + 0.27061 * t) / (1.0 + t * (0.99229 + 0.04481 * t)) - t
    off = (0.5 * math.erfc(-x / _ROOT_2) - p) * _ROOT_2PI * math.exp(0.5 * x * x)
    return x - off / (1.0 + 0.5 * x * off)


def chi_square_quantile(p: float, freedom: float) -> float:
    """Chi-square's quantile: exact for 1 and 2 degrees of freedom, else Wilson & Hilferty's."""
    if freedom < 1.5:
        x = normal_quantile(0.5 * (1.0 + p))
        return x * x
    if freedom < 2.5:
        return -2.0 * math.log(1.0 - p)
    part = 2.0 / (9.0 * freedom)
    root = 1.0 - part + normal_quantile(p) * math.sqrt(part)
    return freedom * max(root, 0.05) ** 3


def point(i: int, k: int) -> float:
    """Coordinate k of the i-th quasi-random point, in (0, 1): frac(1/2 + (i + 1) g^-(k + 1))."""
    return (0.5 + (i + 1) * _G ** -(k + 1)) % 1.0


def normal_point(i: int, k: int) -> float:
    """The same, as normals."""
    return normal_quantile(point(i, k))
