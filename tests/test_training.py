"""The loop, the optimisers, checkpoints: what they promise beside the seed's formulas."""

import copy
import csv
import pickle
import signal
from pathlib import Path

import numpy as np
import pytest
from border import dev, host

import xpnn as nn


@pytest.fixture
def blobs(rng):
    """Three well separated clouds in the plane, float32, and their labels."""
    y = rng.integers(0, 3, 90)
    centres = np.array([[0, 3], [3, -2], [-3, -2]])
    return (centres[y] + 0.5 * rng.standard_normal((90, 2))).astype(np.float32), y


def parameters(model) -> np.ndarray:
    return host(model.flat_params).copy()


@pytest.fixture
def sigint():
    """Ctrl-C as in a terminal: a process in the background starts with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class TestFit:
    def test_learns_and_fills_the_history(self, blobs):
        model = nn.MLP((2, 16, 3), rng=0)
        optimizer = nn.Adam(0.03)
        history = nn.fit(model, *blobs, epochs=15, batch_size=16, optimizer=optimizer, validation=blobs, verbose=False)
        assert [row["epoch"] for row in history] == list(range(1, 16))
        assert history[-1]["loss"] < 0.3 < history[0]["loss"]
        assert history[-1]["val_accuracy"] > 0.95
        assert set(history[0]) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds"}

    def test_epoch_loss_weighs_the_smaller_last_batch_by_its_size(self, rng):
        model = nn.Sequential(nn.Dense(2, 1, rng=0, dtype="float64"))
        x, y = rng.standard_normal((7, 2)), rng.standard_normal((7, 1))
        expected = float(host(nn.HalfSquaredError()(model(dev(x)), dev(y))))
        history = nn.fit(model, x, y, epochs=1, batch_size=3, optimizer=nn.SGD(1e-12), verbose=False)
        assert history[0]["loss"] == pytest.approx(expected, rel=1e-9)
        assert "accuracy" not in history[0]

    @pytest.mark.parametrize("kind", ["mlp", "lenet5", "rnn"])
    def test_same_seed_same_bits(self, kind, rng):
        x = rng.standard_normal((50, 1, 28, 28)).astype(np.float32)
        y = rng.integers(0, 10, 50)
        results = []
        for _ in range(2):
            model, data = {
                "mlp": lambda: (nn.MLP((784, 32, 10), rng=3), x.reshape(50, -1)),
                "lenet5": lambda: (nn.LeNet5(rng=3), x),
                "rnn": lambda: (nn.RNNClassifier(28, 16, rng=3), x[:, 0]),
            }[kind]()
            nn.fit(model, data, y, epochs=2, batch_size=16, rng=4, verbose=False)
            results.append(parameters(model))
        assert results[0].tobytes() == results[1].tobytes()

    def test_another_seed_another_run(self, blobs):
        results = []
        for seed in (0, 1):
            model = nn.MLP((2, 8, 3), rng=0)
            nn.fit(model, *blobs, epochs=1, rng=seed, batch_size=16, verbose=False)
            results.append(parameters(model))
        assert (results[0] != results[1]).any()

    def test_gradients_left_by_another_pass_count_for_nothing(self, blobs):
        results = []
        for left in (False, True):
            model = nn.MLP((2, 8, 3), rng=0)
            if left:
                y, backward = model.forward(dev(blobs[0], "float32"))
                backward(y)
            nn.fit(model, *blobs, epochs=1, optimizer=nn.SGD(0.1), verbose=False)
            results.append(parameters(model))
        np.testing.assert_array_equal(*results)

    def test_an_optimiser_s_class_is_none(self, blobs):
        with pytest.raises(TypeError, match=r"expected an optimiser, such as SGD\(0.1\)"):
            nn.fit(nn.MLP((2, 3)), *blobs, optimizer=nn.SGD)

    @pytest.mark.parametrize("call", [nn.fit, nn.evaluate])
    def test_a_loss_s_class_is_none(self, blobs, call):
        with pytest.raises(TypeError, match=r"expected a loss, such as SoftmaxCrossEntropy\(\)"):
            call(nn.MLP((2, 3)), *blobs, loss=nn.SoftmaxCrossEntropy)

    def test_the_rate_in_the_history_is_the_epoch_s_first(self, blobs):
        optimizer = nn.SGD(nn.StepDecay(1e-3, every=2))
        history = nn.fit(nn.MLP((2, 3)), *blobs, optimizer=optimizer, epochs=3, batch_size=45, verbose=False)
        assert history.column("lr") == pytest.approx([1e-3, 1e-4, 1e-5])

    def test_wrong_validation_data_are_met_before_the_first_epoch(self, blobs, capsys):
        with pytest.raises(ValueError, match="fit: validation: x has 90 samples, y has 3"):
            nn.fit(nn.MLP((2, 3)), *blobs, validation=(blobs[0], blobs[1][:3]))
        assert capsys.readouterr().out == ""

    def test_ctrl_c_keeps_the_model_so_far_and_says_so(self, blobs, capsys, sigint):
        model = nn.MLP((2, 8, 3), rng=0)
        start = parameters(model)

        class Interrupting(nn.SGD):
            def step(self, model):
                super().step(model)
                if self.steps == 8:
                    signal.raise_signal(signal.SIGINT)

        history = nn.fit(model, *blobs, epochs=5, batch_size=16, optimizer=Interrupting(0.1), verbose=False)
        assert history.interrupted
        assert len(history) == 1  # 6 steps an epoch: the second was cut short
        assert (parameters(model) != start).any()
        assert "interrupted in epoch 2" in capsys.readouterr().out

    def test_ctrl_c_within_a_step_ends_the_run_after_it(self, blobs, sigint):
        class Pressed(nn.ReLU):
            presses = 0

            def forward(self, x, needs_dx=True):
                for _ in range(self.presses):
                    signal.raise_signal(signal.SIGINT)
                return super().forward(x, needs_dx)

        def trained(presses):
            optimizer, activation = nn.SGD(0.1), Pressed()
            activation.presses = presses
            model = nn.MLP((2, 8, 3), activation=activation, rng=0)
            history = nn.fit(model, *blobs, optimizer=optimizer, verbose=False)
            return optimizer.steps, len(history), history.interrupted

        assert trained(presses=1) == (1, 0, True)
        assert trained(presses=2) == (0, 0, True)  # the second time at once
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_going_on_with_a_history_is_as_if_it_had_not_stopped(self, blobs, tmp_path):
        def run(epochs, optimizer, model, **going_on):
            options = {"batch_size": 40, "max_norm": 1.0, "rng": 7, "verbose": False}
            return nn.fit(model, *blobs, epochs=epochs, optimizer=optimizer, **options, **going_on)

        def new():
            return nn.AdamW(nn.CosineDecay(0.01, 15)), nn.MLP((2, 8, 3), rng=1)

        (whole_optimizer, whole), (first_optimizer, first), (optimizer, model) = new(), new(), new()
        wanted = run(5, whole_optimizer, whole)
        run(2, first_optimizer, first).to_csv(tmp_path / "history.csv")
        nn.save(first, tmp_path / "model.safetensors", optimizer=first_optimizer)
        nn.load(model, tmp_path / "model.safetensors", optimizer=optimizer)
        history = run(5, optimizer, model, history=nn.History.from_csv(tmp_path / "history.csv"))
        assert (parameters(model) == parameters(whole)).all()
        assert [{**row, "seconds": 0} for row in history] == [{**row, "seconds": 0} for row in wanted]
        assert run(5, optimizer, model, history=history) is history
        assert len(history) == 5

    def test_rows_with_other_columns(self, blobs, tmp_path):
        history = nn.fit(nn.MLP((2, 3)), *blobs, epochs=1, verbose=False)
        nn.fit(nn.MLP((2, 3)), *blobs, epochs=2, validation=blobs, history=history, verbose=False)
        history.to_csv(tmp_path / "h.csv")
        history.plot(tmp_path / "h.png")
        assert nn.History.from_csv(tmp_path / "h.csv") == history
        with pytest.raises(TypeError, match="fit: expected a History, as an earlier call gave it, got list"):
            nn.fit(nn.MLP((2, 3)), *blobs, history=[])

    def test_ctrl_c_after_the_last_step_interrupts_nothing(self, blobs, sigint, capsys):
        def press(history):
            signal.raise_signal(signal.SIGINT)

        history = nn.fit(nn.MLP((2, 3)), *blobs, epochs=1, verbose=False, on_epoch_end=press)
        assert not history.interrupted
        assert "interrupted" not in capsys.readouterr().out

    def test_what_is_done_at_the_end_of_an_epoch(self, blobs):
        seen = []

        def stop_after_three(history):
            seen.append(history[-1]["epoch"])
            return len(history) == 3

        history = nn.fit(nn.MLP((2, 3)), *blobs, epochs=9, verbose=False, on_epoch_end=stop_after_three)
        assert seen == history.column("epoch") == [1, 2, 3]
        assert not history.interrupted

    def test_what_is_no_network_or_cannot_be_trained(self, blobs):
        for call in (nn.fit, nn.evaluate, lambda model, x, y: nn.predict(model, x)):
            with pytest.raises(TypeError, match="expected a network, got"):
                call(nn.MLP, *blobs)
        with pytest.raises(ValueError, match="the model has no parameters to train"):
            nn.fit(nn.Flatten(), *blobs)

    @pytest.mark.parametrize("cut", [lambda x, y: (x,), lambda x, y: (x, y, y), lambda x, y: x, lambda x, y: 0.2])
    def test_validation_data_are_a_pair(self, blobs, cut):
        with pytest.raises(ValueError, match=r"validation: expected a pair \(x, y\)"):
            nn.fit(nn.MLP((2, 3)), *blobs, validation=cut(*blobs))

    def test_targets_that_want_another_loss_are_told_which(self, blobs):
        x, y = blobs
        with pytest.raises(ValueError, match="class labels are integers, and their loss is SoftmaxCrossEntropy"):
            nn.fit(nn.MLP((2, 3)), x, y.astype(float), verbose=False)
        with pytest.raises(ValueError, match="floating-point, and their loss is HalfSquaredError"):
            nn.fit(nn.MLP((2, 1)), x, y, verbose=False)

    def test_a_line_an_epoch(self, blobs, capsys):
        nn.fit(nn.MLP((2, 4, 3), rng=0), *blobs, epochs=2, validation=blobs)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 2
        assert lines[0].startswith("epoch   1  loss ")
        assert "held out: loss" in lines[0]

    def test_divergence_is_an_error_that_says_what_may_help(self, rng):
        x = rng.standard_normal((64, 4)).astype(np.float32)
        with pytest.raises(FloatingPointError, match="a lower learning rate"), np.errstate(all="ignore"):
            nn.fit(nn.MLP((4, 32, 1), rng=0), x, x[:, :1], optimizer=nn.SGD(1e6), epochs=20, verbose=False)

    @pytest.mark.parametrize(
        ("x", "y", "error", "message"),
        [
            (np.zeros((0, 2)), np.zeros(0, int), ValueError, "x is empty"),
            (np.zeros((3, 2)), np.zeros(2, int), ValueError, "x has 3 samples, y has 2"),
            (np.array([[np.nan, 1]]), np.zeros(1, int), ValueError, "x holds NaN or infinity"),
            (np.array([[1.0, 1]]), np.array([[np.inf]]), ValueError, "y holds NaN or infinity"),
            (np.array([["a", "b"]]), np.zeros(1, int), TypeError, "expected x to hold numbers"),
            (np.zeros((1, 2)), np.array([3]), ValueError, r"outside \[0, 3\)"),
            (np.zeros((1, 2)), np.array([-1]), ValueError, r"outside \[0, 3\)"),
            (np.zeros((1, 5)), np.array([0]), ValueError, r"Dense\(2, 4\): expected input of shape"),
            (np.zeros((1, 2), int), np.array([0]), TypeError, "expected input of dtype float32, got int64"),
        ],
    )
    def test_wrong_data(self, x, y, error, message):
        with pytest.raises(error, match=message):
            nn.fit(nn.MLP((2, 4, 3)), x, y, verbose=False)
        if "outside" not in message:
            with pytest.raises(error, match=message):
                nn.evaluate(nn.MLP((2, 4, 3)), x, y)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"epochs": 0}, "epochs: expected a whole number"),
            ({"epochs": 2.5}, "epochs"),
            ({"batch_size": 0}, "batch_size"),
            ({"max_norm": -1.0}, "max_norm > 0"),
        ],
    )
    def test_wrong_settings(self, blobs, settings, message):
        with pytest.raises(ValueError, match=message):
            nn.fit(nn.MLP((2, 4, 3)), *blobs, verbose=False, **settings)


def test_evaluate_is_the_mean_over_all_samples(blobs):
    model = nn.MLP((2, 8, 3), rng=0)
    score = nn.evaluate(model, *blobs, batch_size=7)
    outputs = nn.predict(model, blobs[0], batch_size=11)
    assert score.accuracy == pytest.approx((outputs.argmax(1) == blobs[1]).mean())
    whole = float(host(nn.SoftmaxCrossEntropy()(dev(outputs), dev(blobs[1]))))
    assert score.loss == pytest.approx(whole, rel=1e-5)
    assert nn.evaluate(model, blobs[0], outputs).accuracy is None


def test_predict_refuses_bad_data():
    with pytest.raises(ValueError, match="NaN"):
        nn.predict(nn.MLP((2, 1)), np.array([[np.nan, 0]]))
    with pytest.raises(ValueError, match="empty"):
        nn.predict(nn.MLP((2, 1)), np.zeros((0, 2)))
    with pytest.raises(ValueError, match="empty"):
        nn.predict(nn.MLP((2, 1)), 5.0)


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

    @staticmethod
    def run(optimizer, steps=4):
        layer = nn.Dense(1, 1, dtype="float64")
        layer.params["W"], layer.params["b"] = [[2.0]], [0.0]
        path = []
        for _ in range(steps):
            layer.grads["W"] = layer.params["W"]
            optimizer.step(layer)
            path.append(float(host(layer.params["W"])[0, 0]))
        assert not host(layer.flat_grads).any()
        return path

    @pytest.mark.parametrize("optimizer", [nn.Adam, nn.AdamW])
    def test_in_several_pieces_as_in_one(self, optimizer, monkeypatch):
        models = [nn.MLP((5, 7, 3), rng=0, dtype="float64") for _ in range(2)]
        for model, block in zip(models, (1 << 20, 10), strict=True):
            monkeypatch.setitem(nn.backend.cache_blocks.__globals__, "_BLOCK", block)
            adam = optimizer(0.1, weight_decay=0.1)
            for seed in range(3):
                model.flat_grads[...] = dev(np.random.default_rng(seed).standard_normal(66))
                adam.step(model)
        np.testing.assert_allclose(*(host(model.flat_params) for model in models), rtol=1e-14)

    def test_one_of_ones_own(self):
        class Descent(nn.SGD):
            def _update(self, params, grads, scalars, *state):
                params -= scalars[0] * grads

        assert self.run(Descent(0.1)) == pytest.approx(self.run(nn.SGD(0.1)))

    def test_sgd(self):
        assert self.run(nn.SGD(0.1)) == pytest.approx([2 * 0.9**k for k in (1, 2, 3, 4)])

    @pytest.mark.parametrize("nesterov", [False, True])
    def test_momentum_and_weight_decay(self, nesterov):
        p, v, expected = 2.0, 0.0, []
        for _ in range(4):
            g = p + 0.01 * p
            v = 0.9 * v + g
            p -= 0.1 * (g + 0.9 * v if nesterov else v)
            expected.append(p)
        assert self.run(nn.SGD(0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.01)) == pytest.approx(expected)

    @pytest.mark.parametrize(("kind", "decay"), [(nn.Adam, 0.0), (nn.Adam, 0.1), (nn.AdamW, 0.1)])
    def test_adam(self, kind, decay):
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
        assert self.run(kind(0.1, betas=(0.9, 0.99), weight_decay=decay)) == pytest.approx(expected, rel=1e-12)

    def test_schedules(self):
        cosine = nn.CosineDecay(0.2, steps=10, warmup=2)
        assert [cosine(k) for k in (0, 1, 2, 6, 10, 11)] == pytest.approx([0.1, 0.2, 0.2, 0.1, 0, 0])
        step = nn.StepDecay(1.0, every=3, factor=0.5)
        assert [step(k) for k in (0, 2, 3, 6)] == [1, 1, 0.5, 0.25]
        assert self.run(nn.SGD(nn.StepDecay(0.1, every=1, factor=0.1)), 2) == pytest.approx([1.8, 1.8 * 0.99])

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
        with pytest.raises(ValueError, match="its state is for 6 parameters, the model has 12"):
            optimizer.step(nn.Dense(3, 3))
        with pytest.raises(ValueError, match=r"the model has 6 \(float32 and float64\)"):
            optimizer.step(nn.Dense(2, 2, dtype="float64"))

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
            lambda: nn.CosineDecay(0.1, 0),
            lambda: nn.CosineDecay(np.nan, 5),
            lambda: nn.StepDecay(0.1, 0),
            lambda: nn.clip_grad_norm(nn.Dense(1, 1), 0),
        ],
    )
    def test_wrong_settings(self, make):
        with pytest.raises(ValueError, match="expected"):
            make()


class TestCheckpoint:
    def test_round_trip(self, tmp_path):
        model, other = nn.LeNet5(rng=0), nn.LeNet5(rng=1)
        nn.save(model, tmp_path / "m.safetensors", {"note": "hello"})
        nn.load(other, tmp_path / "m.safetensors")
        assert parameters(other).tobytes() == parameters(model).tobytes()
        assert nn.read_metadata(tmp_path / "m.safetensors") == {"note": "hello"}

    def test_parameters_in_another_memory_order_are_written_right(self, tmp_path):
        model = nn.Dense(3, 2)
        dict.__setitem__(model.params, "W", nn.xp.asarray(np.arange(6, dtype="f").reshape(3, 2)).T)
        nn.save(model, tmp_path / "m.safetensors")
        other = nn.Dense(3, 2)
        nn.load(other, tmp_path / "m.safetensors")
        np.testing.assert_array_equal(host(other.params["W"]), [[0, 2, 4], [1, 3, 5]])

    def test_another_architecture_is_refused_and_the_model_unchanged(self, tmp_path):
        nn.save(nn.MLP((2, 3, 1)), tmp_path / "m.safetensors")
        model = nn.MLP((2, 4, 1), rng=0)
        before = parameters(model)
        with pytest.raises(ValueError, match=r"0.W is float32 \(3, 2\), in the model float32 \(4, 2\)"):
            nn.load(model, tmp_path / "m.safetensors")
        with pytest.raises(ValueError, match="4.W is missing"):
            nn.load(nn.MLP((2, 3, 1, 1)), tmp_path / "m.safetensors")
        with pytest.raises(ValueError, match="2.b is not in the model"):
            nn.load(nn.MLP((2, 3)), tmp_path / "m.safetensors")
        assert (parameters(model) == before).all()

    @pytest.mark.parametrize(
        "make", [lambda: nn.SGD(nn.StepDecay(0.1, 3)), lambda: nn.SGD(0.1, momentum=0.9), lambda: nn.AdamW(0.01)]
    )
    def test_training_goes_on_as_if_it_had_not_stopped(self, make, blobs, tmp_path):
        path = tmp_path / "m.safetensors"
        once, optimizer, rng = nn.MLP((2, 8, 3), rng=0), make(), np.random.default_rng(0)
        nn.fit(once, *blobs, optimizer=optimizer, epochs=2, batch_size=16, rng=rng, verbose=False)
        nn.save(once, path, optimizer=optimizer)
        resumed, other, order = nn.MLP((2, 8, 3), rng=1), make(), copy.deepcopy(rng)
        nn.load(resumed, path, optimizer=other)
        assert other.steps == optimizer.steps == 12
        for model, by, draws in ((once, optimizer, rng), (resumed, other, order)):
            nn.fit(model, *blobs, optimizer=by, epochs=2, batch_size=16, rng=draws, verbose=False)
        assert parameters(resumed).tobytes() == parameters(once).tobytes()
        nn.load(once, path, optimizer=other)  # which was the other model's
        other.step(once)

    def test_a_model_that_is_no_network_yet_is_read_with_its_optimiser(self, tmp_path):
        layer, other, adam = nn.Dense(2, 3, rng=0), nn.Dense(2, 3, rng=1), nn.Adam()
        nn.save(layer, tmp_path / "m.safetensors", optimizer=adam)
        nn.load(other, tmp_path / "m.safetensors", optimizer=nn.Adam())
        assert parameters(other).tobytes() == parameters(layer).tobytes()

    def test_an_optimizer_is_passed_over_or_must_fit(self, tmp_path):
        model, path = nn.MLP((2, 3, 1), rng=0), tmp_path / "m.safetensors"
        nn.save(model, path, optimizer=nn.Adam())
        nn.load(nn.MLP((2, 3, 1), rng=1), path)
        sgd, before = nn.SGD(0.1, momentum=0.9), parameters(model)
        with pytest.raises(ValueError, match=r"optimizer.m is not in .*; optimizer.velocity is missing"):
            nn.load(model, path, optimizer=sgd)
        nn.save(nn.MLP((2, 3, 1), rng=1), path)
        with pytest.raises(ValueError, match="optimizer.steps is missing"):
            nn.load(model, path, optimizer=sgd)
        assert (parameters(model) == before).all()
        sgd.step(nn.MLP((2, 2)))  # as if nothing had been tried

    def test_the_centers_of_an_rbf_are_saved(self, tmp_path):
        model, other = nn.RBF([[1.0, 2.0]]), nn.RBF([[0.0, 0.0]])
        nn.save(model, tmp_path / "m.safetensors")
        nn.load(other, tmp_path / "m.safetensors")
        np.testing.assert_array_equal(host(other.centers), [[1, 2]])

    def test_there_is_always_a_whole_file(self, tmp_path, monkeypatch):
        path = tmp_path / "model.safetensors"
        nn.save(nn.MLP((2, 3)), path)
        before = path.read_bytes()

        def full(part, data):
            with part.open("wb") as file:
                file.write(data[:50])
            raise OSError("no space left")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="cannot write .*no space left"):
            nn.save(nn.MLP((2, 3)), path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_no_folder_to_write_to(self, tmp_path):
        with pytest.raises(OSError, match="cannot write"):
            nn.save(nn.MLP((2, 3)), tmp_path / "none" / "model.safetensors")

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no file"):
            nn.load(nn.Dense(1, 1), tmp_path / "none")

    @pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04\x95pickle"])
    def test_no_safetensors_file(self, tmp_path, content):
        (tmp_path / "m").write_bytes(content)
        with pytest.raises(ValueError, match="not a readable safetensors file"):
            nn.load(nn.Dense(1, 1), tmp_path / "m")

    def test_truncated(self, tmp_path):
        path = tmp_path / "m.safetensors"
        nn.save(nn.Dense(9, 9), path)
        path.write_bytes(path.read_bytes()[:-5])
        with pytest.raises(ValueError, match="not a readable safetensors file"):
            nn.load(nn.Dense(9, 9), path)


class TestHistory:
    rows = ({"epoch": 1, "loss": 0.5, "seconds": 1.0}, {"epoch": 2, "loss": 0.25, "seconds": 1.0})

    def test_csv(self, tmp_path):
        nn.History(self.rows).to_csv(tmp_path / "h.csv")
        assert nn.History.from_csv(tmp_path / "h.csv") == list(self.rows)
        with open(tmp_path / "h.csv", newline="") as file:
            assert [float(row["loss"]) for row in csv.DictReader(file)] == [0.5, 0.25]

    @pytest.mark.parametrize("text", ["epoch,loss\n1,low\n", "epoch\n1,2\n", "epoch\n" + 200_000 * "1"])
    def test_a_file_that_is_no_history(self, tmp_path, text):
        (tmp_path / "h.csv").write_text(text)
        with pytest.raises(ValueError, match=r"h\.csv is no history"):
            nn.History.from_csv(tmp_path / "h.csv")
        (tmp_path / "h.csv").write_bytes(b"epoch\n\xff\n")
        with pytest.raises(ValueError, match=r"h\.csv is no history"):
            nn.History.from_csv(tmp_path / "h.csv")

    def test_picture(self, tmp_path):
        nn.History(self.rows).plot(tmp_path / "h.png")
        assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")

    def test_missing_matplotlib_names_the_extra(self, tmp_path, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
        with pytest.raises(ImportError, match=r"extra \[plots\]"):
            nn.History(self.rows).plot(tmp_path / "h.png")
