"""What one candidate's effect is likely to be: a mixture prior, and its posterior in closed form.

Knows one hypothesis at a time, and works in units of its noise; whether to keep is not its matter.

Functions here run compiled in `benchmarks/keep_rule.py`: floats, flat sequences and `math` alone.

The prior of an effect d, candidate minus incumbent, negative is better: an improvement with the
share w, -d ~ (1-tau) Exp(a) + tau Exp(5a); nothing, d = 0, with the share p0; else a harm,
d ~ Exp(b). The measured difference is y = d + N(0, s^2).
"""

from __future__ import annotations

import math

_ROOT_2 = math.sqrt(2.0)
_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
_ROOT_2PI = math.sqrt(2.0 * math.pi)
FAR_TIMES = 5.0
_LEAST = 1e-290


def improvement(y: float, s: float, a: float) -> tuple[float, float, float]:
    """Density of y where -d ~ Exp(mean a), and E[d | y], E[d^2 | y]; y, s, a in one unit.

    Completing the square in exp(-g/a) phi((y+g)/s), g = -d > 0, leaves a normal of mean -mu,
    mu = y + s^2/a, and deviation s, cut off at 0. With t = mu/s, q = P(N(0,1) > t), h = phi(t)/q:
    density exp(y/a + s^2/2a^2) q/a, E[d] = mu - s h, E[d^2] = s^2 + mu^2 - s mu h (moments of a
    truncated normal; Johnson, Kotz & Balakrishnan 1994, 13.10). Past t = 30 both differences
    cancel, and h = t + 1/t - 2/t^3 + ... gives -s/t and 2 s^2/t^2.
    """
    t = y / s + s / a
    if t > 30.0:
        density = math.exp(-0.5 * (y / s) * (y / s) - _LOG_ROOT_2PI) / (t * a)
        return density, -s / t, 2.0 * s * s / (t * t)
    q = 0.5 * math.erfc(t / _ROOT_2)
    mu = s * t
    h = math.exp(-0.5 * t * t) / (_ROOT_2PI * q)
    density = math.exp(y / a + 0.5 * (s / a) * (s / a)) * q / a
    return density, mu - s * h, s * s + mu * mu - s * mu * h


def posterior(
    y: float, s: float, w: float, p0: float, a: float, b: float, tau: float
) -> tuple[float, float, float, float, float, float]:
    """Density z of y; E[max(-d, 0)], E[max(d, 0)], E[d^2], P(d < 0) and P(d > 0), given y.

    Everything in units of the noise. Where no part of the prior reaches y, the nearer side's part
    stands alone and z is a floor.
    """
    near, near_mean, near_square = improvement(y, s, a)
    better = w * (1.0 - tau) * near
    gain = -better * near_mean
    square = better * near_square
    if tau > 0.0:
        far, far_mean, far_square = improvement(y, s, FAR_TIMES * a)
        far *= w * tau
        better += far
        gain -= far * far_mean
        square += far * far_square
    null = p0 * math.exp(-0.5 * (y / s) * (y / s)) / (_ROOT_2PI * s)
    worse, worse_mean, worse_square = improvement(-y, s, b)
    worse *= 1.0 - w - p0
    z = better + null + worse
    if z < _LEAST:
        if y < 0.0:
            return _LEAST, -near_mean, 0.0, near_square, 1.0, 0.0
        return _LEAST, 0.0, -worse_mean, worse_square, 0.0, 1.0
    square += worse * worse_square
    return z, gain / z, -worse * worse_mean / z, square / z, better / z, worse / z
