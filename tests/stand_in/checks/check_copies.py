"""What crosses the border while the package works: a step copies its batch, an epoch waits for the device once."""

from typing import Any

import numpy as np
import pytest
from cupy.stand_in import watch

import xpnn as nn

N, BATCH, EPOCHS = 20, 8, 2
STEPS = -(-N // BATCH)
FIRST = 2
"""Waits before the first epoch."""
_rng = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return _rng.standard_normal((N, *shape)).astype(np.float32)


def labels(*shape: int, below: int = 4) -> np.ndarray:
    return _rng.integers(0, below, (N, *shape))


TASKS: dict[str, tuple[Any, np.ndarray, np.ndarray]] = {
    "MLP": (lambda: nn.MLP((6, 8, 4), rng=0), floats(6), labels()),
    "MLP, regression": (lambda: nn.MLP((6, 8, 2), rng=0), floats(6), floats(2)),
    "LeNet5": (lambda: nn.LeNet5(rng=0), floats(1, 28, 28), labels(below=10)),
    "RNNClassifier": (lambda: nn.RNNClassifier(6, 8, 4, rng=0), floats(5, 6), labels()),
    "CharRNN": (lambda: nn.CharRNN("abcd\n", 8, 3, rng=0), labels(5, below=5), labels(5, below=5)),
    "LeNet5 of 1998": (lambda: nn.LeNet5(variant="1998", rng=0), floats(1, 28, 28), labels(below=10)),
    "LSTM": (lambda: nn.Sequential(nn.LSTM(6, 8, rng=0), nn.Dense(8, 4, rng=1)), floats(9, 6), labels()),
    "GRU": (lambda: nn.Sequential(nn.GRU(6, 8, rng=0), nn.Dense(8, 4, rng=1)), floats(9, 6), labels()),
    "residual": (lambda: residual(), floats(2, 6, 6), labels()),
}


def residual() -> nn.Sequential:
    body = nn.Sequential(nn.BatchNorm2D(2), nn.ReLU(), nn.Conv2D(2, 2, 3, padding=1, rng=0))
    return nn.Sequential(
        nn.Residual(body),
        nn.GlobalAvgPool2D(),
        nn.BatchNorm1D(2),
        nn.Residual(nn.Dense(2, 2, rng=1)),
        nn.Dense(2, 4, rng=2),
    )


@pytest.fixture(params=TASKS)
def task(request):
    build, x, y = TASKS[request.param]
    return build(), x, y


def assert_copies_only_batches(
    model: nn.Layer, x: np.ndarray, y: np.ndarray, more_a_step: int = 0, **options: Any
) -> None:
    """Train a little: each step uploads x and y (and so many arrays more), each epoch waits once, to fetch its sums.

    Before the first epoch two samples and one batch are uploaded, and the device is asked whether they fit and the
    model is finite.
    """
    with watch() as seen:
        nn.fit(model, x, y, epochs=EPOCHS, batch_size=BATCH, verbose=False, **options)
    assert seen.uploads == (2 + more_a_step) * STEPS * EPOCHS + 4, str(seen)
    assert seen.synchronisations == EPOCHS + FIRST, str(seen)


def test_training(task):
    assert_copies_only_batches(*task)


@pytest.mark.parametrize(
    "optimizer",
    [
        nn.SGD(0.1),
        nn.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
        nn.Adam(nn.CosineDecay(0.01, 6, warmup=2), weight_decay=0.1),
        nn.AdamW(nn.StepDecay(0.01, 2)),
    ],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_training_with_each_optimiser_and_clipping(optimizer):
    build, x, y = TASKS["MLP"]
    assert_copies_only_batches(build(), x, y, optimizer=optimizer, max_norm=1.0)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Sigmoid(),
        nn.Tanh(),
        nn.ReLU(),
        nn.LeakyReLU(),
        nn.Softmax(),
        nn.Flatten(),
        nn.AvgPool2D(2),
        nn.MaxPool2D(3, 1, 1),
    ],
    ids=repr,
)
def test_training_with_each_layer_without_parameters(layer):
    model = nn.Sequential(
        nn.Conv2D(1, 2, 3, stride=2, padding=1, rng=0), layer, nn.Flatten(), nn.Dense(2 * size(layer), 4, rng=1)
    )
    assert_copies_only_batches(model, floats(1, 8, 8), labels())


def size(layer: nn.Layer) -> int:
    """Places in each of the two maps that the layer makes of 4x4."""
    return 4 if isinstance(layer, nn.AvgPool2D) else 16


def test_dropout_uploads_its_mask():
    model = nn.Sequential(nn.Dense(6, 8, rng=0), nn.Dropout(0.5, rng=1), nn.Dense(8, 4, rng=2))
    assert_copies_only_batches(model, floats(6), labels(), more_a_step=1)


def test_loss_of_1998():
    build, x, y = TASKS["LeNet5 of 1998"]
    assert_copies_only_batches(build(), x, y, loss=nn.RBFLoss())


@pytest.mark.parametrize(("lengths", "uploads"), [(None, 0), ([1 + n % 5 for n in range(N)], 1)])
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_lengths_upload_one_table(kind, lengths, uploads):
    layer, x = kind(6, 8, return_sequences=True, rng=0), nn.asarray(floats(5, 6))
    with watch() as seen:
        y, last, backward = layer.forward_from(x, None, True, lengths)
        backward(y, last)
    assert (seen.uploads, seen.synchronisations) == (uploads, 0), str(seen)


def test_a_step_by_hand_waits_for_nothing(task):
    model, x, y = task
    optimizer = nn.Adam()
    loss = nn.SoftmaxCrossEntropy() if y.dtype.kind == "i" else nn.HalfSquaredError()
    with watch() as seen:
        outputs, backward = model.forward(nn.asarray(x))
        _, loss_backward = loss.forward(outputs, nn.asarray(y))
        backward(loss_backward())
        nn.clip_grad_norm(model, 1.0)
        optimizer.step(model)
    assert (seen.uploads, seen.synchronisations) == (2, 0), str(seen)


def test_validation_waits_once_more_an_epoch(task):
    model, x, y = task
    with watch() as seen:
        nn.fit(model, x, y, epochs=EPOCHS, batch_size=BATCH, validation=(x, y), verbose=False)
    assert seen.uploads == 2 * STEPS * EPOCHS + 2 * EPOCHS + 8, str(seen)  # 20 samples are one batch of evaluate
    assert seen.synchronisations == 2 * EPOCHS + FIRST + 1, str(seen)


def test_progress_bar_and_log_read_nothing_from_the_device(capsys):
    build, x, y = TASKS["MLP"]
    model = build()
    with watch() as seen:
        nn.fit(model, x, y, epochs=EPOCHS, batch_size=BATCH, verbose=True)
    assert "epoch   2" in capsys.readouterr().out
    assert seen.synchronisations == EPOCHS + FIRST, str(seen)


def test_evaluate_waits_once(task):
    model, x, y = task
    with watch() as seen:
        nn.evaluate(model, x, y, batch_size=BATCH)
    assert (seen.uploads, seen.synchronisations) == (2 * STEPS + 2, 1), str(seen)  # two samples show the outputs' shape


def test_predict_fetches_each_batch(task):
    model, x, _ = task
    with watch() as seen:
        nn.predict(model, x, batch_size=BATCH)
    symbols = x.dtype.kind == "i"  # two samples show whether the model takes integers
    assert (seen.uploads, seen.synchronisations) == (STEPS + symbols, STEPS), str(seen)


def test_inference_waits_for_nothing(task):
    model, x, _ = task
    x = nn.asarray(x)
    with watch() as seen:
        model(x)
        model.summary()
    assert (seen.uploads, seen.synchronisations) == (0, 0), str(seen)


def test_building_uploads_each_parameter_once():
    with watch() as seen:
        model = nn.RNNClassifier(6, 8, 4, rng=0)
    assert (seen.uploads, seen.synchronisations) == (len(model.params), 0), str(seen)


def test_save_fetches_and_load_uploads_each_array_once(task, tmp_path):
    model, _, _ = task
    arrays = len(model.params) + len(model.buffers)
    with watch() as seen:
        nn.save(model, tmp_path / "model.safetensors")
    assert (seen.uploads, seen.downloads) == (0, arrays), str(seen)
    with watch() as seen:
        nn.load(model, tmp_path / "model.safetensors")
    assert (seen.uploads, seen.downloads) == (arrays, 0), str(seen)


def test_sampling_moves_one_character_up_and_its_logits_down():
    model = nn.CharRNN("abcd\n", 8, 3, rng=0)
    with watch() as seen:
        assert len(list(model.sample(5, rng=0))) == 5
    assert (seen.uploads, seen.synchronisations) == (5, 5), str(seen)


class TestChecksThatWait:
    """A label or an index out of range would wrap silently on a device; the answer is fetched with other data."""

    def test_label_out_of_range(self):
        build, x, y = TASKS["MLP"]
        model = build()
        with watch() as seen, pytest.raises(ValueError, match="a label lies outside"):
            nn.fit(model, x, y + 4, epochs=1, batch_size=BATCH, verbose=False)
        assert (seen.uploads, seen.synchronisations) == (4, FIRST), str(seen)

    def test_symbol_out_of_range(self):
        build, x, y = TASKS["CharRNN"]
        with pytest.raises(ValueError, match="an index lies outside"):
            nn.fit(build(), x + 5, y, epochs=1, verbose=False)

    def test_what_was_fetched_is_unharmed_by_a_check_that_rides_along(self):
        embedding = nn.Embedding(3, 2, rng=0)
        rows = nn.to_numpy(embedding(nn.asarray([[2, 0]])))
        np.testing.assert_array_equal(rows, nn.to_numpy(embedding.params["W"])[[[2, 0]]])
        embedding(nn.asarray([3]))
        with watch() as seen, pytest.raises(ValueError, match="an index lies outside"):
            nn.synchronize()
        assert seen.downloads == 1
        nn.synchronize()  # told once
