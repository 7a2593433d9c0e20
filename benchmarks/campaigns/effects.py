"""The posterior of one effect whose prior is known: in closed form, for the oracle and the study.

Knows nothing of incumbents: y is what was read of the effect, s the deviation of that.
"""

from __future__ import annotations

import math

from campaigns.compiled import njit
from campaigns.worlds import Array


def _effect(y: float, s: float, parts: Array, shift: float, out: Array) -> None:
    """The posterior of an effect d that was read as y ~ N(d, s²).

    Writes the density of y, E[d], E[d²], E[max(0, -d)] and E[max(0, d)], the last four times the
    density.
    """
    out[:5] = 0.0
    y -= shift
    normal = math.exp(-0.5 * (y / s) ** 2) / (s * math.sqrt(2 * math.pi))
    for i in range(len(parts)):
        share, mean = parts[i, 0], parts[i, 1]
        if share <= 0:
            continue
        if mean == 0:
            z, first, second = share * normal, 0.0, 0.0
        else:
            side = -1.0 if mean < 0 else 1.0
            a = abs(mean)
            mu = -side * y + s * s / a  # of -d for improvements mirrored: d is negative there
            t = mu / s
            if t > 30:
                z = share * normal * s / (a * t)
                first, second = -s / t, 2 * s * s / (t * t)
            else:
                q = 0.5 * math.erfc(t / math.sqrt(2.0))
                z = share * math.exp(-side * y / a + 0.5 * (s / a) ** 2) * q / a
                h = math.exp(-0.5 * t * t) / math.sqrt(2 * math.pi) / q
                first = mu - s * h
                second = s * s + mu * mu - s * h * mu
            first *= -side
        # The effect is shift + first: it may be better or worse on either side of a shift.
        out[0] += z
        out[1] += z * (shift + first)
        out[2] += z * (shift * shift + 2 * shift * first + second)
        if shift + first < 0:
            out[3] -= z * (shift + first)
        else:
            out[4] += z * (shift + first)


effect = njit(_effect)
