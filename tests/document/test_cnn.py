"""The source document's CNN formulas, each from loops that follow it index by index.

docs/equations.md numbers the formulas. ``*`` is the document's own, the true convolution CNN.1, if not said otherwise.
Derivatives that no formula gives come from :func:`document.loops.derivative`.
"""

import cmath
import math

import numpy as np
import pytest
from border import dev, host
from document.loops import derivative, differ, same

import xpnn as nn

H, W, K1, K2 = 6, 7, 3, 2
ROWS, COLUMNS = H - K1 + 1, W - K2 + 1
KERNEL = [(m, n) for m in range(K1) for n in range(K2)]
IMAGE = [(i, j) for i in range(H) for j in range(W)]
OUTPUT = [(i, j) for i in range(ROWS) for j in range(COLUMNS)]


def f(x):
    return cmath.tanh(x) if isinstance(x, complex) else math.tanh(x)


def f_prime(x):
    return 1 - math.tanh(x) ** 2


def grid(function, rows, columns):
    """function(i, j) at every place."""
    return [[function(i, j) for j in range(columns)] for i in range(rows)]


def rot180(kernel):
    return [row[::-1] for row in kernel[::-1]]


def at(image, i, j):
    """An element, or 0 outside."""
    return image[i][j] if 0 <= i < len(image) and 0 <= j < len(image[0]) else 0.0


def convolve(image, kernel, i, j):
    """CNN.1: (I * K)_ij = sum_mn I(i-m, j-n) K(m, n), with 0 outside the image."""
    return sum(at(image, i - m, j - n) * kernel[m][n] for m in range(len(kernel)) for n in range(len(kernel[0])))


def correlate(o, w, b=0.0):
    """CNN.8: sum_mn w_mn o_{i+m,j+n} + b wherever the kernel lies inside the image."""
    k1, k2 = len(w), len(w[0])
    return grid(
        lambda i, j: sum(w[m][n] * o[i + m][j + n] for m in range(k1) for n in range(k2)) + b,
        len(o) - k1 + 1,
        len(o[0]) - k2 + 1,
    )


def error(x, t):
    """CNN.16 over all places."""
    return 0.5 * sum((t[i][j] - x[i][j]) ** 2 for i in range(len(t)) for j in range(len(t[0])))


class Case:
    """x^l, o^l = f(x^l), then x^{l+1} = sum w o + b and E; the document's layer l has o^{l-1} for o and x^l for x.

    Attributes:
        before: x^l, of which o is f.
        o, w, b: the image, the kernel and its bias.
        x: the output.
        t: the targets.
        delta: dE/dx = x - t.
    """

    def __init__(self, rng) -> None:
        self.conv, self.f = nn.Conv2D(1, 1, (K1, K2), rng=0, dtype="float64"), nn.Tanh()
        self.b = 0.3
        self.conv.params["b"] = [self.b]
        self.w = host(self.conv.params["W"])[0, 0].tolist()
        self.before = rng.standard_normal((H, W)).tolist()
        self.o = [[f(x) for x in row] for row in self.before]
        self.x = correlate(self.o, self.w, self.b)
        self.t = rng.standard_normal((ROWS, COLUMNS)).tolist()
        self.delta = grid(lambda i, j: self.x[i][j] - self.t[i][j], ROWS, COLUMNS)

    def output(self):
        """xpnn's x."""
        return self.conv.forward(dev([[self.o]]))[0][0, 0]

    def kernel_gradient(self, delta=None):
        """xpnn's dE/dw from a delta, or of the whole from E."""
        self.conv.zero_grad()
        x, backward = self.conv.forward(dev([[self.o]]))
        backward(dev([[delta]]) if delta else nn.HalfSquaredError().forward(x, dev([[self.t]]))[1]())
        return host(self.conv.grads["W"])[0, 0].copy()

    def before_gradient(self, delta=None):
        """xpnn's dE/dx^l from a delta^{l+1}, or of the whole from E."""
        o, f_backward = self.f.forward(dev([[self.before]]))
        x, backward = self.conv.forward(o)
        delta = dev([[delta]]) if delta else nn.HalfSquaredError().forward(x, dev([[self.t]]))[1]()
        return host(f_backward(backward(delta)))[0, 0]

    def x_of(self, before):
        """x^{l+1} as a function of x^l."""
        return correlate([[f(x) for x in row] for row in before], self.w, self.b)


def one_at(i, j):
    """A delta that is 1 there and 0 elsewhere: what comes back is the derivative of x_ij."""
    return grid(lambda p, q: float((p, q) == (i, j)), ROWS, COLUMNS)


@pytest.fixture
def case(rng):
    return Case(rng)


def conv_of(kernel, padding=0) -> nn.Conv2D:
    """A layer that cross-correlates with this kernel."""
    conv = nn.Conv2D(1, 1, (len(kernel), len(kernel[0])), padding=padding, rng=0, dtype="float64")
    conv.params["W"], conv.params["b"] = [[kernel]], [0.0]
    return conv


# 卷积计算: convolution


def test_CNN_1_true_convolution(case):
    """sum_mn I(i-m, j-n) K(m, n) everywhere, by the turned kernel and a border of zeros."""
    conv = conv_of(rot180(case.w), padding=(K1 - 1, K2 - 1))
    expected = grid(
        lambda i, j: sum(at(case.o, i - m, j - n) * case.w[m][n] for m, n in KERNEL), H + K1 - 1, W + K2 - 1
    )
    same(conv.forward(dev([[case.o]]))[0][0, 0], expected)


def test_CNN_2_convolution_with_plus_signs(case):
    """sum_mn I(i+m, j+n) K(-m, -n) for m = -(k1-1) .. 0, n = -(k2-1) .. 0."""
    conv = conv_of(rot180(case.w), padding=(K1 - 1, K2 - 1))
    expected = grid(
        lambda i, j: sum(
            at(case.o, i + m, j + n) * case.w[-m][-n] for m in range(-(K1 - 1), 1) for n in range(-(K2 - 1), 1)
        ),
        H + K1 - 1,
        W + K2 - 1,
    )
    same(conv.forward(dev([[case.o]]))[0][0, 0], expected)


def test_CNN_2_over_the_documents_range_one_element_of_the_kernel_is_left(case):
    conv = conv_of(rot180(case.w), padding=(K1 - 1, K2 - 1))
    over_0_to_k = grid(
        lambda i, j: sum(at(case.o, i + m, j + n) * at(case.w, -m, -n) for m, n in KERNEL), H + K1 - 1, W + K2 - 1
    )
    same(over_0_to_k, grid(lambda i, j: at(case.o, i, j) * case.w[0][0], H + K1 - 1, W + K2 - 1))
    differ(conv.forward(dev([[case.o]]))[0][0, 0], over_0_to_k)


def test_CNN_3_with_a_symmetric_kernel_convolution_is_cross_correlation(case):
    """K(-m, -n) = K(m, n), m and n counted from the kernel's centre."""
    symmetric = [[0.5, -1.0, 2.0], [3.0, 0.25, 3.0], [2.0, -1.0, 0.5]]
    assert all(symmetric[1 - m][1 - n] == symmetric[1 + m][1 + n] for m in (-1, 0, 1) for n in (-1, 0, 1))
    convolution = grid(lambda i, j: convolve(case.o, symmetric, i + 2, j + 2), H - 2, W - 2)
    same(conv_of(symmetric).forward(dev([[case.o]]))[0][0, 0], convolution)
    any_other = grid(lambda i, j: convolve(case.o, case.w, i + K1 - 1, j + K2 - 1), ROWS, COLUMNS)
    differ(conv_of(case.w).forward(dev([[case.o]]))[0][0, 0], any_other)


def test_CNN_4_an_image_has_a_height_a_width_and_channels(rng):
    conv = nn.Conv2D(3, 4, (K1, K2), rng=0, dtype="float64")
    conv.forward(dev(rng.standard_normal((1, 3, H, W))))
    with pytest.raises(ValueError, match=r"expected input of shape \(N, 3, H, W\)"):
        conv.forward(dev(rng.standard_normal((1, H, W, 3))))


def test_CNN_5_the_filters_have_rows_columns_channels_and_a_number():
    assert nn.Conv2D(3, 4, (K1, K2), rng=0).params["W"].shape == (4, 3, K1, K2)


def test_CNN_6_each_filter_has_a_bias():
    assert nn.Conv2D(3, 4, (K1, K2), rng=0).params["b"].shape == (4,)


def test_CNN_7_output_sums_over_channels(rng):
    """sum_mnc K_mnc I_{i+m,j+n,c} + b for each of D filters."""
    C, D = 3, 4
    conv = nn.Conv2D(C, D, (K1, K2), rng=0, dtype="float64")
    conv.params["b"] = rng.standard_normal(D)
    image, K, b = rng.standard_normal((C, H, W)), host(conv.params["W"]), host(conv.params["b"])
    expected = [
        grid(
            lambda i, j, d=d: (
                sum(K[d, c, m, n] * image[c, i + m, j + n] for m in range(K1) for n in range(K2) for c in range(C))
                + b[d]
            ),
            ROWS,
            COLUMNS,
        )
        for d in range(D)
    ]
    same(conv.forward(dev(image[None]))[0][0], expected)


def test_CNN_8_output_of_a_grey_image(case):
    """sum_mn K_mn I_{i+m,j+n} + b."""
    expected = grid(lambda i, j: sum(case.w[m][n] * case.o[i + m][j + n] for m, n in KERNEL) + case.b, ROWS, COLUMNS)
    same(case.output(), expected)


# 记号: notation


def test_CNN_9_i_j_run_over_the_image_and_m_n_over_the_kernel(case):
    """A single weight w_mn takes o_{i+m,j+n} to x_ij."""
    for m, n in KERNEL:
        only = grid(lambda p, q, m=m, n=n: float((p, q) == (m, n)), K1, K2)
        x = conv_of(only).forward(dev([[case.o]]))[0][0, 0]
        same(x, grid(lambda i, j, m=m, n=n: case.o[i + m][j + n], ROWS, COLUMNS))


def test_CNN_10_input_of_a_layer_from_the_output_of_the_one_before(case):
    """x^l_ij = sum_mn w^l_mn o^{l-1}_{i+m,j+n} + b^l, with o^{l-1} as a layer's output."""
    o = nn.Tanh().forward(dev([[case.before]]))[0]
    expected = grid(
        lambda i, j: sum(case.w[m][n] * f(case.before[i + m][j + n]) for m, n in KERNEL) + case.b, ROWS, COLUMNS
    )
    same(case.conv.forward(o)[0][0, 0], expected)


def two_layers(case):
    """x^1 -> o^1 = f(x^1) -> x^2 -> o^2 = f(x^2) as a network."""
    return nn.Sequential(case.f, case.conv, nn.Tanh())


def test_CNN_11_output_of_a_layer(case):
    """o^l = f(x^l): a layer's output is that of its own input."""
    same(two_layers(case).forward(dev([[case.before]]))[0][0, 0], [[f(x) for x in row] for row in case.x])


def test_CNN_11_the_output_of_the_layer_before_has_another_size(case):
    """O^{l-1} = f(x^l), as item 7 has it, cannot be: o^{l-1} has the size of layer l's image, not that of x^l."""
    o = case.f.forward(dev([[case.before]]))[0]
    x, _ = case.conv.forward(o)
    f_of_x, _ = case.f.forward(x)
    assert o.shape[2:] == (H, W)
    assert f_of_x.shape[2:] == (ROWS, COLUMNS) != o.shape[2:]


# l层的输入输出: input and output of layer l


def test_CNN_12_input_as_a_true_convolution(case):
    """x = rot180{w} * o + b, read where the kernel lies inside the image."""
    turned = rot180(case.w)
    expected = grid(lambda i, j: convolve(case.o, turned, i + K1 - 1, j + K2 - 1) + case.b, ROWS, COLUMNS)
    same(case.output(), expected)


def test_CNN_13_input_with_the_bias_at_every_place(case):
    """x_ij = sum_mn w_mn o_{i+m,j+n} + b_ij, where b_ij is the same for all i and j."""
    without = correlate(case.o, case.w)
    same(case.output() - dev(without), grid(lambda i, j: case.b, ROWS, COLUMNS))


def test_CNN_14_output_by_the_activation(rng):
    """o_ij = f(x_ij)."""
    x = rng.standard_normal((H, W)).tolist()
    same(nn.Tanh().forward(dev([[x]]))[0][0, 0], grid(lambda i, j: math.tanh(x[i][j]), H, W))


# 误差: the error


def test_CNN_15_error(rng):
    """E = 1/2 sum_p (t_p - y_p)^2 of one sample."""
    t, y = rng.standard_normal(9).tolist(), rng.standard_normal(9).tolist()
    same(nn.HalfSquaredError()(dev([y]), dev([t])), 0.5 * sum((t[p] - y[p]) ** 2 for p in range(9)))


# 误差反向: the kernel's gradient


@pytest.mark.parametrize(("height", "width", "k1", "k2"), [(6, 7, 3, 2), (5, 5, 5, 5), (9, 4, 1, 3)])
def test_CNN_16_size_of_the_output(height, width, k1, k2):
    """(H - k1 + 1) by (W - k2 + 1): as many places as the kernel has inside the image."""
    places = [sum(i + k <= size for i in range(size)) for size, k in ((height, k1), (width, k2))]
    assert places == [height - k1 + 1, width - k2 + 1]
    x = nn.Conv2D(1, 1, (k1, k2), rng=0).forward(dev(np.zeros((1, 1, height, width)), "float32"))[0]
    assert list(x.shape[2:]) == places


def dx_dw(case, i, j, m, n):
    """The derivative of the loops' x_ij by w_mn."""
    return derivative(lambda w: correlate(case.o, w, case.b)[i][j], case.w, m, n)


def test_CNN_17_kernel_gradient_chain_rule(case):
    """sum_ij dE/dx_ij dx_ij/dw_m'n'."""
    dE_dx = grid(lambda i, j: derivative(lambda x: error(x, case.t), case.x, i, j), ROWS, COLUMNS)
    expected = grid(lambda m, n: sum(dE_dx[i][j] * dx_dw(case, i, j, m, n) for i, j in OUTPUT), K1, K2)
    same(case.kernel_gradient(), expected)
    same(
        grid(lambda m, n: derivative(lambda w: error(correlate(case.o, w, case.b), case.t), case.w, m, n), K1, K2),
        expected,
    )


def test_CNN_18_kernel_gradient_from_the_deltas(case):
    """sum_ij delta_ij dx_ij/dw_m'n'."""
    expected = grid(lambda m, n: sum(case.delta[i][j] * dx_dw(case, i, j, m, n) for i, j in OUTPUT), K1, K2)
    same(case.kernel_gradient(case.delta), expected)


PLACES = [(0, 0), (2, 3), (ROWS - 1, COLUMNS - 1)]
"""(i, j) at which the derivatives of x_ij are compared."""


def test_CNN_19_derivative_of_the_sum(case):
    """dx_ij/dw_m'n' is that of sum_mn w_mn o_{i+m,j+n} + b."""
    for i, j in PLACES:

        def x(w, i=i, j=j):
            return sum(w[m][n] * case.o[i + m][j + n] for m, n in KERNEL) + case.b

        same(case.kernel_gradient(one_at(i, j)), grid(lambda m, n, x=x: derivative(x, case.w, m, n), K1, K2))


def test_CNN_20_derivative_of_the_sum_term_by_term(case):
    """w_00 o_{i+0,j+0} + ... + w_m'n' o_{i+m',j+n'} + ... + b, each term by itself."""
    for i, j in PLACES:
        terms = [*(lambda w, i=i, j=j, m=m, n=n: w[m][n] * case.o[i + m][j + n] for m, n in KERNEL), lambda w: case.b]
        same(sum(term(case.w) for term in terms), case.x[i][j])
        expected = grid(lambda m, n, terms=terms: sum(derivative(term, case.w, m, n) for term in terms), K1, K2)
        same(case.kernel_gradient(one_at(i, j)), expected)


def test_CNN_21_one_term_is_left(case):
    """d/dw_m'n' (w_m'n' o_{i+m',j+n'})."""
    for i, j in PLACES:
        expected = grid(
            lambda m, n, i=i, j=j: derivative(lambda w: w[m][n] * case.o[i + m][j + n], case.w, m, n), K1, K2
        )
        same(case.kernel_gradient(one_at(i, j)), expected)


def test_CNN_22_what_the_weight_multiplies(case):
    """dx_ij/dw_m'n' = o_{i+m',j+n'}."""
    for i, j in PLACES:
        same(case.kernel_gradient(one_at(i, j)), grid(lambda m, n, i=i, j=j: case.o[i + m][j + n], K1, K2))


def test_CNN_23_kernel_gradient(case):
    """sum_{i=0}^{H-k1} sum_{j=0}^{W-k2} delta_ij o_{i+m',j+n'}."""
    expected = grid(
        lambda m, n: sum(case.delta[i][j] * case.o[i + m][j + n] for i in range(H - K1 + 1) for j in range(W - K2 + 1)),
        K1,
        K2,
    )
    same(case.kernel_gradient(case.delta), expected)


def test_CNN_24_kernel_gradient_as_a_true_convolution(case):
    """rot180{delta} * o, read at (m', n') from where the turned delta lies inside the image."""
    turned = rot180(case.delta)
    expected = grid(lambda m, n: convolve(case.o, turned, ROWS - 1 + m, COLUMNS - 1 + n), K1, K2)
    same(case.kernel_gradient(case.delta), expected)


def test_CNN_25_bias_gradient(case):
    """dE/db = sum_ij delta_ij."""
    case.kernel_gradient(case.delta)
    same(case.conv.grads["b"], [sum(case.delta[i][j] for i, j in OUTPUT)])
    dE_db = derivative(lambda b: error(correlate(case.o, case.w, b[0]), case.t), [case.b], 0)
    same(case.conv.grads["b"], [dE_db])


# 误差对每输入的导数: delta


def test_CNN_26_delta_is_the_derivative_by_the_input(case):
    x, _ = case.conv.forward(dev([[case.o]]))
    delta = nn.HalfSquaredError().forward(x, dev([[case.t]]))[1]()
    same(delta[0, 0], grid(lambda i, j: derivative(lambda x: error(x, case.t), case.x, i, j), ROWS, COLUMNS))
    dE_dx = grid(lambda i, j: derivative(lambda x: error(case.x_of(x), case.t), case.before, i, j), H, W)
    same(case.before_gradient(), dE_dx)


def jacobian(case):
    """{(p, q): d x^{l+1}_pq / d x^l_ij for all i, j}, by the loops."""
    columns = {
        (i, j): [derivative(lambda x, p=p, q=q: case.x_of(x)[p][q], case.before, i, j) for p, q in OUTPUT]
        for i, j in IMAGE
    }
    return {place: grid(lambda i, j, k=k: columns[i, j][k], H, W) for k, place in enumerate(OUTPUT)}


def test_CNN_27_delta_chain_rule_over_the_region_that_sees_the_element(case):
    """sum_Q dE/dx^{l+1}_Q dx^{l+1}_Q/dx^l_i'j', where Q has the kernel's size, or less at the border."""
    dx = jacobian(case)
    Q = {(i, j): [place for place in OUTPUT if dx[place][i][j] != 0] for i, j in IMAGE}
    for i, j in IMAGE:
        assert set(Q[i, j]) == {(i - m, j - n) for m, n in KERNEL} & set(OUTPUT)
    assert len(Q[3, 3]) == K1 * K2
    dE_dx = {(p, q): derivative(lambda x: error(x, case.t), case.x, p, q) for p, q in OUTPUT}
    expected = grid(lambda i, j: sum(dE_dx[place] * dx[place][i][j] for place in Q[i, j]), H, W)
    same(case.before_gradient(), expected)


def test_CNN_28_delta_from_the_deltas_of_the_region(case):
    """sum_Q delta^{l+1}_Q dx^{l+1}_Q/dx^l_i'j'."""
    dx = jacobian(case)
    expected = grid(lambda i, j: sum(case.delta[p][q] * dx[p, q][i][j] for p, q in OUTPUT if dx[p, q][i][j] != 0), H, W)
    same(case.before_gradient(case.delta), expected)


def test_CNN_29_delta_chain_rule_over_the_kernel(case):
    """sum_mn dE/dx^{l+1}_{i'-m,j'-n} dx^{l+1}_{i'-m,j'-n}/dx^l_i'j', without the places outside the output."""
    dx = jacobian(case)
    dE_dx = {(p, q): derivative(lambda x: error(x, case.t), case.x, p, q) for p, q in OUTPUT}
    expected = grid(
        lambda i, j: sum(dE_dx[i - m, j - n] * dx[i - m, j - n][i][j] for m, n in KERNEL if (i - m, j - n) in dE_dx),
        H,
        W,
    )
    same(case.before_gradient(), expected)


def test_CNN_30_delta_from_the_deltas_over_the_kernel(case):
    """sum_mn delta^{l+1}_{i'-m,j'-n} dx^{l+1}_{i'-m,j'-n}/dx^l_i'j'."""
    dx = jacobian(case)
    expected = grid(
        lambda i, j: sum(case.delta[i - m][j - n] * dx[i - m, j - n][i][j] for m, n in KERNEL if (i - m, j - n) in dx),
        H,
        W,
    )
    same(case.before_gradient(case.delta), expected)


# 相邻两层输入之间的导数: from one layer's input to the next one's

PAIRS = [(3, 4, m, n) for m, n in KERNEL]
"""(i', j', m, n): an element in the middle and every x^{l+1}_{i'-m,j'-n} that sees it."""


def from_input_to_input(case, i, j, m, n):
    """xpnn's d x^{l+1}_{i'-m,j'-n} / d x^l_i'j'."""
    return case.before_gradient(one_at(i - m, j - n))[i, j]


def test_CNN_31_derivative_of_the_next_input(case):
    """That of sum_m'n' w_m'n' o_{i'-m+m',j'-n+n'} + b."""
    for i, j, m, n in PAIRS:

        def next_x(x, i=i, j=j, m=m, n=n):
            o = [[f(value) for value in row] for row in x]
            return sum(case.w[p][q] * o[i - m + p][j - n + q] for p, q in KERNEL) + case.b

        same(next_x(case.before), case.x[i - m][j - n])
        same(from_input_to_input(case, i, j, m, n), derivative(next_x, case.before, i, j))


def test_CNN_32_derivative_of_the_next_input_through_f(case):
    """That of sum_m'n' w_m'n' f(x_{i'-m+m',j'-n+n'}) + b."""
    for i, j, m, n in PAIRS:

        def next_x(x, i=i, j=j, m=m, n=n):
            return sum(case.w[p][q] * f(x[i - m + p][j - n + q]) for p, q in KERNEL) + case.b

        same(next_x(case.before), case.x[i - m][j - n])
        same(from_input_to_input(case, i, j, m, n), derivative(next_x, case.before, i, j))


def test_CNN_33_derivative_of_the_next_input_term_by_term(case):
    """w_00 f(x_{i'-m+0,j'-n+0}) + ... + w_mn f(x_i'j') + ... + b, each term by itself."""
    for i, j, m, n in PAIRS:
        terms = [
            *(lambda x, i=i, j=j, m=m, n=n, p=p, q=q: case.w[p][q] * f(x[i - m + p][j - n + q]) for p, q in KERNEL),
            lambda x: case.b,
        ]
        same(sum(term(case.before) for term in terms), case.x[i - m][j - n])
        expected = sum(derivative(term, case.before, i, j) for term in terms)
        same(from_input_to_input(case, i, j, m, n), expected)


def test_CNN_33_with_the_documents_indices_the_terms_are_those_of_the_first_place(case):
    """x_{0-m+m',0-n+n'} for x_{i'-m+m',j'-n+n'} is right where i' = j' = 0 alone; x_i'j' is not among the terms."""

    def by_the_document(x, m, n):
        return sum(case.w[p][q] * f(at(x, 0 - m + p, 0 - n + q)) for p, q in KERNEL) + case.b

    x = case.output()
    same(x[0, 0], by_the_document(case.before, 0, 0))
    for i, j, m, n in PAIRS:
        differ(x[i - m, j - n], by_the_document(case.before, m, n))
        slope = derivative(lambda x, m=m, n=n: by_the_document(x, m, n), case.before, i, j)
        differ(from_input_to_input(case, i, j, m, n), slope)


def test_CNN_34_one_term_of_the_next_input_is_left(case):
    """d/dx_i'j' (w_mn f(x_i'j'))."""
    for i, j, m, n in PAIRS:
        expected = derivative(lambda x, i=i, j=j, m=m, n=n: case.w[m][n] * f(x[i][j]), case.before, i, j)
        same(from_input_to_input(case, i, j, m, n), expected)


def test_CNN_35_the_weight_in_front(case):
    """w_mn d/dx_i'j' f(x_i'j')."""
    for i, j, m, n in PAIRS:
        expected = case.w[m][n] * derivative(lambda x, i=i, j=j: f(x[i][j]), case.before, i, j)
        same(from_input_to_input(case, i, j, m, n), expected)


def test_CNN_36_weight_times_slope(case):
    """w_mn f'(x_i'j')."""
    for i, j, m, n in PAIRS:
        same(from_input_to_input(case, i, j, m, n), case.w[m][n] * f_prime(case.before[i][j]))


def test_CNN_37_delta(case):
    """sum_mn delta^{l+1}_{i'-m,j'-n} w_mn f'(x_i'j'); delta is 0 outside its range."""
    expected = grid(
        lambda i, j: sum(at(case.delta, i - m, j - n) * case.w[m][n] for m, n in KERNEL) * f_prime(case.before[i][j]),
        H,
        W,
    )
    same(case.before_gradient(case.delta), expected)


def with_slopes(case, sums):
    return grid(lambda i, j: sums[i][j] * f_prime(case.before[i][j]), H, W)


def sum_with_plus_signs(delta, w):
    """sum_mn delta_{i'+m,j'+n} w_mn wherever the kernel meets delta, laid out like x^l once it is turned."""
    return grid(lambda i, j: sum(at(delta, i - (K1 - 1) + m, j - (K2 - 1) + n) * w[m][n] for m, n in KERNEL), H, W)


def test_CNN_38_delta_as_a_turned_sum(case):
    """rot180{sum_mn delta_{i'+m,j'+n} w_mn} f', where delta is turned as well."""
    expected = with_slopes(case, rot180(sum_with_plus_signs(rot180(case.delta), case.w)))
    same(case.before_gradient(case.delta), expected)


def test_CNN_38_with_delta_as_it_is_the_turned_sum_is_another(case):
    by_the_document = with_slopes(case, rot180(sum_with_plus_signs(case.delta, case.w)))
    differ(case.before_gradient(case.delta), by_the_document)


def test_CNN_39_delta_as_a_cross_correlation_with_the_turned_kernel(case):
    """delta * rot180{w} f', if * is cross-correlation over a border of zeros: it is full, of x^l's size."""
    bordered = np.pad(case.delta, ((K1 - 1, K1 - 1), (K2 - 1, K2 - 1))).tolist()
    same(case.before_gradient(case.delta), with_slopes(case, correlate(bordered, rot180(case.w))))


def test_CNN_39_as_a_true_convolution_the_kernel_is_not_turned(case):
    """With the document's own * (CNN.1) it is delta * w, and delta * rot180{w} is another."""
    turned = rot180(case.w)
    as_it_is = with_slopes(case, grid(lambda i, j: convolve(case.delta, case.w, i, j), H, W))
    by_the_document = with_slopes(case, grid(lambda i, j: convolve(case.delta, turned, i, j), H, W))
    same(case.before_gradient(case.delta), as_it_is)
    differ(case.before_gradient(case.delta), by_the_document)
