"""A captured step: the numbers of an eager one, and eager where the numbers would be others."""

import gc
from collections.abc import Callable
from typing import Any

import cupy
import numpy as np
import pytest
from cupy.stand_in import watch
from stand_in.checks.check_copies import TASKS as NETWORKS
from stand_in.checks.check_copies import floats, labels

import xpnn as nn
from xpnn.backend import captured, check
from xpnn.backend.cuda import capture
from xpnn.backend.cuda.capture import Captured
from xpnn.backend.cuda.products import matmul
from xpnn.checks.cases import Case, layer_cases
from xpnn.layers.base import of_several, several

STEPS = 20
DROPOUT = lambda: nn.Sequential(nn.Dense(6, 8, rng=0), nn.Dropout(0.5, rng=1), nn.Dense(8, 4, rng=2))  # noqa: E731
TASKS = NETWORKS | {"dropout": (DROPOUT, floats(6), labels())}


class Regression:
    """A layer and its Adam by hand; ``step`` takes the batch and the rate."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.W = nn.asarray(rng.standard_normal((4, 3)))
        self.m, self.v = nn.xp.zeros_like(self.W), nn.xp.zeros_like(self.W)

    def step(self, x: Any, y: Any, rate: Any) -> Any:
        check((y.max() < 100), "a target lies outside")
        error = matmul(x, self.W) - y
        gradient = matmul(x.T, error) * (1 / len(x))
        self.m *= 0.9
        self.m += 0.1 * gradient
        self.v *= 0.99
        self.v += 0.01 * gradient * gradient
        self.W -= rate * self.m / (nn.xp.sqrt(self.v) + 1e-8)
        return (error * error).mean()


def data(steps: int = STEPS, samples: int = 8) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(1)
    return [
        (nn.asarray(rng.standard_normal((samples, 4))), nn.asarray(rng.standard_normal((samples, 3))))
        for _ in range(steps)
    ]


def rate(t: int) -> float:
    """A schedule and Adam's correction: another number at each step."""
    return 0.1 * 0.9**t * (1 - 0.99 ** (t + 1)) ** 0.5 / (1 - 0.9 ** (t + 1))


def train(wrap: Callable[[Any], Any], batches: list[tuple[Any, Any]]) -> tuple[list[float], np.ndarray, Any]:
    net = Regression()
    step = wrap(net.step)
    losses = [float(step(x, y, rate(t))) for t, (x, y) in enumerate(batches)]
    return losses, nn.to_numpy(net.W), step


def test_same_numbers_as_eager_over_20_steps_with_schedule_and_adam():
    losses, weights, step = train(captured, data())
    eager_losses, eager_weights, _ = train(lambda step: step, data())
    assert step.graph is not None
    assert step.eager == ""
    assert losses == eager_losses
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(weights, eager_weights)


def test_a_number_that_does_not_come_in_as_one_is_frozen():
    """The mistake that the numbers are there against; and the stand-in shows it."""
    net = Regression()
    count = iter(range(STEPS))
    step = captured(lambda x, y: net.step(x, y, rate(next(count))))
    for x, y in data():
        step(x, y)
    assert np.abs(nn.to_numpy(net.W) - train(captured, data())[1]).max() > 1e-3


def test_from_the_fourth_step_on_one_launch_and_nothing_else():
    net = Regression()
    step = captured(net.step)
    for t, (x, y) in enumerate(data(3)):
        step(x, y, rate(t))
    (x, y), pool = data(1)[0], cupy.get_default_memory_pool()
    before = pool.allocations
    with watch() as seen:
        for t in range(5):
            step(x, y, rate(3 + t))
    assert [what for what, *_ in seen.order] == ["launch"] * 5
    assert pool.allocations == before
    assert (seen.uploads, seen.synchronisations, seen.holds) == (0, 0, 0), str(seen)


def test_rehearsals_and_recording_keep_the_order_of_streams():
    net = Regression()
    step = captured(net.step)
    with watch() as seen:
        for t, (x, y) in enumerate(data(3)):
            step(x, y, rate(t))
    inside, outside = step._stage.stream, cupy.cuda.Stream.null
    into, out = ("wait", inside, outside), ("wait", outside, inside)
    assert seen.order == [into, out, into, out, into, out, ("launch", outside)]


def test_another_shape_or_dtype_runs_eagerly_and_leaves_the_graph_as_it_is():
    mixed = data(6) + data(1, samples=5) + data(6)
    losses, weights, step = train(captured, mixed)
    eager_losses, eager_weights, _ = train(lambda step: step, mixed)
    assert step.graph is not None
    assert losses == eager_losses
    np.testing.assert_array_equal(weights, eager_weights)


REFUSED: dict[str, Callable[[Any], Any]] = {
    "asarray": lambda x: x * nn.asarray(np.ones(4)),
    "to_numpy": lambda x: x * float(nn.to_numpy(x).max()),
    "synchronize": lambda x: (nn.synchronize(), x)[1],
    "float()": lambda x: x * float(x.max()),
    "branch": lambda x: x if x.max() > 0 else -x,
    "mask": lambda x: x[x[:, 0] > -100],
    "cuBLAS by @": lambda x: (x @ x.T)[:, :4],
    "many arrays joined": lambda x: nn.xp.concatenate([x] * 9)[:8],
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_captured_runs_eagerly_with_the_same_numbers(what):
    function = REFUSED[what]
    step = captured(lambda x: function(x) * 2)
    for x, _ in data(6):
        np.testing.assert_array_equal(nn.to_numpy(step(x)), nn.to_numpy(function(x) * 2))
    assert step.graph is None
    assert step.eager


def test_host_draws_stay_those_of_an_eager_run():
    """A step that uploads is found out in its rehearsal: a recording would have drawn one mask too many."""
    dropout, other = nn.Dropout(0.5, rng=3), nn.Dropout(0.5, rng=3)
    step = captured(lambda x: dropout.forward(x)[0])
    for x, _ in data(6):
        np.testing.assert_array_equal(nn.to_numpy(step(x)), nn.to_numpy(other.forward(x)[0]))
    assert "copies to or from the device" in step.eager


def test_an_error_of_the_steps_own_is_raised():
    def step(x: Any) -> None:
        raise ValueError("of my own")

    run = captured(step)
    for x, _ in data(5):
        with pytest.raises(ValueError, match="of my own"):
            run(x)


def test_a_check_still_raises_when_replayed():
    net = Regression()
    step = captured(net.step)
    batches = data(8)
    for x, y in batches[:5]:
        step(x, y, 0.1)
    nn.synchronize()
    step(batches[5][0], batches[5][1] + 1000, 0.1)
    step(*batches[6], 0.1)  # a later step that is in order hides nothing
    with pytest.raises(ValueError, match="a target lies outside"):
        nn.synchronize()
    step(*batches[7], 0.1)
    nn.synchronize()  # told once
    assert step.graph is not None


def next_pool() -> Any:
    """The memory that the next captured step will take."""
    stage = capture._Stage.idle()
    stage.retire()
    return stage.pool


def test_memory_lives_as_long_as_the_graph_and_no_longer():
    net = Regression()
    net.step(*data(1)[0], 0.1)  # makes cuBLAS's workspace, which stays
    step = captured(net.step)
    pool = next_pool()
    held = pool.used_bytes()
    batches = data(4)
    for x, y in batches:
        step(x, y, 0.1)
    del x, y, batches
    gc.collect()
    assert pool.used_bytes() < pool.total_bytes()  # most of it serves within a step alone
    for _ in range(3):
        step(*data(1)[0], 0.1)
    allocations = pool.allocations
    step(*data(1)[0], 0.1)
    assert pool.allocations == allocations
    graph = step.graph
    del step
    assert (pool.used_bytes(), pool.total_bytes()) == (held, held)
    captured(net.step)(*data(1)[0], 0.1)  # takes the pool over
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="IllegalAddress"):
        graph.launch()


def test_holds_no_more_than_one_step_needs():
    def step(x: Any) -> Any:
        for _ in range(50):
            x = x * 1.5
        return x

    run = captured(step)
    held = next_pool().used_bytes()
    x = nn.asarray(np.ones(1 << 12))
    for _ in range(4):
        run(x)
    most = 5 * x.nbytes  # the buffer, two in turn, the result of this call and the last
    assert run._stage.pool.total_bytes() - held <= most


def test_a_pool_serves_the_next_graph(monkeypatch):
    """One that is thrown away loses what it held."""
    fitted(monkeypatch, captured, "MLP", nn.Adam(), epochs=4)
    gc.collect()
    lost, idle = cupy.cuda.MemoryPool.lost, len(capture._idle)
    fitted(monkeypatch, captured, "MLP", nn.Adam(), epochs=4)
    fitted(monkeypatch, captured, "dropout", nn.Adam(), epochs=4)
    gc.collect()
    assert (cupy.cuda.MemoryPool.lost, len(capture._idle)) == (lost, idle)


def test_a_step_that_is_never_called_takes_nothing():
    idle = list(capture._idle)
    never = captured(lambda x: x)
    assert (capture._idle, never._stage) == (idle, None)


def test_a_lost_device_s_memory_is_left_alone(monkeypatch):
    def fail() -> None:
        raise cupy.cuda.runtime.CUDARuntimeError(700, "cudaErrorIllegalAddress: an illegal memory access")

    freed: list[Any] = []
    step = captured(lambda x: x * 2)
    step(nn.asarray(np.ones(4)))
    idle = len(capture._idle)
    monkeypatch.setattr(cupy.cuda.runtime, "memGetInfo", fail)
    monkeypatch.setattr(cupy.cuda.MemoryPool, "free_all_blocks", freed.append)
    del step
    assert (freed, len(capture._idle)) == ([], idle)


def test_a_stream_in_use_stays_so():
    stream = cupy.cuda.Stream(non_blocking=True).use()
    try:
        net = Regression()
        step = captured(net.step)
        for t, (x, y) in enumerate(data(4)):
            step(x, y, rate(t))
            assert cupy.cuda.get_current_stream() is stream
    finally:
        cupy.cuda.Stream.null.use()


def test_a_step_that_raises_in_its_rehearsal_is_waited_for():
    def step(x: Any) -> None:
        raise ValueError("of my own")

    run = captured(step)
    with watch() as seen, pytest.raises(ValueError, match="of my own"):
        run(data(1)[0][0])
    assert seen.order[-1] == ("wait", cupy.cuda.Stream.null, run._stage.stream)


def test_a_step_is_recorded_anew_where_its_arrays_have_moved():
    def train(wrap: Callable[..., Any]) -> tuple[list[Any], np.ndarray]:
        net, graphs = Regression(), []
        step = wrap(net.step, place=lambda: net.W)
        for t, (x, y) in enumerate(data()):
            if t in (5, 6, 12):
                net.W = net.W.copy()
            step(x, y, rate(t))
            graphs.append(getattr(step, "graph", None))
        return graphs, nn.to_numpy(net.W)

    graphs, weights = train(captured)
    np.testing.assert_array_equal(weights, train(lambda step, place: step)[1])
    recorded = [t for t, graph in enumerate(graphs) if graph is not None and graph not in graphs[:t]]
    assert recorded == [2, 8, 14]
    assert [t for t, graph in enumerate(graphs) if graph is None] == [0, 1, 5, 6, 7, 12, 13]


def test_parameters_that_move_are_found(monkeypatch):
    """A schedule that looks at a part of the network: to ask for its vector moves the parameters."""
    steps: list[Any] = []

    class Looking:
        def __init__(self) -> None:
            self.model: Any = None
            self.graphs: list[Any] = []

        def __call__(self, step: int) -> float:
            self.graphs.append(getattr(steps[0], "graph", None) if steps else None)
            if step in (4, 5, 9):
                assert nn.Sequential(*self.model.layers[:-1]).flat_params.size
            return 0.1

    def train(wrap: Any) -> tuple[np.ndarray, int]:
        def keep(*arguments: Any, **options: Any) -> Any:
            steps.append(wrap(*arguments, **options))
            return steps[-1]

        steps.clear()
        monkeypatch.setattr("xpnn.training.steps.captured", keep)
        schedule = Looking()
        schedule.model = model = nn.MLP((6, 8, 4), rng=0)
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((44, 6)).astype("float32"), rng.integers(0, 4, 44)
        nn.fit(model, x, y, optimizer=nn.SGD(schedule), epochs=3, batch_size=8, validation=(x, y), verbose=False)
        return nn.to_numpy(model.flat_params), len({id(graph) for graph in schedule.graphs if graph is not None})

    weights, graphs = train(captured)
    eager_weights, none = train(lambda step, *_, **__: step)
    np.testing.assert_array_equal(weights, eager_weights)
    assert (graphs, none) == (3, 0)


KEEPING: dict[str, Callable[[Any, Any], Any]] = {
    "ascontiguousarray": lambda x, places: nn.xp.ascontiguousarray(x.T),
    "take_along_axis": lambda x, places: nn.xp.take_along_axis(x, places, 1),
    "where": lambda x, places: nn.xp.where(x > 0, x, -x),
    "an index": lambda x, places: x[places[0]],
    "a kernel": lambda x, places: nn.Tanh()(x),
}


@pytest.mark.parametrize("what", KEEPING)
def test_a_recording_holds_what_a_rehearsal_does(what):
    """A graph keeps none of the arrays alive that it works on."""

    def step(x: Any, places: Any) -> Any:
        for _ in range(10):
            x = KEEPING[what](x, places)
        return x

    run = captured(step)
    x, places = nn.asarray(np.ones((32, 32))), nn.asarray(np.arange(32) * np.ones((32, 1), int))
    for _ in range(4):
        run(x, places)
    assert (run.eager, run.graph is None) == ("", False)


def test_a_step_that_gives_up_holds_nothing():
    run = captured(lambda x: x * float(x.max()))
    for _ in range(4):
        run(nn.asarray(np.ones(4)))
    assert (run._stage, run._buffers, run._result) == (None, [], None)


def test_numbers_are_0d_arrays_of_the_dtype_asked_for():
    seen = []
    run = captured(lambda x, rate: seen.append(rate) or x * rate, dtype="float64")
    run(nn.asarray(1.0, "float64"), 0.1)
    assert (seen[0].shape, seen[0].dtype, float(seen[0])) == ((), "float64", 0.1)


def fitted(monkeypatch, wrap: Any, task: str, optimizer: nn.Optimizer, **options: Any) -> tuple[Any, np.ndarray]:
    """The history and the weights of a run whose steps are captured by ``wrap``: the last batch is smaller."""
    build, x, y = TASKS[task]
    model = build()
    monkeypatch.setattr("xpnn.training.steps.captured", wrap)
    history = nn.fit(model, x, y, optimizer=optimizer, batch_size=8, validation=(x, y), verbose=False, **options)
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in history]
    return rows, nn.to_numpy(model.flat_params)


def compare(monkeypatch, task: str, make: Callable[[], nn.Optimizer], **options: Any) -> list[Captured]:
    """The captured steps, of training and of validation, of a run that gives the numbers of an eager one."""
    made: list[Captured] = []

    def keep(*arguments: Any, **options: Any) -> Captured:
        made.append(captured(*arguments, **options))
        return made[-1]

    history, weights = fitted(monkeypatch, keep, task, make(), **options)
    eager_history, eager_weights = fitted(monkeypatch, lambda step, *_, **__: step, task, make(), **options)
    assert history == eager_history
    np.testing.assert_array_equal(weights, eager_weights)
    return made


@pytest.mark.parametrize("task", NETWORKS)
def test_every_network_is_captured_by_fit_with_the_same_numbers(monkeypatch, task):
    made = compare(monkeypatch, task, lambda: nn.Adam(nn.CosineDecay(0.01, 12)), epochs=4, max_norm=0.5)
    assert [step.eager for step in made] == ["", ""]
    assert None not in [step.graph for step in made]


def a_pass(
    layer: Any, x: Any, loss: Any = None, targets: Any = None, weights: Any = None, **options: Any
) -> tuple[Callable[..., Any], list[Any]]:
    """A step that differentiates a layer or a loss, and the arrays that it takes."""
    inputs = len(several(x))

    def step(*arrays: Any) -> Any:
        x, rest = of_several(arrays[:inputs]), arrays[inputs:]
        if isinstance(layer, nn.Loss):
            return layer.forward(x, *rest)[1]()
        y, backward = layer.forward(x, **options)
        return backward(y if loss is None else loss.forward(y, *rest)[1]())

    return step, [nn.asarray(one) for one in (*several(x), targets, weights) if one is not None]


@pytest.mark.parametrize("case", list(layer_cases(0)), ids=lambda case: f"{case.layer}"[:40])
def test_every_layer_and_loss_copies_nothing_and_is_captured(case: Case):
    """But for lengths and masks, which the host has, and for a layer whose products are CuPy's own."""
    step, data = a_pass(case.layer, case.x, **case.options)
    from_host = "lengths" in case.options or isinstance(case.layer, nn.Dropout)
    of_cupy = isinstance(case.layer, nn.ConvTranspose2D)
    run = captured(step)
    run(*data)
    with watch() as seen:
        step(*data)
    for _ in range(3):
        run(*data)
    why = "the step copies" if from_host else "NotImplementedError: calling cuBLAS" if of_cupy else ""
    assert (run.eager[: len(why)], run.graph is None) == (why, bool(why)), run.eager
    assert (seen.uploads > 0, seen.synchronisations) == (from_host, 0), str(seen)


OPTIMIZERS: dict[str, Callable[[], nn.Optimizer]] = {
    "SGD": lambda: nn.SGD(nn.StepDecay(0.1, 5)),
    "momentum": lambda: nn.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "Adam": lambda: nn.Adam(nn.CosineDecay(0.1, 30, warmup=4), weight_decay=0.01),
    "AdamW": lambda: nn.AdamW(nn.CosineDecay(0.1, 30)),
    "RMSprop": lambda: nn.RMSprop(nn.OneCycle(0.1, 30), momentum=0.9, centered=True),
    "groups": lambda: nn.AdamW(nn.CosineDecay(0.1, 30), groups={"0.*": {"lr_factor": 0.1}, "*.b": {"weight_decay": 0}}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_over_20_steps_and_more(monkeypatch, name):
    step, _ = compare(monkeypatch, "MLP", OPTIMIZERS[name], epochs=10)
    assert step.graph is not None


def test_a_layer_that_is_trained_from_the_third_epoch_on(monkeypatch):
    step, _ = compare(monkeypatch, "MLP", lambda: nn.SGD(0.1, 0.9), epochs=6, callbacks=[Thaw()])
    assert step.graph is not None


class Thaw(nn.Callback):
    def on_epoch_begin(self, epoch):
        self.model[0].trainable = epoch > 2


def test_dropout_falls_back_and_draws_the_same_masks(monkeypatch):
    step, validation = compare(monkeypatch, "dropout", lambda: nn.Adam(), epochs=4)
    assert step.graph is None
    assert "copies to or from the device" in step.eager
    assert validation.graph is not None


def test_an_optimiser_with_a_step_of_its_own_stays_outside(monkeypatch):
    class Halving(nn.SGD):
        def step(self, model):
            super().step(model)
            self.lr *= 0.5

    step, _ = compare(monkeypatch, "MLP", lambda: Halving(0.1), epochs=5)
    assert step.graph is not None


def test_a_recording_that_fails_leaves_no_gradient_behind(monkeypatch):
    class Asking(nn.SGD):
        def _update(self, params, grads, scalars, *state):
            float(abs(grads).max())
            params -= scalars[0] * grads  # and leaves the gradients to be cleared

    step, _ = compare(monkeypatch, "MLP", lambda: Asking(0.1), epochs=5)
    assert step.graph is None
    assert step.eager


@pytest.mark.parametrize("wrong", [4, -1])
def test_fit_tells_wrong_labels_from_a_replayed_step(wrong):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((80, 6)).astype("float32"), rng.integers(0, 4, 80)
    y[70] = wrong
    with pytest.raises(ValueError, match="a label lies outside"):
        nn.fit(nn.MLP((6, 4), rng=0), x, y, epochs=2, batch_size=8, verbose=False)
