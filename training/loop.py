"""The training loop, and inference on a data set: ``fit``, ``evaluate``, ``predict``."""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ..backend import Array, Rng, captured, explained, prefetch, to_numpy
from ..backend.shared.data import not_finite
from ..data.batches import batch_indices
from ..layers import Layer, Loss, inference
from ..layers.inference import rehearsal
from ..layers.settings import positive
from .adam import Adam
from .history import History, format_row
from .inputs import check_data, check_model, check_pair, loss_for, rehearse
from .interrupt import Interruptible
from .optimizer import Optimizer, clip_grad_norm
from .progress import progress, say
from .score import Score, Sums, names_not_finite

_BATCH = 256  # samples per batch in inference, which keeps nothing for backward


@explained
def fit(
    model: Layer,
    x: np.ndarray,
    y: np.ndarray,
    *,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    epochs: int = 10,
    batch_size: int = 64,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    rng: Rng = 0,
    max_norm: float | None = None,
    history: History | None = None,
    on_epoch_end: Callable[[History], object] | None = None,
    verbose: bool = True,
) -> History:
    """Train the model on shuffled batches of host data: forward, backward, optimiser, and nothing else.

    Loss and accuracy are summed on the device and fetched once per epoch. A device copies the next batch during a step,
    and steps on full batches are captured (:func:`captured`) if the layers allow it; the results are the same. Ctrl-C
    ends the run after the current step and keeps the model as it then is. Returns the history, one row per epoch; given
    again, the run goes on where it was interrupted.

    Args:
        model: changed in place.
        x: the inputs, (samples, ...), on the host or the device; floating-point and boolean data are converted to the
            model's dtype.
        y: integer or boolean labels, or targets of the output's shape.
        loss: by default SoftmaxCrossEntropy for labels and one-hot rows, else HalfSquaredError.
        optimizer: by default Adam().
        epochs: passes over the data, including those in ``history``.
        batch_size: samples per step; the last batch of an epoch may be smaller.
        validation: (x, y) to evaluate after each epoch.
        rng: seed or generator of the shuffles. A seed gives the same shuffles in each call, and with ``history`` those
            that follow.
        max_norm: clip the gradient to this Euclidean norm.
        history: of a run to resume, to which rows are added. With the model and the optimiser of that run (:func:`save`
            and :func:`load` keep both, except Dropout's generator) and its seed as ``rng`` the result is that of an
            uninterrupted run.
        on_epoch_end: called with the history after each epoch; a true result ends the run.
        verbose: whether to show a progress bar and a line per epoch.

    Raises:
        TypeError: model, loss, optimizer or history is of a wrong type, or the data are not numeric.
        ValueError: x and y, also those of ``validation``, do not fit each other or the model, are empty, or are not
            finite in the model's dtype; a setting is out of its range; or the model has no parameters.
        FloatingPointError: a step's loss is not finite, or a parameter or buffer is not after an epoch; it names epoch
            and step, and comes before ``on_epoch_end``, which never sees such a model.
        MemoryError, RuntimeError: the device is out of memory, or was lost.
        RuntimeError: the model is being trained already, by another thread or by the call that calls this one.

    To stop when the held-out loss rises:

    >>> x, y = np.random.default_rng(0).normal(size=(96, 8)), np.arange(96) % 2
    >>> model, options = MLP((8, 16, 2), rng=0), {"validation": (x[64:], y[64:]), "verbose": False}
    >>> def keep_best(history):
    ...     losses = history.column("val_loss")
    ...     return losses[-1] > min(losses) or save(model, "best.safetensors")
    >>> history = fit(model, x[:64], y[:64], epochs=100, on_epoch_end=keep_best, **options)
    >>> load(model, "best.safetensors")
    """
    check_model("fit", model)
    x, y = check_data("fit", x, y, dtype=model.dtype)
    held_out = () if validation is None else check_pair("fit: validation", validation, model.dtype)
    positive(epochs=epochs, batch_size=batch_size)
    loss = loss_for("fit", loss, y)
    optimizer, history = _of_a_run(optimizer, history)
    finite = _finite_buffers(model)
    sums, held_out_sums = Sums(_taken_up(history, rng)), Sums()
    rng = _shuffles(rng, len(x), len(history))
    step = _training_step(model, loss, optimizer, max_norm, sums)
    scoring = _scoring_step(model, loss, held_out_sums)
    with model.locks.fitting(type(model).__name__), Interruptible() as stop:
        model.zero_grad()  # an interrupted step may have left gradients
        rehearse("fit", model, loss, (x, y), batch_size, rehearsal())
        if held_out:
            rehearse("fit: validation", model, loss, held_out, _BATCH, inference())
        for epoch in range(len(history) + 1, epochs + 1):
            sums.begin(optimizer.rate, f"epoch {epoch}")
            steps, title = -(-len(x) // batch_size), f"epoch {epoch}/{epochs}"
            shuffled = progress(batch_indices(len(x), batch_size, rng), sums.steps, steps, title, verbose)
            arrays = (model.flat_params, *(model.buffers[name] for name in finite))
            score = _pass(stop.between(prefetch((x, y), shuffled, model.dtype)), step, sums, arrays)
            row = {"epoch": epoch, **_row(score)}
            if held_out:
                held_out_sums.reset()
                held_out_sums.where = f"epoch {epoch}'s validation"
                row |= _row(_pass(stop.between(_in_order(model, held_out, _BATCH)), scoring, held_out_sums), "val_")
            row |= {"lr": sums.lr, "seconds": time.perf_counter() - sums.start}
            history.append(row)
            sums.reset()
            done = on_epoch_end is not None and on_epoch_end(history)
            if verbose:
                say(format_row(row))  # last, since it may fail
            if done:
                break
    if stop.signal:
        history.signal, history.begun = stop.signal, None if stop.within else sums.state()
        where = "within a step" if stop.within else f"after {sums.samples:,} of {len(x):,} samples"
        say(f"\ninterrupted in epoch {len(history) + 1}, {where}")
    return history


def _of_a_run(optimizer: Optimizer | None, history: History | None) -> tuple[Optimizer, History]:
    """Those given, or new ones; TypeError if they are none."""
    optimizer = optimizer or Adam()
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"fit: expected an optimiser, such as SGD(0.1), got {optimizer!r}")
    history = History() if history is None else history
    if not isinstance(history, History):
        raise TypeError(f"fit: expected a History, as an earlier call gave it, got {type(history).__name__}")
    return optimizer, history


def _finite_buffers(model: Layer) -> list[str]:
    """The names of the buffers that are finite, and are to remain so, as the parameters have to be."""
    bad = names_not_finite(model)
    if spoilt := [name for name in bad if name in model.params]:
        raise FloatingPointError(f"fit: {spoilt[0]} of the model holds NaN or infinity before the first step")
    return [name for name in model.buffers if name not in bad]


def _taken_up(history: History, rng: Rng) -> dict[str, float]:
    """What was begun, if a seed shuffles as it did then; the history is then as one that was not interrupted."""
    begun, history.signal, history.begun = history.begun or {}, 0, None
    return {} if isinstance(rng, np.random.Generator) else begun


def _shuffles(rng: Rng, samples: int, past: int) -> np.random.Generator:
    """The generator of the shuffles; from a seed, it has already drawn those of past epochs."""
    generator = np.random.default_rng(rng)
    for _ in range(0 if rng is generator else past):
        generator.permutation(samples)
    return generator


def _training_step(
    model: Layer, loss: Loss, optimizer: Optimizer, max_norm: float | None, sums: Sums
) -> Callable[[Array, Array], None]:
    """One training step on a batch, captured if the backend can."""
    model.check_leaves()
    if not model.flat_params.size:
        raise ValueError("fit: the model has no parameters to train")
    whole = type(optimizer).step is Optimizer.step  # another step may do on the host what a replay would not

    def compute(x: Array, y: Array, *scalars: Any) -> None:
        outputs, backward = model.forward(x, needs_dx=False)
        value, loss_backward = loss.forward(outputs, y)
        sums.add(len(x), value, loss.accuracy(outputs, y))
        backward(loss_backward())
        if max_norm is not None:
            clip_grad_norm(model, max_norm)
        if whole and not optimizer.update(model, *scalars):
            model.zero_grad()

    run = captured(compute, model.dtype or "float32", model.zero_grad, model.gather)

    def step(x: Array, y: Array) -> None:
        if whole:
            run(x, y, *optimizer.scalars())
            optimizer.steps += 1
        else:
            run(x, y)
            optimizer.step(model)

    return step


def _scoring_step(model: Layer, loss: Loss, sums: Sums) -> Callable[[Array, Array], None]:
    """Inference on a batch, captured if the backend can."""

    def compute(x: Array, y: Array) -> None:
        outputs = model(x)
        sums.add(len(x), loss(outputs, y), loss.accuracy(outputs, y))

    return captured(compute, place=model.gather)


def _pass(
    data: Iterable[tuple[Array, ...]], step: Callable[[Array, Array], None], sums: Sums, arrays: Iterable[Array] = ()
) -> Score:
    """Do the step on every batch; the means of its sums. ``arrays`` are to be finite afterwards."""
    for x, y in data:
        step(x, y)
        sums.samples += len(x)
        sums.steps += 1
    return sums.score(*arrays)


@explained
def evaluate(
    model: Layer, x: np.ndarray, y: np.ndarray, *, loss: Loss | None = None, batch_size: int = _BATCH
) -> Score:
    """Mean loss and accuracy over a data set, by inference. Arguments and errors as for :func:`fit`.

    Warns (RuntimeWarning) if the loss is not finite.

    >>> evaluate(MLP((3, 2), rng=0), np.ones((4, 3)), np.array([0, 1, 0, 1])).accuracy
    0.5
    """
    check_model("evaluate", model)
    x, y = check_data("evaluate", x, y, dtype=model.dtype)
    sums = Sums()
    step = _scoring_step(model, loss_for("evaluate", loss, y), sums)
    score = _pass(_in_order(model, (x, y), batch_size), step, sums)
    if not np.isfinite(score.loss):
        warnings.warn(f"evaluate: the loss is {score.loss}", RuntimeWarning, stacklevel=3)
    return score


@explained
def predict(model: Layer, x: np.ndarray, *, batch_size: int = _BATCH) -> np.ndarray:
    """The model's outputs (a classifier's logits), on the host. Arguments and errors as for :func:`fit`.

    Warns (RuntimeWarning) if outputs are not finite.

    An array of no samples has outputs of no samples.

    >>> labels = predict(MLP((3, 2), rng=0), np.ones((4, 3))).argmax(1)
    """
    check_model("predict", model)
    if getattr(x, "shape", ())[:1] == (0,):  # one sample in their place tells the shape of an output
        return predict(model, np.zeros((1, *x.shape[1:]), x.dtype))[:0]
    (x,) = check_data("predict", x, dtype=model.dtype)
    outputs = np.concatenate([to_numpy(model(inputs)) for (inputs,) in _in_order(model, (x,), batch_size)])
    if fault := not_finite(outputs, outputs.dtype):
        warnings.warn(f"predict: the outputs hold NaN or infinity in row {fault[0]}", RuntimeWarning, stacklevel=3)
    return outputs


def _in_order(model: Layer, arrays: tuple[np.ndarray, ...], batch_size: int) -> Iterator[tuple[Array, ...]]:
    return prefetch(arrays, batch_indices(len(arrays[0]), batch_size), model.dtype)


def _row(score: Score, prefix: str = "") -> dict[str, float]:
    return {f"{prefix}{key}": value for key, value in score._asdict().items() if value is not None}
