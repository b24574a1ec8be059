"""The error function against Python's own, which computes one value at a time."""

import math

import numpy as np
from border import dev, host

from xpnn.layers.modern.erf import erf


def test_erf_is_python_s():
    x = np.concatenate([np.linspace(-7, 7, 401), np.geomspace(1e-300, 1, 100), [30.0, -1e200, 1e308, np.inf, -np.inf]])
    want = np.vectorize(math.erf)(x)
    np.testing.assert_allclose(host(erf(dev(x))), want, rtol=1e-14)
    single = x[abs(x) < 1e38].astype("float32")
    result = host(erf(dev(single, "float32")))
    assert result.dtype == "float32"
    np.testing.assert_allclose(result, np.vectorize(math.erf)(single), rtol=3e-6, atol=1e-37)


def test_erf_keeps_nan_and_the_sign_of_zero():
    y = host(erf(dev([np.nan, 0.0, -0.0])))
    assert np.isnan(y[0])
    assert not y[1:].any()
