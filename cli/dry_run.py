"""``xpnn train --dry-run``: the memory and time that a run would need."""

import argparse
import time
import tracemalloc
from collections.abc import Mapping
from statistics import median

from ..backend import describe
from ..training import Callback
from .job import Job
from .streams import answer, escaped

_STEPS = 12  # the number of steps that are timed, after one that is not


class _Clock(Callback):
    """Records when each step ends."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        logs["loss"]  # reading the loss waits for the end of a device's step
        self.times.append(time.perf_counter())


def dry_run(args: argparse.Namespace, todo: Job) -> None:
    """Print shapes, parameters, memory, and the time of a step, measured in a few steps of a throw-away network."""
    model, optimizer, N = todo.model, todo.optimizer, todo.batch_size
    seconds = _seconds(todo, min(_STEPS + 1, max(todo.steps, 2)))
    tracemalloc.start()
    try:
        todo.fit(todo.x[:N], todo.y[:N], epochs=1, verbose=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    vectors = [model.flat_params, model.flat_grads, *optimizer.state(model.flat_params).values()]
    bytes_of = {
        "network": sum(vector.nbytes for vector in vectors),
        "step": peak,
        "data": todo.x.nbytes + todo.y.nbytes,
    }
    run = todo.epochs * todo.steps * seconds
    text = (
        f"{describe()}\n\n{model.summary()}\n\n"
        f"data        {len(todo.x):,} training samples from {escaped(todo.recipe.data)}\n"
        f"a batch     x {(N, *todo.x.shape[1:])} {todo.x.dtype}, y {(N, *todo.y.shape[1:])} {todo.y.dtype}\n"
        f"parameters  {model.flat_params.size:,}\n"
        f"memory      {_megabytes(bytes_of['network'])} for parameters, gradients and the optimiser's state, "
        f"{_megabytes(peak)} for a step (on the host), {_megabytes(bytes_of['data'])} for the data\n"
        f"time        {seconds * 1e3:.3g} ms a step, {todo.steps * seconds:.3g} s an epoch of {todo.steps:,} steps, "
        f"{run:.3g} s for {todo.epochs} epochs, without validation\n"
        f"nothing was written; the run would be saved in {todo.out}"
    )
    answer(
        args, text, model=todo.recipe.model, data=todo.recipe.data, samples=len(todo.x), batch_size=N,
        input_shape=todo.x.shape[1:], parameters=model.flat_params.size, bytes=bytes_of, step_seconds=seconds,
        steps=todo.steps, epochs=todo.epochs, out=str(todo.out),
    )  # fmt: skip


def _seconds(todo: Job, steps: int) -> float:
    """The median time of a step, without the first one, which may include preparations."""
    clock, samples = _Clock(), todo.batch_size * steps
    epochs = max(1, -(-steps // todo.steps))
    todo.fit(todo.x[:samples], todo.y[:samples], epochs=epochs, verbose=False, callbacks=[clock])
    return median(later - earlier for earlier, later in zip(clock.times, clock.times[1:], strict=False))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.3g} MB"
