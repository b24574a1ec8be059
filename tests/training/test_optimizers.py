"""The optimisers, step by step from their formulas; their state, and clipping."""

import copy
import pickle

import numpy as np
import pytest
from border import dev, host, parameters

import xpnn as nn
from xpnn.backend.cpu import memory


class TestOptimizers:
    """On one parameter p with gradient g = p, step by step from the formula."""

    def test_an_update_of_one_s_own_need_not_clear_the_gradients(self, blobs):
        class SignDescent(nn.Optimizer):
            def update(self, model, lr):
                model.flat_params[...] -= lr * nn.xp.sign(model.flat_grads)

        model, by_hand = nn.MLP((2, 3), rng=0), nn.MLP((2, 3), rng=0)
        nn.fit(model, *blobs, optimizer=SignDescent(0.1), epochs=1, batch_size=30, verbose=False)
        for x, y in nn.batches(*blobs, 30, rng=0):
            logits, backward = by_hand.forward(nn.asarray(x))
            backward(nn.SoftmaxCrossEntropy().forward(logits, nn.asarray(y))[1]())
            by_hand.flat_params[...] -= 0.1 * nn.xp.sign(by_hand.flat_grads)
            by_hand.zero_grad()
        np.testing.assert_allclose(parameters(model), parameters(by_hand), rtol=1e-6)

    def test_a_step_of_one_s_own_need_not_clear_the_gradients_nor_its_constructor_call_another(self, blobs):
        class SignDescent(nn.Optimizer):
            def __init__(self):
                self.lr = 0.1

            def step(self, model):
                model.flat_params[...] -= self.rate * nn.xp.sign(model.flat_grads)

        class Updated(SignDescent):
            step = nn.Optimizer.step

            def _update(self, params, grads, scalars):
                params -= scalars[0] * nn.xp.sign(grads)

        grouped = Updated()
        grouped.groups = {"*.b": {"lr_factor": 1.0}}
        models = [nn.MLP((2, 3), rng=0) for _ in range(3)]
        for model, optimizer in zip(models, (SignDescent(), Updated(), grouped), strict=True):
            nn.fit(model, *blobs, optimizer=optimizer, epochs=1, batch_size=30, verbose=False)
            np.testing.assert_array_equal(parameters(model), parameters(models[0]))
        with pytest.raises(NotImplementedError, match=r"Optimizer: expected a method _update\(params, grads"):
            nn.Optimizer(0.1).step(models[0])

    @pytest.mark.parametrize("optimizer", [nn.Adam, nn.AdamW])
    def test_in_several_pieces_as_in_one(self, optimizer, monkeypatch):
        models = [nn.MLP((5, 7, 3), rng=0, dtype="float64") for _ in range(2)]
        for model, block in zip(models, (1 << 20, 10), strict=True):
            monkeypatch.setattr(memory, "_BLOCK", block)
            adam = optimizer(0.1, weight_decay=0.1)
            for seed in range(3):
                model.flat_grads[...] = dev(np.random.default_rng(seed).standard_normal(66))
                adam.step(model)
        np.testing.assert_allclose(*(host(model.flat_params) for model in models), rtol=1e-14)

    def test_one_of_ones_own(self, run):
        class Descent(nn.SGD):
            def _update(self, params, grads, scalars, *state):
                params -= scalars[0] * grads

        assert run(Descent(0.1)) == pytest.approx(run(nn.SGD(0.1)))

    def test_sgd(self, run):
        assert run(nn.SGD(0.1)) == pytest.approx([2 * 0.9**k for k in (1, 2, 3, 4)])

    @pytest.mark.parametrize("nesterov", [False, True])
    def test_momentum_and_weight_decay(self, run, nesterov):
        p, v, expected = 2.0, 0.0, []
        for _ in range(4):
            g = p + 0.01 * p
            v = 0.9 * v + g
            p -= 0.1 * (g + 0.9 * v if nesterov else v)
            expected.append(p)
        assert run(nn.SGD(0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.01)) == pytest.approx(expected)

    @pytest.mark.parametrize(("kind", "decay"), [(nn.Adam, 0.0), (nn.Adam, 0.1), (nn.AdamW, 0.1)])
    def test_adam(self, run, kind, decay):
        p, m, v, expected = 2.0, 0.0, 0.0, []
        for t in (1, 2, 3, 4):
            g = p
            if kind is nn.AdamW:
                p -= 0.1 * decay * p
            else:
                g += decay * p
            m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
            p -= 0.1 * (m / (1 - 0.9**t)) / ((v / (1 - 0.99**t)) ** 0.5 + 1e-8)
            expected.append(p)
        assert run(kind(0.1, betas=(0.9, 0.99), weight_decay=decay)) == pytest.approx(expected, rel=1e-12)

    def test_clipping_scales_to_the_norm_and_leaves_the_small_alone(self):
        layer = nn.Dense(2, 1, dtype="float64")
        layer.grads["W"], layer.grads["b"] = [[3.0, 0.0]], [4.0]
        assert float(host(nn.clip_grad_norm(layer, 10.0))) == pytest.approx(5)
        np.testing.assert_array_equal(host(layer.flat_grads), [3, 0, 4])
        nn.clip_grad_norm(layer, 1.0)
        np.testing.assert_allclose(host(layer.flat_grads), [0.6, 0, 0.8], rtol=1e-6)

    def test_state_of_another_model_is_refused(self):
        optimizer = nn.Adam()
        optimizer.step(nn.Dense(2, 2))
        with pytest.raises(ValueError, match="1 steps of another model"):
            optimizer.step(nn.Dense(3, 3))
        with pytest.raises(ValueError, match="its state is for 6 parameters, the model has 12"):
            copy.deepcopy(optimizer).step(nn.Dense(3, 3))
        with pytest.raises(ValueError, match=r"the model has 6 \(float32 and float64\)"):
            copy.deepcopy(optimizer).step(nn.Dense(2, 2, dtype="float64"))

    @pytest.mark.parametrize("make", [lambda: nn.Adam(0.1), lambda: nn.SGD(nn.StepDecay(0.1, 5))])
    def test_state_and_schedule_of_another_model_of_that_size_are_refused(self, make):
        optimizer, first, second = make(), nn.Dense(2, 2), nn.Dense(2, 2)
        for _ in range(2):
            optimizer.step(first)
        with pytest.raises(ValueError, match="2 steps of another model: each model needs an optimiser of its own"):
            optimizer.step(second)
        copy.deepcopy(optimizer).step(second)
        pickle.loads(pickle.dumps(optimizer)).step(second)
        optimizer.step(first)
        stateless = nn.SGD(0.1)
        for model in (first, second):
            stateless.step(model)

    def test_they_show_their_settings(self):
        assert repr(nn.SGD(0.1, momentum=0.9)) == "SGD(lr=0.1, weight_decay=0.0, momentum=0.9, nesterov=False)"
        shown = repr(nn.AdamW(nn.CosineDecay(0.1, 9)))
        assert shown.startswith("AdamW(lr=CosineDecay(lr=0.1, steps=9, warmup=0), weight_decay=0.01, betas=")

    @pytest.mark.parametrize(
        "make",
        [
            lambda: nn.SGD(0),
            lambda: nn.SGD(np.nan),
            lambda: nn.SGD(nn.Dense(1, 1)),
            lambda: nn.Adam(None),
            lambda: nn.Adam(np.inf),
            lambda: nn.Adam(eps=np.nan),
            lambda: nn.SGD(0.1, momentum=1.0),
            lambda: nn.SGD(0.1, nesterov=True),
            lambda: nn.SGD(0.1, weight_decay=-1),
            lambda: nn.AdamW(0.1, weight_decay=np.nan),
            lambda: nn.Adam(0.1, betas=(1.0, 0.9)),
            lambda: nn.Adam(0.1, betas=(0.9,)),
            lambda: nn.RMSprop(alpha=1.0),
            lambda: nn.RMSprop(momentum=-1),
            lambda: nn.RMSprop(eps=0),
            lambda: nn.clip_grad_norm(nn.Dense(1, 1), 0),
        ],
    )
    def test_wrong_settings(self, make):
        with pytest.raises(ValueError, match="expected"):
            make()
