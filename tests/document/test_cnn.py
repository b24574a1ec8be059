"""The source document's CNN formulas, each from loops that follow it index by index."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn

H, W, K1, K2 = 6, 7, 3, 2


def rot180(kernel):
    return [row[::-1] for row in kernel[::-1]]


def convolve(image, kernel, i, j):
    """The source document's true convolution (I * K)_ij = sum_mn I(i-m, j-n) K(m, n), zero outside the image."""
    return sum(
        image[i - m][j - n] * kernel[m][n]
        for m in range(len(kernel))
        for n in range(len(kernel[0]))
        if 0 <= i - m < len(image) and 0 <= j - n < len(image[0])
    )


@pytest.fixture
def case(rng):
    """A grey image o, a kernel w with bias b, and an upstream delta."""
    conv = nn.Conv2D(1, 1, (K1, K2), rng=0, dtype="float64")
    conv.params["b"] = [0.3]
    o = rng.standard_normal((H, W)).tolist()
    delta = rng.standard_normal((H - K1 + 1, W - K2 + 1)).tolist()
    return conv, o, host(conv.params["W"])[0, 0].tolist(), delta


def run(conv, o, delta):
    x, backward = conv.forward(dev([[o]]))
    do = backward(dev([[delta]]))
    return host(x)[0, 0], host(do)[0, 0]


def test_forward_is_cross_correlation_plus_bias(case):
    conv, o, w, delta = case
    expected = [
        [sum(w[m][n] * o[i + m][j + n] for m in range(K1) for n in range(K2)) + 0.3 for j in range(W - K2 + 1)]
        for i in range(H - K1 + 1)
    ]
    np.testing.assert_allclose(run(conv, o, delta)[0], expected, rtol=1e-12)


def test_forward_is_true_convolution_with_the_turned_kernel(case):
    conv, o, w, delta = case
    expected = [
        [convolve(o, rot180(w), i, j) + 0.3 for j in range(K2 - 1, W)] for i in range(K1 - 1, H)
    ]  # where the kernel lies inside the image
    np.testing.assert_allclose(run(conv, o, delta)[0], expected, rtol=1e-12)


def test_forward_sums_over_channels(rng):
    """(I * K)_ij = sum_mnc K[m,n,c] I[i+m,j+n,c] + b, for each of D kernels."""
    C, D = 3, 2
    conv = nn.Conv2D(C, D, (K1, K2), rng=0, dtype="float64")
    conv.params["b"] = rng.standard_normal(D)
    image = rng.standard_normal((C, H, W))
    K, b = host(conv.params["W"]), host(conv.params["b"])
    expected = np.zeros((D, H - K1 + 1, W - K2 + 1))
    for d, i, j in np.ndindex(expected.shape):
        expected[d, i, j] = b[d] + sum(
            K[d, c, m, n] * image[c, i + m, j + n] for m in range(K1) for n in range(K2) for c in range(C)
        )
    np.testing.assert_allclose(host(conv(dev(image[None])))[0], expected, rtol=1e-12)


def test_kernel_gradient(case):
    """dE/dw_m'n' = sum_{i=0}^{H-k1} sum_{j=0}^{W-k2} delta_ij o_{i+m',j+n'}."""
    conv, o, _, delta = case
    run(conv, o, delta)
    expected = [
        [sum(delta[i][j] * o[i + m][j + n] for i in range(H - K1 + 1) for j in range(W - K2 + 1)) for n in range(K2)]
        for m in range(K1)
    ]
    np.testing.assert_allclose(host(conv.grads["W"])[0, 0], expected, rtol=1e-12)


def test_kernel_gradient_in_its_rot180_form(case):
    """dE/dw_m'n' = rot180{delta} * o, read at (m', n') from where the turned delta lies inside the image."""
    conv, o, _, delta = case
    run(conv, o, delta)
    turned = rot180(delta)
    expected = [[convolve(o, turned, H - K1 + m, W - K2 + n) for n in range(K2)] for m in range(K1)]
    np.testing.assert_allclose(host(conv.grads["W"])[0, 0], expected, rtol=1e-12)


def test_bias_gradient(case):
    conv, o, _, delta = case
    run(conv, o, delta)
    np.testing.assert_allclose(host(conv.grads["b"]), [sum(map(sum, delta))], rtol=1e-12)


def test_input_gradient(case):
    """dE/dx_i'j' = sum_mn delta_{i'-m,j'-n} w_mn f'(x_i'j'), here for f' = 1; delta is 0 outside its range."""
    conv, o, w, delta = case
    expected = [
        [
            sum(
                delta[i - m][j - n] * w[m][n]
                for m in range(K1)
                for n in range(K2)
                if 0 <= i - m < len(delta) and 0 <= j - n < len(delta[0])
            )
            for j in range(W)
        ]
        for i in range(H)
    ]
    np.testing.assert_allclose(run(conv, o, delta)[1], expected, rtol=1e-12)


def test_input_gradient_in_its_rot180_form(case):
    """The sum with plus signs over the turned kernel: cross-correlation of the bordered delta with rot180{w}."""
    conv, o, w, delta = case
    turned = rot180(w)
    bordered = np.pad(delta, ((K1 - 1, K1 - 1), (K2 - 1, K2 - 1))).tolist()
    expected = [
        [sum(bordered[i + m][j + n] * turned[m][n] for m in range(K1) for n in range(K2)) for j in range(W)]
        for i in range(H)
    ]
    np.testing.assert_allclose(run(conv, o, delta)[1], expected, rtol=1e-12)


def test_input_gradient_through_the_activation(rng):
    """delta^l = sum_mn delta^{l+1}_{i'-m,j'-n} w_mn f'(x^l_i'j') for o = f(x), f = tanh."""
    conv, tanh = nn.Conv2D(1, 1, (K1, K2), rng=0, dtype="float64"), nn.Tanh()
    w = host(conv.params["W"])[0, 0]
    x, delta = rng.standard_normal((H, W)), rng.standard_normal((H - K1 + 1, W - K2 + 1))
    o, tanh_backward = tanh.forward(dev(x[None, None]))
    _, conv_backward = conv.forward(o)
    result = host(tanh_backward(conv_backward(dev(delta[None, None]))))[0, 0]
    for i in range(H):
        for j in range(W):
            expected = (1 - np.tanh(x[i, j]) ** 2) * sum(
                delta[i - m, j - n] * w[m, n]
                for m in range(K1)
                for n in range(K2)
                if 0 <= i - m < H - K1 + 1 and 0 <= j - n < W - K2 + 1
            )
            assert result[i, j] == pytest.approx(expected, rel=1e-12)
