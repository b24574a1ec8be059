"""The source document's back-propagation, "误差反向传播" to "代码实现", each formula from scalar loops.

docs/equations.md numbers the formulas. E's own derivatives come from :func:`document.loops.derivative`, so that a
formula is held against xpnn and against what it is the derivative of.
"""

import numpy as np
import pytest
from border import STAND_IN, dev, host, learns, parameters, randomise
from document.loops import derivative, differ, same
from document.network import LEAK, RATE, DocumentNetwork, error, f, f_prime

import xpnn as nn
from xpnn.backend import prefetch
from xpnn.data.batches import batch_indices

SIZES = (3, 5, 4, 2)  # n_1 to n_L: L = 4, with the hidden layers 2 and 3
HIDDEN = (2, 3)

X = np.array([[1, 1], [1, 0], [0, 1], [1, 0.5], [1.5, 0.5]])
Y = np.array([[3.0], [1], [2], [2], [2.5]])


def document_model(sizes, rng=0) -> nn.MLP:
    leaky = nn.LeakyReLU(LEAK)
    return nn.MLP(sizes, activation=leaky, output_activation=leaky, rng=rng, dtype="float64")


def dense(model: nn.MLP, l: int) -> nn.Dense:
    """The layer of W^(l) and b^(l), l = 2 .. L."""
    return model[2 * (l - 2)]


def transcription(model: nn.MLP) -> DocumentNetwork:
    """The same parameters in the plain network."""
    layers = range(2, len(model) // 2 + 2)
    return DocumentNetwork(
        {l: host(dense(model, l).params["W"]).tolist() for l in layers},
        {l: host(dense(model, l).params["b"]).tolist() for l in layers},
    )


def step(model: nn.MLP, optimizer: nn.Optimizer, x, y) -> None:
    outputs, backward = model.forward(dev(x))
    _, loss_backward = nn.HalfSquaredError().forward(outputs, dev(y))
    backward(loss_backward())
    optimizer.step(model)


def assert_same(model: nn.MLP, plain: DocumentNetwork) -> None:
    for l in plain.W:
        same(dense(model, l).params["W"], plain.W[l])
        same(dense(model, l).params["b"], plain.b[l])


class Pass:
    """One sample: z, a and delta by the loops, and xpnn's backward of every layer."""

    def __init__(self, rng, sizes=SIZES) -> None:
        self.model = document_model(sizes)
        randomise(self.model, rng)
        self.plain = transcription(self.model)
        self.L = len(sizes)
        self.x, self.y = rng.standard_normal(sizes[0]).tolist(), rng.standard_normal(sizes[-1]).tolist()
        self.z, self.a = self.plain.forward(self.x)
        self.delta = self.plain.deltas(self.z, self.a, self.y)
        self.z_backward, self.f_backward, out = {}, {}, dev([self.x])
        for l in range(2, self.L + 1):
            out, self.z_backward[l] = dense(self.model, l).forward(out)
            out, self.f_backward[l] = self.model[2 * (l - 2) + 1].forward(out)
        self.loss_backward = nn.HalfSquaredError().forward(out, dev([self.y]))[1]

    def xpnn_delta(self, l: int) -> np.ndarray:
        """delta^(l) as xpnn's layers give it, from the output down to layer l."""
        delta = self.f_backward[self.L](self.loss_backward())
        for k in range(self.L, l, -1):
            delta = self.f_backward[k - 1](self.z_backward[k](delta))
        return host(delta)[0]

    def hidden_delta(self, l: int) -> np.ndarray:
        """xpnn's step from the loops' delta^(l+1) to delta^(l)."""
        return host(self.f_backward[l](self.z_backward[l + 1](dev([self.delta[l + 1]]))))[0]

    def gradient(self, name: str, l: int) -> np.ndarray:
        """xpnn's dE/dW^(l) or dE/db^(l) of the whole network."""
        self.model.zero_grad()
        outputs, backward = self.model.forward(dev([self.x]))
        backward(nn.HalfSquaredError().forward(outputs, dev([self.y]))[1]())
        return host(dense(self.model, l).grads[name])

    def layer_gradient(self, name: str, l: int) -> np.ndarray:
        """xpnn's gradient of layer l alone, from the loops' delta^(l)."""
        self.model.zero_grad()
        self.z_backward[l](dev([self.delta[l]]))
        return host(dense(self.model, l).grads[name])

    def state_after(self, l: int, z) -> list:
        """z^(l+1) as a function of z^(l)."""
        return self.plain.state(l + 1, [f(value) for value in z])

    def dE_dz(self, l: int, i: int) -> float:
        return derivative(lambda z: self.plain.error_from(l, z, self.y), self.z[l], i)

    def dz_dw(self, l: int, i: int, j: int) -> float:
        b = self.plain.b
        return derivative(lambda W: DocumentNetwork(W, b).state(l, self.a[l - 1])[i], self.plain.W, l, i, j)

    def dE_dw(self, l: int, i: int, j: int) -> float:
        b = self.plain.b
        return derivative(lambda W: DocumentNetwork(W, b).error(self.x, self.y), self.plain.W, l, i, j)


# 误差反向传播: the error


def test_BP_1_each_sample_keeps_its_target():
    seen = []
    for x, y in prefetch((X, Y), batch_indices(5, 2, 0), "float64"):
        seen += zip(host(x).tolist(), host(y).tolist(), strict=True)
    assert sorted(seen) == sorted((X[i].tolist(), Y[i].tolist()) for i in range(5))


def test_BP_2_a_target_has_an_element_for_each_output(rng):
    o, y = rng.standard_normal((7, 2)), rng.standard_normal((7, 2))
    assert nn.HalfSquaredError().forward(dev(o), dev(y))[1]().shape == (7, 2)
    with pytest.raises(ValueError, match="targets of shape"):
        nn.HalfSquaredError().forward(dev(o), dev(y[:, :1]))


def test_BP_3_error_of_a_sample(rng):
    y, o = rng.standard_normal(4).tolist(), rng.standard_normal(4).tolist()
    same(nn.HalfSquaredError()(dev([o]), dev([y])), 0.5 * sum((y[k] - o[k]) ** 2 for k in range(4)))


def test_BP_4_error_of_all_samples_is_the_mean(rng):
    y, o = rng.standard_normal((7, 4)).tolist(), rng.standard_normal((7, 4)).tolist()
    same(nn.HalfSquaredError()(dev(o), dev(y)), 1 / 7 * sum(error(y[i], o[i]) for i in range(7)))


# 对输出层权重参数更新: the output layer


def test_BP_5_output_weights_chain_rule(rng):
    """dE/dw_ij = dE/dz_i dz_i/dw_ij."""
    net = Pass(rng)
    factors = [[net.dE_dz(4, i) * net.dz_dw(4, i, j) for j in range(4)] for i in range(2)]
    same(net.gradient("W", 4), factors)
    same([[net.dE_dw(4, i, j) for j in range(4)] for i in range(2)], factors)


def test_BP_6_output_weight_gradient(rng):
    """delta_i a_j."""
    net = Pass(rng)
    same(net.layer_gradient("W", 4), [[net.delta[4][i] * net.a[3][j] for j in range(4)] for i in range(2)])


def test_BP_7_output_delta_is_the_derivative_by_z(rng):
    net = Pass(rng)
    same(net.xpnn_delta(4), [net.dE_dz(4, i) for i in range(2)])


def test_BP_8_output_delta(rng):
    """delta_i = -(y_i - a_i) f'(z_i)."""
    net = Pass(rng)
    same(net.xpnn_delta(4), [-(net.y[i] - net.a[4][i]) * f_prime(net.z[4][i]) for i in range(2)])


def test_BP_9_output_delta_as_a_vector(rng):
    """delta = -(y - a) * f'(z), element by element, of three samples at once; the mean error has their 1/N."""
    z, y = rng.standard_normal((3, 4)).tolist(), rng.standard_normal((3, 4)).tolist()
    a, backward = nn.LeakyReLU(LEAK).forward(dev(z))
    delta = backward(nn.HalfSquaredError().forward(a, dev(y))[1]())
    for s in range(3):
        errors = [-(target - f(state)) for target, state in zip(y[s], z[s], strict=True)]
        slopes = [f_prime(state) for state in z[s]]
        same(3 * delta[s], [p * q for p, q in zip(errors, slopes, strict=True)])


# 对隐含层权重参数的更新: the hidden layers


def test_BP_10_hidden_weights_chain_rule(rng):
    """dE/dw_ij = dE/dz_i dz_i/dw_ij in layer l."""
    net = Pass(rng)
    for l in HIDDEN:
        rows, columns = range(SIZES[l - 1]), range(SIZES[l - 2])
        factors = [[net.dE_dz(l, i) * net.dz_dw(l, i, j) for j in columns] for i in rows]
        same(net.gradient("W", l), factors)
        same([[net.dE_dw(l, i, j) for j in columns] for i in rows], factors)


def test_BP_11_weight_gradient(rng):
    """delta_i a_j."""
    net = Pass(rng)
    for l in HIDDEN:
        rows, columns = range(SIZES[l - 1]), range(SIZES[l - 2])
        same(net.layer_gradient("W", l), [[net.delta[l][i] * net.a[l - 1][j] for j in columns] for i in rows])


def test_BP_12_hidden_delta_is_the_derivative_by_z(rng):
    net = Pass(rng)
    for l in HIDDEN:
        same(net.xpnn_delta(l), [net.dE_dz(l, i) for i in range(SIZES[l - 1])])


def test_BP_13_hidden_delta_chain_rule(rng):
    """sum_j dE/dz_j^(l+1) dz_j^(l+1)/dz_i^(l)."""
    net = Pass(rng)
    for l in HIDDEN:
        expected = [
            sum(
                net.dE_dz(l + 1, j) * derivative(lambda z, l=l, j=j: net.state_after(l, z)[j], net.z[l], i)
                for j in range(SIZES[l])
            )
            for i in range(SIZES[l - 1])
        ]
        same(net.xpnn_delta(l), expected)


def test_BP_14_hidden_delta_from_the_next_deltas(rng):
    """sum_j delta_j^(l+1) dz_j^(l+1)/dz_i^(l)."""
    net = Pass(rng)
    for l in HIDDEN:
        expected = [
            sum(
                net.delta[l + 1][j] * derivative(lambda z, l=l, j=j: net.state_after(l, z)[j], net.z[l], i)
                for j in range(SIZES[l])
            )
            for i in range(SIZES[l - 1])
        ]
        same(net.hidden_delta(l), expected)


def jacobian(net: Pass, l: int) -> list:
    """xpnn's dz_j^(l+1)/dz_i^(l): what comes back to z^(l) from a single 1 at z_j^(l+1)."""
    ones = np.eye(SIZES[l])
    return [host(net.f_backward[l](net.z_backward[l + 1](dev(ones[j : j + 1]))))[0] for j in range(SIZES[l])]


def test_BP_15_from_state_to_state_chain_rule(rng):
    """dz_j^(l+1)/dz_i^(l) = dz_j^(l+1)/da_i^(l) da_i^(l)/dz_i^(l)."""
    net = Pass(rng)
    for l in HIDDEN:
        expected = [
            [
                derivative(lambda a, l=l, j=j: net.plain.state(l + 1, a)[j], net.a[l], i)
                * derivative(lambda z, i=i: f(z[i]), net.z[l], i)
                for i in range(SIZES[l - 1])
            ]
            for j in range(SIZES[l])
        ]
        same(jacobian(net, l), expected)


def test_BP_16_from_state_to_state(rng):
    """w_ji^(l+1) f'(z_i^(l))."""
    net = Pass(rng)
    for l in HIDDEN:
        W, f_primes = net.plain.W[l + 1], [f_prime(value) for value in net.z[l]]
        same(jacobian(net, l), [[W[j][i] * f_primes[i] for i in range(SIZES[l - 1])] for j in range(SIZES[l])])


def test_BP_17_hidden_delta_with_the_slope_in_the_sum(rng):
    """sum_j delta_j^(l+1) w_ji^(l+1) f'(z_i^(l))."""
    net = Pass(rng)
    for l in HIDDEN:
        W, delta, z = net.plain.W[l + 1], net.delta[l + 1], net.z[l]
        expected = [sum(delta[j] * W[j][i] * f_prime(z[i]) for j in range(SIZES[l])) for i in range(SIZES[l - 1])]
        same(net.hidden_delta(l), expected)


def test_BP_18_hidden_delta(rng):
    """(sum_j delta_j^(l+1) w_ji^(l+1)) f'(z_i^(l))."""
    net = Pass(rng)
    for l in HIDDEN:
        W, delta, z = net.plain.W[l + 1], net.delta[l + 1], net.z[l]
        expected = [sum(delta[j] * W[j][i] for j in range(SIZES[l])) * f_prime(z[i]) for i in range(SIZES[l - 1])]
        same(net.hidden_delta(l), expected)


def hidden_delta_as_a_vector(net: Pass, l: int) -> list:
    """((W^(l+1))^T delta^(l+1)) * f'(z^(l)): the rows of the transposed matrix, then element by element."""
    transposed = [list(column) for column in zip(*net.plain.W[l + 1], strict=True)]
    product = [sum(w * d for w, d in zip(row, net.delta[l + 1], strict=True)) for row in transposed]
    return [p * f_prime(z) for p, z in zip(product, net.z[l], strict=True)]


def test_BP_19_hidden_delta_as_a_vector(rng):
    net = Pass(rng)
    for l in HIDDEN:
        same(net.hidden_delta(l), hidden_delta_as_a_vector(net, l))


def test_BP_19_with_the_documents_minus_it_is_not_the_derivative(rng):
    net = Pass(rng)
    for l in HIDDEN:
        with_minus = [-value for value in hidden_delta_as_a_vector(net, l)]
        differ(with_minus, [net.dE_dz(l, i) for i in range(SIZES[l - 1])])
        differ(net.hidden_delta(l), with_minus)


def test_BP_20_hidden_weight_gradient_in_full(rng):
    """(sum_j delta_j^(l+1) w_ji^(l+1)) f'(z_i^(l)) a_j^(l-1); the document writes j for both indices."""
    net = Pass(rng)
    for l in HIDDEN:
        W, delta = net.plain.W[l + 1], net.delta[l + 1]
        expected = [
            [
                sum(delta[k] * W[k][i] for k in range(SIZES[l])) * f_prime(net.z[l][i]) * net.a[l - 1][j]
                for j in range(SIZES[l - 2])
            ]
            for i in range(SIZES[l - 1])
        ]
        same(net.gradient("W", l), expected)


# 对输出层与隐含偏置求导数: the biases


def test_BP_21_bias_chain_rule(rng):
    """dE/db_i = dE/dz_i dz_i/db_i in the output layer and in the hidden ones."""
    net = Pass(rng)
    W, b = net.plain.W, net.plain.b
    for l in (*HIDDEN, 4):
        rows = range(SIZES[l - 1])
        factors = [
            net.dE_dz(l, i)
            * derivative(lambda b, l=l, i=i: DocumentNetwork(W, b).state(l, net.a[l - 1])[i], net.plain.b, l, i)
            for i in rows
        ]
        same(net.gradient("b", l), factors)
        same([derivative(lambda b: DocumentNetwork(W, b).error(net.x, net.y), b, l, i) for i in rows], factors)


def test_BP_22_bias_gradient(rng):
    """delta_i."""
    net = Pass(rng)
    for l in (*HIDDEN, 4):
        same(net.layer_gradient("b", l), net.delta[l])


# 参数更新: the update


def updated(rng) -> tuple[nn.MLP, DocumentNetwork, list]:
    """A network after a step on seven samples; one before it; and dE_i/dW, dE_i/db of each sample."""
    model = document_model(SIZES)
    randomise(model, rng)
    before = transcription(model)
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    step(model, nn.SGD(RATE), x, y)
    return model, before, [before.gradients(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]


def test_BP_23_update_of_the_weights(rng):
    """W = W - u/N sum_i dE_i/dW."""
    model, before, gradients = updated(rng)
    for l in (2, 3, 4):
        expected = [
            [before.W[l][i][j] - RATE / 7 * sum(dW[l][i][j] for dW, _ in gradients) for j in range(SIZES[l - 2])]
            for i in range(SIZES[l - 1])
        ]
        same(dense(model, l).params["W"], expected)


def test_BP_24_update_of_the_biases(rng):
    """b = b - u/N sum_i dE_i/db."""
    model, before, gradients = updated(rng)
    for l in (2, 3, 4):
        expected = [before.b[l][i] - RATE / 7 * sum(db[l][i] for _, db in gradients) for i in range(SIZES[l - 1])]
        same(dense(model, l).params["b"], expected)


# 代码实现: the program


class Program:
    """The program's w2, b2, w3, b3 at random, its forward and its backward pass; and xpnn's network of the same."""

    def __init__(self, rng, n: int = 3) -> None:
        w2, self.b2, w3, b3 = (rng.random(shape).tolist() for shape in ((4, 2), 4, (1, 4), 1))
        for i in range(4):
            self.b2[i] -= 1.2  # so that z2 has both signs
        self.model = document_model((2, 4, 1))
        dense(self.model, 2).params["W"], dense(self.model, 2).params["b"] = w2, self.b2
        dense(self.model, 3).params["W"], dense(self.model, 3).params["b"] = w3, b3
        self.w2, self.w3, self.b3, self.a1, self.y = w2, w3[0], b3[0], X[n].tolist(), Y[n, 0]
        self.z2 = [sum(w2[i][j] * self.a1[j] for j in range(2)) + self.b2[i] for i in range(4)]
        self.a2 = [f(z) for z in self.z2]
        self.z3 = sum(self.w3[i] * self.a2[i] for i in range(4)) + self.b3
        self.a3 = f(self.z3)
        self.delta3 = -(self.y - self.a3) * f_prime(self.z3)
        self.delta2 = [self.w3[i] * self.delta3 * f_prime(self.z2[i]) for i in range(4)]

    def after(self, layers: int) -> np.ndarray:
        """What xpnn's first layers make of a1."""
        return host(self.model[:layers].forward(dev([self.a1]))[0])[0]

    def step(self) -> nn.MLP:
        """The network after back_prop."""
        step(self.model, nn.SGD(RATE), [self.a1], [[self.y]])
        return self.model


def test_BP_25_the_programs_parameters(rng):
    """w2 (4, 2), b2 of 4, w3 (1, 4), b3 of 1, which may be drawn from 0 to 1."""
    model = document_model((2, 4, 1))
    for l, shape in ((2, (4, 2)), (3, (1, 4))):
        layer, w, b = dense(model, l), rng.random(shape), rng.random(shape[0])
        assert layer.params["W"].shape == shape
        assert layer.params["b"].shape == shape[:1]
        layer.params["W"], layer.params["b"] = w, b
        same(layer.params["W"], w)
        same(layer.params["b"], b)


def test_BP_26_the_programs_constants():
    assert nn.LeakyReLU().slope == LEAK
    assert nn.SGD().lr == RATE


def test_BP_27_grad(rng):
    """1 where z > 0, else leak_rate; 0 itself counts to the second."""
    z = [*rng.standard_normal(8).tolist(), 0.0]
    backward = nn.LeakyReLU(LEAK).forward(dev([z]))[1]
    same(backward(dev([[1.0] * 9])), [[1.0 if value > 0 else 0.01 for value in z]])


def test_BP_28_activate_function(rng):
    """z where z > 0, else leak_rate z."""
    z = [*rng.standard_normal(8).tolist(), 0.0]
    same(nn.LeakyReLU(LEAK)(dev([z])), [[value if value > 0 else 0.01 * value for value in z]])


def test_BP_29_z2(rng):
    program = Program(rng)
    w2, a1, b2 = program.w2, program.a1, program.b2
    same(program.after(1), [sum(w2[i][j] * a1[j] for j in range(2)) + b2[i] for i in range(4)])
    assert min(program.z2) < 0 < max(program.z2)


def test_BP_30_a2(rng):
    program = Program(rng)
    same(program.after(2), [f(z) for z in program.z2])


def test_BP_31_z3(rng):
    program = Program(rng)
    same(program.after(3), [sum(program.w3[i] * program.a2[i] for i in range(4)) + program.b3])


def test_BP_32_a3(rng):
    program = Program(rng)
    same(program.after(4), [f(program.z3)])


def test_BP_33_delta3(rng):
    program = Program(rng)
    a3, f_backward = program.model[3].forward(dev([[program.z3]]))
    delta3 = f_backward(nn.HalfSquaredError().forward(a3, dev([[program.y]]))[1]())
    same(delta3, [[-(program.y - program.a3) * f_prime(program.z3)]])


def test_BP_34_delta2(rng):
    program = Program(rng)
    a2, f_backward = program.model[1].forward(dev([program.z2]))
    _, z_backward = program.model[2].forward(a2)
    delta2 = f_backward(z_backward(dev([[program.delta3]])))
    same(delta2, [[program.w3[i] * program.delta3 * f_prime(program.z2[i]) for i in range(4)]])


def test_BP_35_update_of_w3(rng):
    program = Program(rng)
    expected = [program.w3[i] - 0.1 * program.delta3 * program.a2[i] for i in range(4)]
    same(dense(program.step(), 3).params["W"], [expected])


def test_BP_36_update_of_b3(rng):
    program = Program(rng)
    same(dense(program.step(), 3).params["b"], [program.b3 - 0.1 * program.delta3])


def test_BP_37_update_of_w2(rng):
    program = Program(rng)
    w2, delta2, a1 = program.w2, program.delta2, program.a1
    same(
        dense(program.step(), 2).params["W"], [[w2[i][j] - 0.1 * delta2[i] * a1[j] for j in range(2)] for i in range(4)]
    )


def test_BP_38_update_of_b2(rng):
    program = Program(rng)
    same(dense(program.step(), 2).params["b"], [program.b2[i] - 0.1 * program.delta2[i] for i in range(4)])


def test_BP_39_the_programs_data():
    """z = x + 2 y, which one linear layer holds exactly."""
    layer = nn.Dense(2, 1, rng=0, dtype="float64")
    layer.params["W"], layer.params["b"] = [[1.0, 2.0]], [0.0]
    same(layer(dev(X)), [[x + 2 * y] for x, y in X.tolist()])
    same(layer(dev(X)), Y)


def test_BP_40_fit_pairs_each_sample_with_its_target():
    model = document_model((2, 4, 1))
    plain = transcription(model)
    nn.fit(model, X, Y, optimizer=nn.SGD(RATE), epochs=1, batch_size=1, rng=0, verbose=False)
    for n in np.random.default_rng(0).permutation(5):
        plain.update([(X[n].tolist(), Y[n].tolist())])
    assert_same(model, plain)


def test_BP_40_pairs_at_random_teach_the_mean_of_all_targets():
    """With n at random beside the target epoch_n % 5 all pairs are as frequent: their mean step is to the mean of Y."""

    def mean_step(x, y) -> np.ndarray:
        model = document_model((2, 4, 1))
        before = parameters(model)
        nn.fit(model, x, y, optimizer=nn.SGD(RATE), epochs=1, batch_size=len(x), verbose=False)
        return parameters(model) - before

    all_pairs = mean_step(np.repeat(X, 5, axis=0), np.tile(Y, (5, 1)))
    same(all_pairs, mean_step(X, np.full((5, 1), Y.mean())))
    differ(all_pairs, mean_step(X, Y))


def test_BP_41_the_printed_error_is_twice_that_of_the_formula(rng):
    program = Program(rng)
    printed = (program.a3 - program.y) * (program.a3 - program.y)
    same(2 * nn.HalfSquaredError()(program.model(dev([program.a1])), dev([[program.y]])), printed)


def test_BP_42_100_steps_of_the_program():
    model, optimizer = document_model((2, 4, 1)), nn.SGD(RATE)
    plain = transcription(model)
    for n in np.random.default_rng(1).integers(0, 5, 100):
        step(model, optimizer, X[n : n + 1], Y[n : n + 1])
        plain.update([(X[n].tolist(), Y[n].tolist())])
    assert_same(model, plain)


@pytest.mark.skipif(STAND_IN, reason="10,000 steps, which the stand-in takes 20 s for, are like any others")
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=learns)])
def test_BP_43_trained_longer_it_predicts_all_five_points(seed):
    model = document_model((2, 4, 1), rng=seed)
    nn.fit(model, X, Y, optimizer=nn.SGD(RATE), epochs=2000, batch_size=1, rng=seed, verbose=False)
    np.testing.assert_allclose(nn.predict(model, X), Y, rtol=0, atol=1e-3)
