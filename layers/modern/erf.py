"""The error function, which NumPy does not have."""

import math

from ...backend import Array, xp

STEP = 0.5
POINTS = [(k + 0.5) * STEP for k in range(11)]  # all further points together add less than 1e-16


def erf(x: Array) -> Array:
    """erf(x) = 2/sqrt(pi) times the integral of exp(-t^2) for t from 0 to x; relative error below 1e-14 in float64.

    For x > 0, 1 - erf(x) = 2x/pi exp(-x^2) times the integral of exp(-t^2) / (t^2 + x^2) for t from 0 to infinity. The
    midpoint rule with step h has an error of about exp(-(pi/h)^2) = 7e-18 once the integrand's pole at t = ix is taken
    into account, which contributes the tanh::

        erf(x) = tanh(pi x / h) - 2h x / pi exp(-x^2) sum_k exp(-t_k^2) / (t_k^2 + x^2),   t_k = (k + 1/2) h

    Source: Hunter, Regan, "A note on the evaluation of the complementary error function", 1972.
    """
    x = x.clip(-30, 30)  # beyond, erf is -1 or 1, and x^2 may overflow
    square = xp.square(x)
    total = sum(math.exp(-t * t) / (square + t * t) for t in POINTS)
    return xp.tanh(math.pi / STEP * x) - 2 * STEP / math.pi * x * xp.exp(-square) * total
