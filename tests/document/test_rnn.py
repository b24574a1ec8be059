"""Elman's recurrence and back-propagation through time, index by index in scalar loops.

The source document asks for the simplest RNN and has no formulas of it. These are those of Elman, "Finding structure in
time", 1990, and Werbos, "Backpropagation through time", 1990; docs/equations.md numbers them. Derivatives that no
formula gives come from :func:`document.loops.derivative`.
"""

import cmath

import numpy as np
import pytest
from border import dev, host, randomise
from document.loops import derivative, same

import xpnn as nn

N, T, I, H = 2, 4, 3, 5


def forward(p, x, h0):
    """h_0 .. h_T of one sample: h_t[i] = tanh(sum_j W_x[i,j] x_t[j] + sum_j W_h[i,j] h_{t-1}[j] + b[i])."""
    h = [h0]
    for x_t in x:
        h.append(
            [
                cmath.tanh(
                    sum(p["W_x"][i][j] * x_t[j] for j in range(I))
                    + sum(p["W_h"][i][j] * h[-1][j] for j in range(H))
                    + p["b"][i]
                )
                for i in range(H)
            ]
        )
    return h


def real(h):
    return [[value.real for value in h_t] for h_t in h]


class Case:
    """E = 1/2 sum_{s,t,i} (target - h_t[i])^2 over two samples and four steps; its loops, and xpnn's layer.

    Attributes:
        p: the parameters as lists.
        x, h0, target: of each sample.
        h: h_0 .. h_T of each sample, by the loops.
        dy: dE/dh_t of each sample at t = 1 .. T (index t - 1), without what comes by way of later steps.
        delta: of each sample at t = 1 .. T (index t - 1), by RNN.6.
    """

    def __init__(self, rng) -> None:
        self.layer = nn.RNN(I, H, return_sequences=True, rng=0, dtype="float64")
        randomise(self.layer, rng)
        self.p = {key: host(value).tolist() for key, value in self.layer.params.items()}
        self.x, self.h0 = rng.standard_normal((N, T, I)).tolist(), rng.uniform(-1, 1, (N, H)).tolist()
        self.target = rng.uniform(-1, 1, (N, T, H)).tolist()
        self.h = [real(forward(self.p, self.x[s], self.h0[s])) for s in range(N)]
        self.dy = [
            [[self.h[s][t][i] - self.target[s][t - 1][i] for i in range(H)] for t in range(1, T + 1)] for s in range(N)
        ]
        self.delta = [self.deltas(s) for s in range(N)]

    def deltas(self, s) -> list:
        """delta_t[i] = (dE/dh_t[i] + sum_j W_h[j,i] delta_{t+1}[j]) (1 - h_t[i]^2) for t = T .. 1."""
        following, found = [0.0] * H, []
        for t in range(T, 0, -1):
            following = [
                (self.dy[s][t - 1][i] + sum(self.p["W_h"][j][i] * following[j] for j in range(H)))
                * (1 - self.h[s][t][i] ** 2)
                for i in range(H)
            ]
            found.insert(0, following)
        return found

    def error(self, p=None, x=None, h0=None):
        """E, as a function of the parameters, the inputs or the first states."""
        p, x, h0 = p or self.p, x or self.x, h0 or self.h0
        return 0.5 * sum(
            (self.target[s][t - 1][i] - h_t[i]) ** 2
            for s in range(N)
            for t, h_t in enumerate(forward(p, x[s], h0[s]))
            if t > 0
            for i in range(H)
        )

    def dE_dp(self, key, *index):
        """dE/d(parameter) by the loops alone."""
        return derivative(lambda value: self.error(p=self.p | {key: value}), self.p[key], *index)

    def backward(self):
        """xpnn's (dE/dx, dE/dh_0), with the parameters' gradients in the layer."""
        self.layer.zero_grad()
        y, _, backward = self.layer.forward_from(dev(self.x), dev(self.h0))
        return backward(y - dev(self.target))

    def one_step(self, s, t):
        """xpnn's backward of step t of sample s alone, from the loops' h_{t-1}."""
        self.layer.zero_grad()
        return self.layer.forward_from(dev([[self.x[s][t - 1]]]), dev([self.h[s][t - 1]]))[2]


@pytest.fixture
def case(rng):
    return Case(rng)


# forward


def test_RNN_1_step(case):
    """h_t[i] = tanh(sum_j W_x[i,j] x_t[j] + sum_j W_h[i,j] h_{t-1}[j] + b[i])."""
    for t in range(1, T + 1):
        x_t, before = [case.x[s][t - 1 : t] for s in range(N)], [case.h[s][t - 1] for s in range(N)]
        expected = [
            [
                cmath.tanh(
                    sum(case.p["W_x"][i][j] * x_t[s][0][j] for j in range(I))
                    + sum(case.p["W_h"][i][j] * before[s][j] for j in range(H))
                    + case.p["b"][i]
                ).real
                for i in range(H)
            ]
            for s in range(N)
        ]
        same(case.layer.forward_from(dev(x_t), dev(before))[1], expected)


def test_RNN_2_before_the_first_step_the_state_is_zero(case):
    y, _ = case.layer.forward(dev(case.x))
    same(y, [real(forward(case.p, case.x[s], [0.0] * H))[1:] for s in range(N)])


def test_RNN_3_the_state_goes_from_step_to_step(case):
    """h_1, ..., h_T with the same W_x, W_h, b at each step."""
    y, _, _ = case.layer.forward_from(dev(case.x), dev(case.h0))
    same(y, [case.h[s][1:] for s in range(N)])


@pytest.mark.parametrize("every", [True, False], ids=["every", "last"])
def test_RNN_4_the_output_is_every_state_or_the_last(case, every):
    layer = nn.RNN(I, H, return_sequences=every, rng=0, dtype="float64")
    layer.params |= case.p
    y, last, _ = layer.forward_from(dev(case.x), dev(case.h0))
    same(y, [case.h[s][1:] if every else case.h[s][T] for s in range(N)])
    same(last, [case.h[s][T] for s in range(N)])


# backward


def from_step(case, t):
    """E after step t as a function of h_t of sample 0: all terms of E from step t on."""

    def error(h_t):
        states = [h_t, *forward(case.p, case.x[0][t:], h_t)[1:]]
        return 0.5 * sum(
            (case.target[0][t - 1 + k][i] - states[k][i]) ** 2 for k in range(len(states)) for i in range(H)
        )

    return error


def test_RNN_5_a_state_counts_in_its_own_step_and_in_the_later_ones(case):
    """dE/dh_t[i] in all = dE/dh_t[i] directly + sum_j W_h[j,i] delta_{t+1}[j]."""
    later = [0.0] * H
    for t in range(T, 0, -1):
        total = [case.dy[0][t - 1][i] + later[i] for i in range(H)]
        same([derivative(from_step(case, t), case.h[0][t], i) for i in range(H)], total)
        later = [sum(case.p["W_h"][j][i] * case.delta[0][t - 1][j] for j in range(H)) for i in range(H)]
        # the gradient for h_{t-1} of xpnn's pass over steps t .. T
        case.layer.zero_grad()
        y, _, backward = case.layer.forward_from(dev([case.x[0][t - 1 :]]), dev([case.h[0][t - 1]]))
        same(backward(y - dev([case.target[0][t - 1 :]]))[1], [later])


def test_RNN_6_delta(case):
    """delta_t[i] = (dE/dh_t[i] + sum_j W_h[j,i] delta_{t+1}[j]) (1 - h_t[i]^2); it is dE/db of step t alone."""
    for s in range(N):
        for t in range(T, 0, -1):
            following = case.delta[s][t] if t < T else [0.0] * H
            total = [case.dy[s][t - 1][i] + sum(case.p["W_h"][j][i] * following[j] for j in range(H)) for i in range(H)]
            case.one_step(s, t)(dev([[total]]))
            same(case.layer.grads["b"], [total[i] * (1 - case.h[s][t][i] ** 2) for i in range(H)])


def test_RNN_7_gradient_of_the_weights_of_the_input(case):
    """dE/dW_x[i,j] = sum_t delta_t[i] x_t[j]."""
    case.backward()
    expected = [
        [
            sum(case.delta[s][t - 1][i] * case.x[s][t - 1][j] for s in range(N) for t in range(1, T + 1))
            for j in range(I)
        ]
        for i in range(H)
    ]
    same(case.layer.grads["W_x"], expected)
    same([[case.dE_dp("W_x", i, j) for j in range(I)] for i in range(H)], expected)


def test_RNN_8_gradient_of_the_weights_of_the_state(case):
    """dE/dW_h[i,j] = sum_t delta_t[i] h_{t-1}[j]."""
    case.backward()
    expected = [
        [
            sum(case.delta[s][t - 1][i] * case.h[s][t - 1][j] for s in range(N) for t in range(1, T + 1))
            for j in range(H)
        ]
        for i in range(H)
    ]
    same(case.layer.grads["W_h"], expected)
    same([[case.dE_dp("W_h", i, j) for j in range(H)] for i in range(H)], expected)


def test_RNN_9_gradient_of_the_biases(case):
    """dE/db[i] = sum_t delta_t[i]."""
    case.backward()
    expected = [sum(case.delta[s][t - 1][i] for s in range(N) for t in range(1, T + 1)) for i in range(H)]
    same(case.layer.grads["b"], expected)
    same([case.dE_dp("b", i) for i in range(H)], expected)


def test_RNN_10_gradient_for_the_input(case):
    """dE/dx_t[j] = sum_i W_x[i,j] delta_t[i]."""
    dx, _ = case.backward()
    expected = [
        [[sum(case.p["W_x"][i][j] * case.delta[s][t][i] for i in range(H)) for j in range(I)] for t in range(T)]
        for s in range(N)
    ]
    same(dx, expected)
    places = list(np.ndindex(N, T, I))
    same(
        np.array([derivative(lambda x: case.error(x=x), case.x, *place) for place in places]).reshape(N, T, I), expected
    )


def test_RNN_11_gradient_for_the_first_state(case):
    """dE/dh_0[j] = sum_i W_h[i,j] delta_1[i]."""
    _, dh0 = case.backward()
    expected = [[sum(case.p["W_h"][i][j] * case.delta[s][0][i] for i in range(H)) for j in range(H)] for s in range(N)]
    same(dh0, expected)
    same([[derivative(lambda h0: case.error(h0=h0), case.h0, s, j) for j in range(H)] for s in range(N)], expected)


def test_RNN_12_where_the_last_state_alone_is_the_output(case):
    """dE/dh_t = 0 directly for t < T: delta_T = dE/dh_T (1 - h_T^2), delta_t = (W_h^T delta_{t+1}) (1 - h_t^2)."""
    layer = nn.RNN(I, H, rng=0, dtype="float64")
    layer.params |= case.p
    y, _, backward = layer.forward_from(dev(case.x), dev(case.h0))
    backward(y - dev([case.target[s][T - 1] for s in range(N)]))
    expected = [0.0] * H
    for s in range(N):
        d = [case.dy[s][T - 1][i] * (1 - case.h[s][T][i] ** 2) for i in range(H)]
        for t in range(T, 0, -1):
            if t < T:
                d = [sum(case.p["W_h"][j][i] * d[j] for j in range(H)) * (1 - case.h[s][t][i] ** 2) for i in range(H)]
            expected = [expected[i] + d[i] for i in range(H)]
    same(layer.grads["b"], expected)
