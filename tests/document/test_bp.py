"""The source document's DNN: its four BP formulas, its update, and its own example, from plain loops."""

import numpy as np
import pytest
from border import dev, host
from document.network import DocumentNetwork, f, f_prime

import xpnn as nn

X = np.array([[1, 1], [1, 0], [0, 1], [1, 0.5], [1.5, 0.5]])
Y = np.array([[3.0], [1], [2], [2], [2.5]])  # z = x + 2y
SIZES = (3, 5, 4, 2)


def document_model(sizes, rng=0) -> nn.MLP:
    leaky = nn.LeakyReLU(0.01)
    return nn.MLP(sizes, activation=leaky, output_activation=leaky, rng=rng, dtype="float64")


def transcription(model: nn.MLP) -> DocumentNetwork:
    """The same parameters in the plain network; Dense layer k of the MLP is the source document's l = k + 2."""
    dense = [layer for layer in model if isinstance(layer, nn.Dense)]
    return DocumentNetwork(
        {l: host(layer.params["W"]).tolist() for l, layer in enumerate(dense, start=2)},
        {l: host(layer.params["b"]).tolist() for l, layer in enumerate(dense, start=2)},
    )


def step(model: nn.MLP, optimizer: nn.Optimizer, x: np.ndarray, y: np.ndarray) -> None:
    outputs, backward = model.forward(dev(x))
    _, loss_backward = nn.HalfSquaredError().forward(outputs, dev(y))
    backward(loss_backward())
    optimizer.step(model)


def assert_same(model: nn.MLP, plain: DocumentNetwork, tolerance: float) -> None:
    dense = [layer for layer in model if isinstance(layer, nn.Dense)]
    for l, layer in enumerate(dense, start=2):
        np.testing.assert_allclose(host(layer.params["W"]), plain.W[l], rtol=0, atol=tolerance)
        np.testing.assert_allclose(host(layer.params["b"]), plain.b[l], rtol=0, atol=tolerance)


def test_100_steps_of_the_documents_example_follow_its_formulas():
    model, optimizer = document_model((2, 4, 1)), nn.SGD(lr=0.1)
    plain = transcription(model)
    for n in np.random.default_rng(1).integers(0, 5, 100):
        step(model, optimizer, X[n : n + 1], Y[n : n + 1])
        plain.update([(X[n].tolist(), Y[n].tolist())])
    assert_same(model, plain, 1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_trained_longer_it_predicts_all_five_points(seed):
    model = document_model((2, 4, 1), rng=seed)
    nn.fit(model, X, Y, optimizer=nn.SGD(lr=0.1), epochs=2000, batch_size=1, rng=seed, verbose=False)
    np.testing.assert_allclose(nn.predict(model, X), Y, rtol=0, atol=1e-3)


def test_update_over_a_batch_divides_by_its_size(rng):
    model, optimizer = document_model(SIZES), nn.SGD(lr=0.1)
    plain = transcription(model)
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    for _ in range(3):
        step(model, optimizer, x, y)
        plain.update([(a.tolist(), b.tolist()) for a, b in zip(x, y, strict=True)])
    assert_same(model, plain, 1e-12)


class TestFourFormulas:
    """Each from its own formula, on a network of three weight layers."""

    @pytest.fixture(autouse=True)
    def _pass(self, rng):
        self.model = document_model(SIZES)
        self.plain = transcription(self.model)
        self.x, self.y = rng.standard_normal(3), rng.standard_normal(2)
        self.z, self.a = self.plain.forward(self.x.tolist())
        self.delta = self.plain.deltas(self.z, self.a, self.y.tolist())
        # the pass through xpnn, layer by layer, keeping each layer's backward
        self.steps, out = [], dev(self.x[None])
        for layer in self.model:
            out, backward = layer.forward(out)
            self.steps.append(backward)
        self.value, self.loss_backward = nn.HalfSquaredError().forward(out, dev(self.y[None]))

    def test_error(self):
        expected = 0.5 * sum((self.y[k] - self.a[4][k]) ** 2 for k in range(2))
        assert float(host(self.value)) == pytest.approx(expected, rel=1e-14)

    def test_1_output_delta(self):
        delta = host(self.steps[-1](self.loss_backward()))[0]
        expected = [-(self.y[i] - self.a[4][i]) * f_prime(self.z[4][i]) for i in range(2)]
        np.testing.assert_allclose(delta, expected, rtol=1e-13)

    def test_2_hidden_delta(self):
        out = dev([self.delta[4]])
        delta = host(self.steps[3](self.steps[4](out)))[0]
        W = self.plain.W[4]
        expected = [sum(self.delta[4][j] * W[j][i] for j in range(2)) * f_prime(self.z[3][i]) for i in range(4)]
        np.testing.assert_allclose(delta, expected, rtol=1e-13)

    def test_3_bias_gradient(self):
        self.steps[2](dev([self.delta[3]]))
        np.testing.assert_allclose(host(self.model[2].grads["b"]), self.delta[3], rtol=1e-13)

    def test_4_weight_gradient(self):
        self.steps[2](dev([self.delta[3]]))
        expected = [[self.delta[3][i] * self.a[2][j] for j in range(5)] for i in range(4)]
        np.testing.assert_allclose(host(self.model[2].grads["W"]), expected, rtol=1e-13)

    def test_auxiliary_formulas(self):
        a = host(self.model(dev(self.x[None])))[0]
        np.testing.assert_allclose(a, self.a[4], rtol=1e-13)
        assert [f(z) for z in self.z[4]] == self.a[4]
