"""fit, evaluate and predict."""

import numpy as np
import pytest
from border import dev, host, parameters

import xpnn as nn


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

    def test_without_shuffling_a_pass_goes_through_the_data_in_order(self, rng):
        x, y = rng.standard_normal((7, 2)), rng.integers(0, 3, 7)
        models = [nn.MLP((2, 4, 3), rng=0, dtype="float64") for _ in range(2)]
        options = {"optimizer": nn.SGD(0.1), "epochs": 2, "verbose": False}
        nn.fit(models[0], x, y, batch_size=3, shuffle=False, **options)
        options["optimizer"] = nn.SGD(0.1)
        nn.fit(models[1], [(x[i : i + 3], y[i : i + 3]) for i in range(0, 7, 3)], **options)
        for a, b in zip(*map(parameters, models), strict=True):
            np.testing.assert_array_equal(a, b)

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

    def test_the_validation_of_each_epoch_is_its_own(self, blobs):
        model, scores = nn.MLP((2, 8, 3), rng=0), []
        history = nn.fit(
            model, *blobs, epochs=3, verbose=False, validation=blobs,
            on_epoch_end=lambda _: scores.append(nn.evaluate(model, *blobs)),
        )  # fmt: skip
        assert [(row["val_loss"], row["val_accuracy"]) for row in history] == scores

    def test_rows_with_other_columns(self, blobs, tmp_path):
        history = nn.fit(nn.MLP((2, 3)), *blobs, epochs=1, verbose=False)
        nn.fit(nn.MLP((2, 3)), *blobs, epochs=2, validation=blobs, history=history, verbose=False)
        history.to_csv(tmp_path / "h.csv")
        history.plot(tmp_path / "h.png")
        assert nn.History.from_csv(tmp_path / "h.csv") == history
        with pytest.raises(TypeError, match="fit: expected a History that an earlier call returned, got list"):
            nn.fit(nn.MLP((2, 3)), *blobs, history=[])

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

    @pytest.mark.parametrize(
        ("cut", "error", "message"),
        [
            (lambda x, y: (x,), ValueError, r"expected x, y, weights, lengths, or batches, got 1 of them"),
            (lambda x, y: (x, y, y, y, y), ValueError, "got 5 of them"),
            (lambda x, y: x, ValueError, "x is an array, so y must be given"),
            (lambda x, y: 0.2, TypeError, "got float"),
        ],
    )
    def test_what_are_no_validation_data(self, blobs, cut, error, message):
        with pytest.raises(error, match=f"fit: validation: .*{message}"):
            nn.fit(nn.MLP((2, 3)), *blobs, validation=cut(*blobs))

    def test_targets_that_want_another_loss_are_told_which(self, blobs):
        x, y = blobs
        with pytest.raises(ValueError, match="for class labels use SoftmaxCrossEntropy"):
            nn.fit(nn.MLP((2, 3)), x, y.astype(float), verbose=False)
        with pytest.raises(ValueError, match="for one output use BinaryCrossEntropy, or HalfSquaredError of floats"):
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
        nn.predict(nn.MLP((2, 1)), np.zeros((3, 0)))
    with pytest.raises(ValueError, match="got a single number"):
        nn.predict(nn.MLP((2, 1)), 5.0)


def test_no_samples_have_no_outputs():
    for model, shape, want in (
        (nn.MLP((2, 3), rng=0), (0, 2), (0, 3)),
        (nn.LeNet5(rng=0), (0, 1, 28, 28), (0, 10)),
        (nn.RNN(2, 3, True, rng=0), (0, 5, 2), (0, 5, 3)),
    ):
        outputs = nn.predict(model, np.zeros(shape, "float32"))
        assert (outputs.shape, outputs.dtype) == (want, "float32")
    with pytest.raises(ValueError, match=r"expected input of shape"):
        nn.predict(nn.MLP((2, 3), rng=0), np.zeros((0, 4)))
