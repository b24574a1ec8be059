"""The work on each batch: a training step, scored inference, and a trial before the first step."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

from ..backend import Array, captured, runs_by, synchronize
from ..layers import Layer, Loss, inference
from .batch import Batch
from .inputs import fitting, loss_for, weights_of_classes
from .metrics import Metrics
from .optimizer import Optimizer, clip_grad_norm
from .score import Score, Sums
from .sources import Source
from .together import Steps

Group: TypeAlias = Sequence[Batch]
"""The batches whose gradients make one step."""


def groups(batches: Iterator[Batch], size: int) -> Iterator[Group]:
    """The batches in groups; the last one may be smaller."""
    while group := list(islice(batches, size)):
        yield group


def fit_inputs(source: Source, model: Layer) -> tuple[Batch, Array]:
    """Let the source convert integers, such as pixels, if the model does not take integers.

    Returns one or two samples, and their outputs.
    """
    batch = next(source.trial(2))
    if batch.has_integers:
        try:
            return batch, batch.infer(model)
        except TypeError:
            source.converts = True
            batch = next(source.trial(2))
    return batch, batch.infer(model)


def fit_targets(source: Source, model: Layer, loss: Loss | None, class_weight: Any = None) -> tuple[Loss, Any]:
    """Infer one or two samples, and let the source fit its targets and weights to the outputs (:func:`fitting`).

    Returns the loss, by default the one for such targets, and the weight of each class or None.

    Raises:
        ValueError, TypeError: as the model raises them for such data.
    """
    with _named(source.caller), inference():
        batch, first = fit_inputs(source, model)
        outputs = first.shape
        loss = loss_for(source.caller, model, loss, batch.targets[0] if source.labels is None else source.labels)
        if class_weight is not None:
            class_weight = weights_of_classes(class_weight, loss, outputs, source.labels, model.dtype)
        source.change(fitting(source.caller, loss, outputs, batch.inputs, class_weight, model))
    return loss, class_weight


def rehearse(source: Source, model: Layer, loss: Loss, batch_size: int, within: AbstractContextManager[None]) -> None:
    """Infer a batch and its loss, so that misfits raise before the first step; nothing changes.

    ``within`` is ``inference()`` or, for training data, ``rehearsal()``.

    Raises:
        ValueError, TypeError: as the model and the loss raise them for such data.
    """
    with _named(source.caller):
        with within:
            for batch in source.trial(batch_size):
                loss(batch.forward(model)[0], *batch.targets)
        synchronize()  # a device reports a label out of range here


@contextmanager
def _named(caller: str) -> Iterator[None]:
    """Within this block, errors get the name of the calling function."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if type(error) not in (ValueError, TypeError) or str(error).startswith(caller):
            raise
        raise type(error)(f"{caller}: {error}") from error


def training_step(
    model: Layer,
    loss: Loss,
    optimizer: Optimizer,
    max_norm: float | None,
    sums: Sums,
    steps: Steps | None = None,
    check: Callable[[Array], None] = lambda grads: None,
) -> Callable[[Group], list[Array]]:
    """A function that makes one step of the optimiser on a group of batches and returns their outputs.

    With ``steps``, the group has several batches or the ranks have shares of them. The gradient is then that of one
    large batch: the mean of the batches' gradients by their weights. ``check`` is called with the gradient before the
    update. The step is captured if the backend can capture and the sequences have no lengths.
    """
    place = partial(optimizer.placed, model)
    place()  # raises now if groups or frozen layers leave nothing to train
    whole = type(optimizer).step is Optimizer.step  # an overridden step may work on the host, which a replay omits
    own = type(optimizer).update is not Optimizer.update

    def differentiate(batch: Batch) -> Array:
        outputs, backward = batch.forward(model)
        value, loss_backward = loss.forward(outputs, *batch.targets)
        weight, *_ = scored = batch.scored(loss, outputs, value)
        (sums if steps is None else steps.own).add(*scored)
        doutputs = loss_backward()
        if steps is not None:
            doutputs = (doutputs * weight).astype(doutputs.dtype)
        backward(doutputs)
        return outputs

    def update(*scalars: Any) -> None:
        placed = place()
        check(placed.flat[1])
        if max_norm is not None:
            clip_grad_norm(model, max_norm)
        if not whole:
            return
        cleared = optimizer.update(model, *scalars) if own else optimizer.update_placed(placed, *scalars)
        if not cleared:
            model.zero_grad()

    def both(batch: Batch, *scalars: Any) -> Array:
        outputs = differentiate(batch)
        update(*scalars)
        return outputs

    run, run_all = (_captured(one, model, place) for one in (differentiate, both))
    if steps is not None:  # the ranks communicate between the two captured functions
        run_update = captured(update, model.dtype or "float32", place=place)

    def step(group: Group) -> list[Array]:
        scalars = optimizer.scalars() if whole else ()
        if steps is None:
            outputs = [run_all(group[0], *scalars)]
        else:
            outputs = [run(batch).copy() for batch in group]  # a captured step returns the same array each time
            grads = model.gather()[1]
            grads *= steps.sum_up(grads)
            run_update(*scalars)
        if whole:
            optimizer.steps += 1
        else:
            optimizer.step(model)
            model.zero_grad()  # a user's step may have left gradients
        return outputs

    return step


def scoring_step(model: Layer, loss: Loss, sums: Sums) -> Callable[[Group], list[Array]]:
    """A function that infers a group of one batch and scores it; captured as in :func:`training_step`."""

    def score(batch: Batch) -> Array:
        outputs = batch.infer(model)
        sums.add(*batch.scored(loss, outputs, loss(outputs, *batch.targets)))
        return outputs

    run = _captured(score, model, model.gather)
    return lambda group: [run(group[0])]


def _captured(step: Callable[..., Array], model: Layer, place: Callable[[], object]) -> Callable[..., Array]:
    """A step on a batch and scalars, captured unless the batch has lengths, which the host reads.

    A step is not captured either if ranks may communicate within it, or if this rank has no samples of its own.
    """
    if runs_by("captured") == "equation":  # captured(step) would be step itself
        return step
    captured_steps: dict[int, Callable[..., Array]] = {}  # by the number of arrays: x, y, perhaps weights

    def run(batch: Batch, *scalars: Any) -> Array:
        share = batch.share
        if batch.lengths is not None or (share is not None and (share.empty or not model.separable)):
            return step(batch, *scalars)
        count, inputs = len(batch.arrays), batch.inputs
        if count not in captured_steps:
            captured_steps[count] = captured(
                lambda *args: step(Batch(args[:count], inputs), *args[count:]),
                model.dtype or "float32", model.zero_grad, place,
            )  # fmt: skip
        return captured_steps[count](*batch.arrays, *scalars)

    return run


def run_pass(
    groups: Iterable[Group],
    step: Callable[[Group], list[Array]],
    sums: Sums,
    metrics: Metrics,
    arrays: Iterable[Array] = (),
    done: Callable[[int], None] | None = None,
) -> Score:
    """Run the step, which returns the outputs of a group's batches, on every group; return the means of ``sums``.

    ``arrays`` must be finite afterwards; ``done`` is called after each step with the number of steps.
    """
    for group in groups:
        outputs = step(group)
        for batch in group:
            sums.samples += len(batch)
        sums.steps += 1
        if metrics:
            for batch, one in zip(group, outputs, strict=True):
                metrics.add(*(array[batch.counted] for array in (one, *batch.targets)))
        if done is not None:
            done(sums.steps)
    score = sums.score(*arrays)
    score.metrics = metrics.values()
    return score
