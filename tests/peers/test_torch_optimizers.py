"""Optimisers, schedules and clipping against torch.optim: the same parameters after the same drawn gradients.

The bounds, on norm(a - b) / norm(b) over all parameters: 1e-10 in float64; 12 k eps = 24 k u in float32 after k steps,
since no step has more than 24 roundings an entry (Adam's with weight decay, its hyperparameters' own rounding
included). The latter leaves out cancellation, which may spoil a single entry, not the norm of 34 that are of order 1
at the start and move by independent gradients.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peers.against_torch import PROPERTY, SEEDS, normal
from torch.optim import lr_scheduler

import xpnn as nn

STEPS = st.integers(1, 8)
RATES = st.floats(1e-4, 0.5)
DECAYS = st.sampled_from([0.0, 1e-4, 0.1])
MOMENTA = st.sampled_from([0.5, 0.9, 0.99])
BETAS = st.sampled_from([(0.9, 0.999), (0.5, 0.9), (0.0, 0.99)])
EPSILONS = st.sampled_from([1e-8, 1e-3])
SCALES = st.sampled_from([1e-3, 1.0, 30.0])
dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])

Parameters = list[torch.nn.Parameter]


def two_models(rng: np.random.Generator, dtype: str) -> tuple[nn.Sequential, dict[str, torch.nn.Parameter]]:
    """34 parameters in four arrays, here and as PyTorch's in float64."""
    model = nn.Sequential(nn.Dense(5, 4, dtype=dtype), nn.Dense(4, 2, dtype=dtype))
    twins = {}
    for key, value in model.params.items():
        start = normal(rng, value.shape, dtype)
        model.params[key] = start
        twins[key] = torch.nn.Parameter(torch.tensor(start).double())
    return model, twins


def give_gradients(model: nn.Sequential, twins: dict[str, torch.nn.Parameter], rng: np.random.Generator, scale: float):
    """The same new gradients to both."""
    for key, twin in twins.items():
        gradient = normal(rng, tuple(twin.shape), str(model.dtype)) * scale
        model.grads[key] = gradient
        twin.grad = torch.tensor(gradient).double()


def relative_error(values: nn.layers.parameters.Parameters, want: dict[str, torch.Tensor]) -> float:
    got = np.concatenate([nn.to_numpy(values[key]).astype("float64").ravel() for key in want])
    expected = np.concatenate([tensor.detach().numpy().ravel() for tensor in want.values()])
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


def agree(
    measured: Callable[[str, float], None],
    optimizer: nn.Optimizer,
    peer: Callable[[Parameters], torch.optim.Optimizer],
    dtype: str,
    steps: int,
    scale: float,
    seed: int,
    scheduler: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler] | None = None,
) -> None:
    rng = np.random.default_rng(seed)
    model, twins = two_models(rng, dtype)
    torch_optimizer = peer(list(twins.values()))
    torch_scheduler = None if scheduler is None else scheduler(torch_optimizer)
    for _ in range(steps):
        give_gradients(model, twins, rng, scale)
        optimizer.step(model)
        torch_optimizer.step()
        if torch_scheduler is not None:
            torch_scheduler.step()
        assert not nn.to_numpy(model.flat_grads).any(), "the gradients are not cleared"
    error = relative_error(model.params, twins)
    measured(f"torch, {type(optimizer).__name__}, {dtype}, relative error", error)
    assert error <= (1e-10 if dtype == "float64" else 12 * steps * np.finfo("float32").eps)


@dtypes
@PROPERTY
@given(RATES, DECAYS, STEPS, SCALES, SEEDS)
def test_sgd(measured, dtype, lr, decay, steps, scale, seed):
    agree(
        measured,
        nn.SGD(lr, weight_decay=decay),
        lambda p: torch.optim.SGD(p, lr, weight_decay=decay),
        dtype,
        steps,
        scale,
        seed,
    )


@dtypes
@PROPERTY
@given(RATES, MOMENTA, st.booleans(), DECAYS, STEPS, SCALES, SEEDS)
def test_sgd_with_momentum(measured, dtype, lr, momentum, nesterov, decay, steps, scale, seed):
    def peer(p: Parameters) -> torch.optim.Optimizer:
        return torch.optim.SGD(p, lr, momentum=momentum, nesterov=nesterov, weight_decay=decay)

    agree(measured, nn.SGD(lr, momentum, nesterov, decay), peer, dtype, steps, scale, seed)


@dtypes
@pytest.mark.parametrize(("ours", "peer"), [(nn.Adam, torch.optim.Adam), (nn.AdamW, torch.optim.AdamW)])
@PROPERTY
@given(RATES, BETAS, EPSILONS, DECAYS, STEPS, SCALES, SEEDS)
def test_adam(measured, ours, peer, dtype, lr, betas, eps, decay, steps, scale, seed):
    agree(measured, ours(lr, betas, eps, decay), lambda p: peer(p, lr, betas, eps, decay), dtype, steps, scale, seed)


@pytest.mark.parametrize(
    ("ours", "peer"), [(nn.Adam(), torch.optim.Adam), (nn.AdamW(), torch.optim.AdamW)], ids=["Adam", "AdamW"]
)
def test_defaults_are_pytorch_s(measured, ours, peer):
    agree(measured, ours, peer, "float64", 8, 1.0, 0)


@PROPERTY
@given(RATES, st.integers(1, 12), st.data(), SEEDS)
def test_cosine_decay(measured, lr, steps, data, seed):
    """With a warmup PyTorch's LinearLR and then CosineAnnealingLR; past the last step the latter would rise again."""
    warmup = data.draw(st.integers(0, steps - 1), "warmup")

    def scheduler(optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
        cosine = lr_scheduler.CosineAnnealingLR(optimizer, steps - warmup)
        if warmup == 0:
            return cosine
        rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
        return lr_scheduler.SequentialLR(optimizer, [rise, cosine], [warmup])

    schedule = nn.CosineDecay(lr, steps, warmup)
    assert_rates(schedule, scheduler, lr, steps + 1)
    agree(
        measured, nn.SGD(schedule, 0.9), lambda p: torch.optim.SGD(p, lr, 0.9), "float64", steps, 1.0, seed, scheduler
    )


@PROPERTY
@given(RATES, st.integers(1, 5), st.floats(0.01, 1), STEPS, SEEDS)
def test_step_decay(measured, lr, every, factor, steps, seed):
    def scheduler(optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
        return lr_scheduler.StepLR(optimizer, every, factor)

    schedule = nn.StepDecay(lr, every, factor)
    assert_rates(schedule, scheduler, lr, 20)
    agree(measured, nn.Adam(schedule), lambda p: torch.optim.Adam(p, lr), "float64", steps, 1.0, seed, scheduler)


def assert_rates(schedule: Callable[[int], float], scheduler: Callable, lr: float, count: int) -> None:
    """The same rate in each of the first steps; PyTorch multiplies its way there, which errs by some eps a step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr)
    peer = scheduler(optimizer)
    for step in range(count):
        assert schedule(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-10, abs=1e-14 * lr)
        optimizer.step()
        peer.step()


@dtypes
@PROPERTY
@given(st.floats(0.01, 100), SCALES, SEEDS)
def test_clip_grad_norm(measured, dtype, max_norm, scale, seed):
    """The norm of 34 squares errs by 34 u / 2 + 2 u, the factor by 4 u more, the product by u: 25 u in float32."""
    rng = np.random.default_rng(seed)
    model, twins = two_models(rng, dtype)
    give_gradients(model, twins, rng, scale)
    norm = nn.clip_grad_norm(model, max_norm)
    want = torch.nn.utils.clip_grad_norm_(list(twins.values()), max_norm)
    bound = 1e-10 if dtype == "float64" else 25 * np.finfo("float32").eps / 2
    assert nn.to_numpy(norm).dtype == dtype
    assert abs(float(nn.to_numpy(norm)) / float(want) - 1) <= bound
    error = relative_error(model.grads, {key: twin.grad for key, twin in twins.items()})
    measured(f"torch, clip_grad_norm, {dtype}, relative error", error)
    assert error <= bound


# what is fixed here is a few settings each, for 20 steps in float64


GROUPS = {"0.*": {"lr_factor": 0.1}, "*.b": {"weight_decay": 0.0}}
OPTIMIZERS = {
    "SGD": (nn.SGD, torch.optim.SGD, {"lr": 0.05, "weight_decay": 0.1}),
    "SGD, momentum": (nn.SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
    "SGD, Nesterov": (nn.SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "Adam": (nn.Adam, torch.optim.Adam, {"lr": 0.05, "weight_decay": 0.1}),
    "AdamW": (nn.AdamW, torch.optim.AdamW, {"lr": 0.05, "weight_decay": 0.1}),
    "RMSprop": (nn.RMSprop, torch.optim.RMSprop, {"weight_decay": 0.1}),
    "RMSprop, centered": (nn.RMSprop, torch.optim.RMSprop, {"lr": 0.05, "alpha": 0.9, "eps": 1e-3, "centered": True}),
    "RMSprop, both": (nn.RMSprop, torch.optim.RMSprop, {"lr": 0.05, "momentum": 0.9, "centered": True}),
}
of_each = pytest.mark.parametrize(("ours", "peer", "settings"), OPTIMIZERS.values(), ids=OPTIMIZERS)


def in_groups(parameters: Parameters, lr: float, weight_decay: float = 0.0, **_: float) -> list[dict]:
    """0.W, 0.b, 1.W and 1.b by GROUPS."""
    settings = [(0.1 * lr, weight_decay), (0.1 * lr, 0.0), (lr, weight_decay), (lr, 0.0)]
    return [{"params": [p], "lr": a, "weight_decay": b} for p, (a, b) in zip(parameters, settings, strict=True)]


@dtypes
@pytest.mark.parametrize("name", ["RMSprop", "RMSprop, centered", "RMSprop, both"])
def test_rmsprop(measured, dtype, name):
    ours, peer, settings = OPTIMIZERS[name]
    agree(measured, ours(**settings), lambda p: peer(p, **settings), dtype, 20, 1.0, 0)


@of_each
def test_groups(measured, ours, peer, settings):
    """Under a schedule, which scales the rates of all of them."""
    lr, schedule = settings.get("lr", 0.01), nn.StepDecay(settings.get("lr", 0.01), 3, 0.5)
    agree(
        measured,
        ours(**settings | {"lr": schedule}, groups=GROUPS),
        lambda p: peer(in_groups(p, **{"lr": lr} | settings), **settings),
        "float64",
        20,
        1.0,
        1,
        lambda optimizer: lr_scheduler.StepLR(optimizer, 3, 0.5),
    )


@of_each
def test_frozen_layers(measured, ours, peer, settings):
    """One that is frozen after 7 steps and trained again after 14, which here needs no bias correction."""
    rng = np.random.default_rng(2)
    model, twins = two_models(rng, "float64")
    optimizer, torch_optimizer = ours(**settings), peer(list(twins.values()), **settings)
    for step in range(20 if ours not in (nn.Adam, nn.AdamW) else 14):
        model[0].trainable = step not in range(7, 14)
        give_gradients(model, twins, rng, 1.0)
        if not model[0].trainable:
            twins["0.W"].grad = twins["0.b"].grad = None
        assert nn.to_numpy(nn.clip_grad_norm(model, 2.0)) == pytest.approx(
            float(torch.nn.utils.clip_grad_norm_(list(twins.values()), 2.0)), rel=1e-10
        )
        optimizer.step(model)
        torch_optimizer.step()
        assert not nn.to_numpy(model.flat_grads).any()
    assert relative_error(model.params, twins) <= 1e-10


@pytest.mark.parametrize("settings", [{}, {"pct_start": 0.5, "div_factor": 10.0, "final_div_factor": 100.0}], ids=str)
def test_one_cycle(settings):
    def scheduler(optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
        return lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=21, cycle_momentum=False, **settings)

    assert_rates(nn.OneCycle(0.3, steps=21, **settings), scheduler, 0.3, 20)


def test_warm_up():
    def scheduler(optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
        rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / 4, total_iters=3)
        return lr_scheduler.SequentialLR(optimizer, [rise, lr_scheduler.StepLR(optimizer, 3, 0.5)], [4])

    assert_rates(nn.Warmup(nn.StepDecay(0.3, 3, 0.5), 4), scheduler, 0.3, 20)


def test_averaged_parameters():
    rng = np.random.default_rng(3)
    model, twins = two_models(rng, "float64")
    optimizer, ema = nn.SGD(0.1), nn.EMA(model, 0.8)
    peer = torch.nn.ParameterDict({key.replace(".", "_"): twin for key, twin in twins.items()})
    torch_optimizer = torch.optim.SGD(peer.values(), 0.1)
    averaged = torch.optim.swa_utils.AveragedModel(peer, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.8))
    averaged.update_parameters(peer)
    for _ in range(20):
        give_gradients(model, twins, rng, 1.0)
        optimizer.step(model)
        torch_optimizer.step()
        ema.update()
        averaged.update_parameters(peer)
    want = {key: averaged.module[key.replace(".", "_")] for key in twins}
    with ema.averaged():
        assert relative_error(model.params, want) <= 1e-10
    assert relative_error(model.params, twins) <= 1e-10
