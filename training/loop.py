"""The training loop: ``fit``."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from ..backend import Ranks, Rng, explained
from ..layers import Layer, Loss, inference
from ..layers.inference import rehearsal
from ..layers.settings import positive
from ..layers.tree import check_leaves
from .alike import agree, average, begin_alike, ranks_given, seed_of
from .callbacks import Callback, Callbacks, ProgressBar, Run, listed
from .checkpoints import Checkpoint, Keeper, keeping
from .given import of_a_run, source_of, validation_of
from .history import History
from .inference import BATCH
from .inputs import check_model
from .interrupt import Interruptible
from .metrics import Metric, Metrics
from .nonfinite import Guard
from .optimizer import Optimizer
from .progress import say
from .score import Score, Sums, names_not_finite
from .sources import Source
from .steps import fit_targets, groups, rehearse, run_pass, scoring_step, training_step
from .together import Steps


@explained
def fit(
    model: Layer,
    x: Any,
    y: Any = None,
    *,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    epochs: int = 10,
    batch_size: int = 64,
    validation: Any = None,
    validation_split: float = 0.0,
    sample_weight: Any = None,
    class_weight: Any = None,
    lengths: Any = None,
    metrics: "Mapping[str, Metric] | Sequence[Metric | str]" = (),
    callbacks: Sequence[Callback] = (),
    accumulate: int = 1,
    drop_last: bool = False,
    shuffle: bool = True,
    rng: Rng = 0,
    max_norm: float | None = None,
    history: History | None = None,
    on_epoch_end: Callable[[History], object] | None = None,
    checkpoint: Checkpoint | None = None,
    on_nonfinite: str = "stop",
    verbose: bool = True,
    ranks: Ranks | None = None,
) -> History:
    """Train the model on shuffled batches: forward, backward, optimiser, and nothing else.

    Loss and accuracy are summed on the device and fetched once per epoch. A device copies the next batch during a step,
    and steps on full batches are captured (docs/backend.md) if the layers allow it; the results are the same. Ctrl-C
    ends the run after the current step and keeps the model as it then is. Returns the history, one row per epoch. Given
    as ``history``, it resumes the run where it was interrupted.

    The data may be:

    - arrays x and y, or what can be converted to arrays: NumPy's or the backend's, tensors, tables, lists.
      Floating-point and boolean data are converted to the model's dtype, and so are integers, such as pixels, unless
      they are symbols;
    - arrays that are read, and checked, batch by batch: memory maps, HDF5 and zarr arrays, sparse matrices, and any
      object that has a length and takes indices;
    - a list x of sequences of different lengths, or a padded array x with ``lengths``: sequences of similar lengths
      form a batch;
    - batches (x, y) or (x, y, weights) as x, and no y: any object that can be iterated over in each epoch, such as a
      DataLoader, or a function that returns an iterator. A thread reads the next batch during a step; batch_size and
      rng are not used;
    - a data set whose rows have named columns, such as those of Hugging Face.

    Args:
        model: the network, which is changed in place.
        x: the inputs, (samples, ...); a tuple or dict of arrays for a model of several inputs.
        y: integer or boolean labels, or targets of the output's shape.
        loss: by default SoftmaxCrossEntropy for labels and one-hot rows, else HalfSquaredError.
        optimizer: by default Adam().
        epochs: passes over the data, including those in ``history``.
        batch_size: samples per step; the last batch of an epoch may be smaller.
        validation: (x, y), (x, y, weights), (x, y, weights, lengths) or batches, to evaluate after each epoch.
        validation_split: the share of the arrays' samples, drawn by ``rng``, that is held out as validation data.
        sample_weight: the weight of each sample in the loss, the accuracy and the metrics.
        class_weight: the weight of each class's samples, as a dict or sequence, or "balanced" (:func:`class_weights`);
            also used in validation.
        lengths: the number of steps of each sequence in a padded x (samples, T, ...). If they differ between several
            inputs, a tuple, or a dict by the inputs' names, with None for inputs without steps.
        metrics: "top_5", "f1", "confusion_matrix" or functions of all targets and outputs of an epoch (:data:`Metric`);
            those with one number become columns.
        callbacks: called at the beginning and end of the run, of its epochs and of its steps (:class:`Callback`).
        accumulate: the number of batches whose gradients make one step, as one large batch would.
        drop_last: whether to omit a last batch of fewer than ``batch_size`` samples.
        shuffle: whether to draw a new order for each pass, rather than keep that of the data.
        rng: seed or generator of the shuffles. A seed gives the same shuffles in each call; with ``history`` they
            continue after those of its epochs.
        max_norm: clip the gradient to this Euclidean norm.
        history: the history of a run to resume, to which rows are added. With that run's model and optimiser
            (:func:`save` and :func:`load` keep both, except Dropout's generator) and its seed as ``rng``, the result is
            that of an uninterrupted run.
        on_epoch_end: called with the history after each epoch; a true result ends the run.
        checkpoint: where to save the whole run at intervals, and to resume it from.
        on_nonfinite: the reaction to a step whose loss or gradient is NaN or infinite: "stop" with an error, and the
            model as it was before the step (on a device before the epoch, since each look would wait for the device);
            "skip" the step, with a warning at the epoch's end; or "ignore".
        verbose: whether to show a progress bar and a line per epoch.
        ranks: the ranks of :func:`mpi` that train together: each computes its share of every batch, and the result is
            that of one process. All call fit with the same arguments, and get the same model and history. Only rank 0
            prints and saves (:class:`Callback`).

    Raises:
        TypeError: model, loss, optimizer or history is of a wrong type, or the data are not numeric.
        ValueError: x and y, also those of ``validation``, do not fit each other or the model, are empty, or are not
            finite in the model's dtype; a setting is out of its range; or the model has no parameters.
        FloatingPointError: a step's loss or gradient, or after an epoch a parameter or buffer, is not finite; the
            message names epoch, step and layer. It is raised before ``on_epoch_end``, which never sees such a model.
        MemoryError, RuntimeError: the device is out of memory, or was lost.
        RuntimeError: the model is being trained already, by another thread or by the call that calls this one.
        RankError: another rank has failed.

    >>> x, y = np.random.default_rng(0).normal(size=(96, 8)), np.arange(96) % 2
    >>> stopping = EarlyStopping(patience=3)
    >>> history = fit(MLP((8, 16, 2), rng=0), x, y, validation_split=0.3, callbacks=[stopping], verbose=False)
    >>> history = fit(MLP((8, 16, 2), rng=0), lambda: batches(x, y, 32), epochs=1, verbose=False)
    """
    given = dict(locals())
    check_model("fit", model)
    positive(epochs=epochs, batch_size=batch_size, accumulate=accumulate)
    ranks = ranks_given(ranks)
    given["rng"] = rng = seed_of(ranks, rng)
    optimizer, history = of_a_run(optimizer, history, on_epoch_end)
    callbacks = listed(callbacks)
    drawn = {"rng": rng, "data": (x, y), "validation": validation}
    with (
        model.locks.fitting(type(model).__name__),
        keeping(checkpoint, model, optimizer, history, callbacks, ranks, **drawn) as kept,
    ):
        source = source_of("fit", model, x, y, sample_weight, lengths)
        source.ranks = ranks
        source, held_out = _held_out(source, model, validation, validation_split, rng)
        source.drop_last = drop_last
        finite = _finite_buffers(model)
        sums, held_out_sums = Sums(_taken_up(history, rng, kept, source, batch_size, accumulate)), Sums(ranks=ranks)
        shuffles = _shuffles(rng, source, batch_size, len(history)) if shuffle else None
        shown: list[Callback] = [ProgressBar()] if verbose and ProgressBar not in map(type, callbacks) else []
        told = Callbacks([*callbacks, *shown, *([kept] if kept else [])], sums, ranks)
        with Interruptible(ranks.size == 1) as stop:
            if kept:
                batches = {key: given[key] for key in ("batch_size", "accumulate", "drop_last", "shuffle")}
                kept.begin(shuffles, sums, batches | {"samples": source.samples, "metrics": bool(metrics)})
            model.zero_grad()  # an interrupted step may have left gradients
            loss, class_weight = fit_targets(source, model, loss, class_weight)
            rehearse(source, model, loss, batch_size, rehearsal())
            if held_out is not None:
                fit_targets(held_out, model, loss, class_weight)
                rehearse(held_out, model, loss, BATCH, inference())
            begin_alike(ranks, model, optimizer, {"training data": source, "validation data": held_out}, given)
            together = Steps(ranks, sums, stop) if accumulate * ranks.size > 1 else None
            guard = Guard(on_nonfinite, model, finite, sums)
            step = guard.watched(training_step(model, loss, optimizer, max_norm, sums, together, guard.check))
            scoring, collected = scoring_step(model, loss, held_out_sums), Metrics(metrics, loss, ranks)
            run = told.begin(Run(model, optimizer, loss, history, epochs, ranks))

            def trained() -> Score:
                batches = source.pass_over(batch_size, shuffles, skip=sums.steps * accumulate)
                if kept:
                    kept.go_on(collected)
                steps = stop.between(groups(batches, accumulate))
                with guard.epoch() as arrays:
                    score = run_pass(steps, step, sums, collected, arrays, told.step)
                average(ranks, model)
                return score

            def validated(data: Source, where: str) -> Score:
                held_out_sums.reset(where)
                return run_pass(stop.between(groups(data.pass_over(BATCH), 1)), scoring, held_out_sums, collected)

            for epoch in range(len(history) + 1, epochs + 1):
                if any(ranks.gather(run.stop_training)):
                    break
                rate = optimizer.rate if sums.steps else _first_rate(optimizer)  # a resumed epoch has begun already
                sums.begin(rate, guard.named(f"epoch {epoch}"))
                told.epoch(epoch, source.steps(batch_size, accumulate))
                row = {"epoch": epoch, **trained().row()}
                if held_out is not None:
                    row |= validated(held_out, guard.named(f"epoch {epoch}'s validation")).row("val_")
                row = agree(ranks, model, row | {"lr": sums.lr, "seconds": time.perf_counter() - sums.start})
                history.append(row)
                sums.reset()
                run.stop_training |= on_epoch_end is not None and bool(on_epoch_end(history))
                told.epoch_end(epoch, row)
        _ended(model, history, stop, sums, source)
        if kept:
            with Interruptible() if stop.signal else nullcontext():  # a second signal must not interrupt the saving
                kept.end(whole=not stop.within)
        told.end()
        if not stop.within:  # callbacks of some ranks only may have changed the model: rank 0's counts
            ranks.broadcast(model.flat_params, *model.buffers.values())
    return history


def _first_rate(optimizer: Optimizer) -> float:
    """The learning rate of an epoch's first step; warns if it is 0 because the schedule has ended."""
    rate = optimizer.rate
    if rate == 0 < optimizer.steps:
        warnings.warn(
            f"fit: an epoch begins with a learning rate of 0: {optimizer.lr!r} has ended; its steps must cover all "
            "epochs",
            stacklevel=4,
        )
    return rate


def _held_out(source: Source, model: Layer, validation: Any, share: float, rng: Rng) -> tuple[Source, Source | None]:
    """The sources of the training and the validation data; the latter are given, or a share of the former."""
    if share and validation is not None:
        raise ValueError("fit: expected validation or validation_split, got both")
    if share:
        return source.split(share, rng)
    if validation is None:
        return source, None
    held_out = source_of("fit: validation", model, *validation_of(model, validation))
    held_out.ranks = source.ranks
    return source, held_out


def _ended(model: Layer, history: History, stop: Interruptible, sums: Sums, source: Source) -> None:
    """Record where a signal ended the run, and print it."""
    if not stop.signal:
        return
    if not stop.within:
        average(source.ranks, model)
        agree(source.ranks, model, {})
    history.signal, history.begun = stop.signal, None if stop.within else sums.state()
    of = "" if source.samples is None else f" of {source.samples:,}"
    where = "within a step" if stop.within else f"after {sums.samples:,}{of} samples"
    if source.ranks.rank == 0:
        say(f"\ninterrupted in epoch {len(history) + 1}, {where}")


def _finite_buffers(model: Layer) -> list[str]:
    """The names of the buffers that are finite, and must remain so; all parameters must be finite.

    Raises:
        ValueError, TypeError, FloatingPointError: the model cannot be trained.
    """
    check_leaves(model)
    if not model.flat_params.size:
        raise ValueError("fit: the model has no parameters to train")
    bad = names_not_finite(model)
    if spoilt := [name for name in bad if name in model.params]:
        raise FloatingPointError(f"fit: {spoilt[0]} of the model holds NaN or infinity before the first step")
    return [name for name in model.buffers if name not in bad]


def _taken_up(
    history: History, rng: Rng, kept: Keeper | None, source: Source, batch_size: int, accumulate: int
) -> dict[str, float]:
    """The state of the unfinished epoch, if its shuffles can be repeated; the history's record of it is cleared.

    Raises:
        ValueError: the epoch began with batches of another size.
    """
    resumed = kept is not None and kept.resumed  # a Keeper has already compared the batches, and more than their sizes
    begun = history.begun if resumed or not isinstance(rng, np.random.Generator) else None
    if (
        begun
        and not resumed
        and not source.has_made(int(begun["samples"]), int(begun["steps"]) * accumulate, batch_size)
    ):
        raise ValueError(
            f"fit: the interrupted epoch has made {begun['steps']:.0f} steps with {begun['samples']:,.0f} samples, "
            f"but not with batch_size={batch_size} and accumulate={accumulate}, which can change only between epochs"
        )
    history.signal, history.begun = 0, None
    return begun or {}


def _shuffles(rng: Rng, source: Source, batch_size: int, past: int) -> np.random.Generator:
    """The generator of the shuffles; if it is made from a seed, it has already drawn those of past epochs."""
    generator = np.random.default_rng(rng)
    for _ in range(0 if rng is generator else past):
        source.order(batch_size, generator)
    return generator
