"""Training on several ranks against training by one process, run by `mpiexec -n 3 python tests/ranks/equal.py all`.

Each network is trained in float64 by all ranks and by one of them alone; parameters, buffers, generators and rows must
agree to 1e-12. Where they do not, the run may multiply rounding (Adam divides by the root of a square that is almost 0;
two samples whose values are almost alike have almost no variance): one process is then compared with itself, its first
parameters moved by one rounding each, and ten times that difference is allowed, and printed.

`all` takes every network with every optimiser and option for 50 steps and more, but for early stopping; `some` takes
each once, for 7 steps, and `few` only three.
"""

import copy
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

import xpnn as nn

BOUND = 1e-12
DOUBLE: dict[str, Any] = {"dtype": "float64"}
rng = np.random.default_rng(0)
PICTURES, ROWS, STEPS = rng.normal(size=(53, 1, 8, 8)), rng.normal(size=(53, 12)), rng.normal(size=(53, 7, 4))
DIGITS, SYMBOLS = rng.normal(size=(53, 1, 28, 28)), rng.integers(0, 4, (53, 7))
LABELS, TARGETS = rng.integers(0, 3, 53), rng.normal(size=(53, 2))
OF_STEPS = np.where(rng.random((53, 7)) < 0.3, -100, rng.integers(0, 3, (53, 7)))
LENGTHS = rng.integers(1, 8, 53)
WEIGHTS = rng.random(53) * (rng.random(53) < 0.8)


def cnn() -> nn.Layer:
    conv, norm = nn.Conv2D(1, 4, 3, bias=False, rng=1, **DOUBLE), nn.BatchNorm2D(4, **DOUBLE)
    return nn.Sequential(conv, norm, nn.ReLU(), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(36, 3, rng=2, **DOUBLE))


def mlp() -> nn.Layer:
    return nn.MLP((12, 16, 3), rng=1, **DOUBLE)


def normed(p: float = 0.3) -> nn.Layer:
    last = nn.Dropout(p, rng=5), nn.Dense(9, 3, rng=2, **DOUBLE)
    return nn.Sequential(nn.Dense(12, 9, bias=False, rng=1, **DOUBLE), nn.BatchNorm1D(9, **DOUBLE), nn.Tanh(), *last)


def regression() -> nn.Layer:
    return nn.Sequential(nn.Dense(12, 2, rng=1, **DOUBLE))


def tagger(layer: Any = nn.GRU) -> nn.Layer:
    return nn.Sequential(
        layer(4, 6, return_sequences=True, rng=1, **DOUBLE), nn.Dropout(0.2, rng=3), nn.Dense(6, 3, rng=2, **DOUBLE)
    )


def lenet5() -> nn.Layer:
    return nn.LeNet5(rng=1, **DOUBLE)


def branched() -> nn.Layer:
    body = nn.Sequential(nn.Dense(12, 12, bias=False, rng=1, **DOUBLE), nn.BatchNorm1D(12, **DOUBLE), nn.GELU())
    nodes = {"a": nn.Residual(body), "b": (nn.LayerNorm(12, **DOUBLE), "x"), "both": (nn.Concat(), "a", "b")}
    return nn.Graph(nodes | {"y": nn.Dense(24, 3, rng=2, **DOUBLE)})


def deep() -> nn.Layer:
    return nn.RNNClassifier(4, 5, 3, cell=nn.LSTM, num_layers=2, bidirectional=True, rng=1, **DOUBLE)


def frozen() -> nn.Layer:
    model = normed()
    model.layers[0].trainable = model.layers[1].trainable = False
    return model


def half_frozen() -> nn.Layer:
    model = cnn()
    model.layers[0].trainable = False
    return model


NETWORKS: dict[str, tuple[Callable[[], nn.Layer], Any, Any]] = {
    "mlp": (mlp, ROWS, LABELS),
    "cnn": (cnn, PICTURES, LABELS),
    "normed": (normed, ROWS, LABELS),
    "regression": (regression, ROWS, TARGETS),
    "tagger": (tagger, STEPS, OF_STEPS),
    "frozen": (frozen, ROWS, LABELS),
    "half frozen": (half_frozen, PICTURES, LABELS),
    "lenet5": (lenet5, DIGITS, LABELS),
    "lstm": (lambda: tagger(nn.LSTM), STEPS, OF_STEPS),
    "rnn": (lambda: tagger(nn.RNN), STEPS, OF_STEPS),
    "characters": (lambda: nn.CharRNN("abcd", 6, 5, rng=1, **DOUBLE), SYMBOLS, SYMBOLS),
    "branched": (branched, ROWS, LABELS),
    "deep": (deep, STEPS, LABELS),
}
OPTIMIZERS: dict[str, Callable[[], nn.Optimizer]] = {
    "sgd": lambda: nn.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda: nn.Adam(nn.CosineDecay(0.01, steps=60)),
    "adamw": lambda: nn.AdamW(0.01, groups={"*.b": {"weight_decay": 0.0, "lr_factor": 0.5}}),
    "rmsprop": lambda: nn.RMSprop(0.01),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "fewer than ranks": {"batch_size": 3},
    "accumulate": {"accumulate": 3, "batch_size": 5},
    "clipping": {"max_norm": 0.1},
    "weights": {"sample_weight": WEIGHTS},
    "validation": {"validation_split": 0.3, "metrics": ["f1"]},
    "stopping": {"validation_split": 0.3, "callbacks": ()},
    "in order": {"shuffle": False, "drop_last": True},
    "classes": {"class_weight": "balanced"},
    "smoothing": {"loss": nn.SoftmaxCrossEntropy(0.1)},
}


def arguments(network: str, option: str, steps: int) -> dict[str, Any]:
    """Of fit, new for each call, for so many steps and the rest of an epoch."""
    _, x, y = NETWORKS[network]
    given = {"x": x, "y": y, "batch_size": 8, "rng": 4} | OPTIONS[option]
    samples = len(x) - round(given.get("validation_split", 0) * len(x))
    batches = (samples if given.get("drop_last") else samples + given["batch_size"] - 1) // given["batch_size"]
    given["epochs"] = -(-steps // -(-batches // given.get("accumulate", 1)))
    if "callbacks" in given:
        given["callbacks"] = [nn.EarlyStopping(patience=2)]
    return given


def state(model: nn.Layer, history: nn.History) -> list[np.ndarray]:
    """All that the two ways have to agree in."""
    rows = [[value for key, value in row.items() if key != "seconds"] for row in history]
    masks = [
        leaf._rng.bit_generator.state["state"]["state"] % 2**32 for _, leaf in model.leaves() if hasattr(leaf, "_rng")
    ]
    arrays = model.flat_params, *model.buffers.values()
    return [*map(nn.to_numpy, arrays), np.array(rows, float), np.array(masks, float)]


def difference(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """The largest, relative where the values are above 1; infinite where shapes differ."""
    if [array.shape for array in one] != [array.shape for array in other]:
        return np.inf
    return max(float((abs(a - b) / np.maximum(1, abs(a))).max(initial=0)) for a, b in zip(one, other, strict=True))


def trained(build: Any, optimizer: Any, options: Callable[[], dict[str, Any]], ranks: nn.Ranks | None = None) -> Any:
    """The state of a new network after training by new options."""
    model = build()
    return state(model, nn.fit(model, optimizer=optimizer(), ranks=ranks, verbose=False, **options()))


def by_rounding(build: Any, *given: Any) -> float:
    """How far training comes from itself if each of the first parameters is the next number above or below it."""

    def moved(draws: np.random.Generator) -> nn.Layer:
        model = build()
        first = nn.to_numpy(model.flat_params)
        model.flat_params[...] = nn.asarray(np.nextafter(first, draws.choice([-np.inf, np.inf], first.size)), "float64")
        return model

    usual = trained(build, *given)
    return max(difference(usual, trained(partial(moved, np.random.default_rng(i)), *given)) for i in range(3))


def compare(ranks: nn.Ranks, *given: Any) -> float:
    """The difference of the two ways."""
    return difference(trained(*given), trained(*given, ranks))


def sources(folder: Path) -> dict[str, tuple[Callable[[], nn.Layer], Callable[[], dict[str, Any]]]]:
    """Data of other kinds: a network for each, and the arguments of fit."""
    file = np.load(folder / "rows.npy", mmap_mode="r")
    usual: dict[str, Any] = {"epochs": 2, "batch_size": 8}
    ragged = [sequence[:n] for sequence, n in zip(STEPS, LENGTHS, strict=True)]
    last = nn.Sequential(nn.GRU(4, 6, rng=1, **DOUBLE), nn.Dense(6, 3, rng=2, **DOUBLE))
    return {
        "memory map": (mlp, lambda: usual | {"x": file, "y": LABELS}),
        "stream": (normed, lambda: usual | {"x": lambda: nn.batches(ROWS, LABELS, 7)}),
        "stream of sequences": (
            tagger,
            lambda: usual | {"x": [(STEPS[:9], OF_STEPS[:9]), (STEPS[9:11], OF_STEPS[9:11])]},
        ),
        "lengths": (tagger, lambda: usual | {"x": STEPS, "y": abs(OF_STEPS) % 3, "lengths": LENGTHS}),
        "ragged": (lambda: copy.deepcopy(last), lambda: usual | {"x": ragged, "y": LABELS, "sample_weight": WEIGHTS}),
        "generator": (normed, lambda: usual | {"x": ROWS, "y": LABELS, "rng": np.random.default_rng(8)}),
    }


def stopped(ranks: nn.Ranks) -> float:
    """A run that one process began and the ranks go on with, and the other way round, against one without a stop."""
    found, usual = [], {"x": ROWS, "y": LABELS, "batch_size": 8, "rng": 4, "verbose": False}
    for first, second in ((None, None), (None, ranks), (ranks, None)):
        model, optimizer = normed(), nn.Adam(0.01)
        history = nn.fit(model, optimizer=optimizer, epochs=2, ranks=first, **usual)
        nn.fit(model, optimizer=optimizer, epochs=4, history=history, ranks=second, **usual)
        found.append(state(model, history))
    return max(difference(found[0], other) for other in found[1:])


def estimated(ranks: nn.Ranks) -> float:
    """The estimator with early stopping by the score of held-out data; without a seed, all ranks take rank 0's."""
    from xpnn.interop.sklearn import NetworkClassifier  # here, since importing scikit-learn takes longer than the rest

    options: dict[str, Any] = {"early_stopping": True, "max_iter": 6, "n_iter_no_change": 2, "batch_size": 8}
    NetworkClassifier((9,), ranks=ranks, **options).fit(ROWS, LABELS)
    together = NetworkClassifier((9,), random_state=3, ranks=ranks, **options).fit(ROWS, LABELS)
    alone = NetworkClassifier((9,), random_state=3, **options).fit(ROWS, LABELS)
    return difference(state(alone.model_, alone.history_), state(together.model_, together.history_))


class ByShares(nn.BatchNorm1D):
    """Each rank's share of a batch has its own statistics; the running ones track their mean."""

    def __init__(self, ranks: int) -> None:
        super().__init__(9, **DOUBLE)
        self._ranks, self._seen = ranks, list[dict[str, Any]]()

    def _track(self, **share: Any) -> None:
        self._seen.append(share)
        if len(self._seen) == self._ranks:
            super()._track(**{key: sum(one[key] for one in self._seen) / self._ranks for key in share})
            self._seen.clear()


def apart(ranks: nn.Ranks) -> float:
    """Batch normalisation by the statistics of each share, against one process that accumulates the shares."""
    size = 4 * ranks.size
    x, y = ROWS[: 48 // size * size], LABELS[: 48 // size * size]
    models = [normed(0), normed(0)]
    models[1].layers[1] = ByShares(ranks.size)
    usual: dict[str, Any] = {"epochs": 5, "verbose": False}
    ranks.synchronized = False  # as mpi(synchronized=False)
    one = nn.fit(models[0], x, y, optimizer=nn.SGD(0.05), batch_size=size, shuffle=False, ranks=ranks, **usual)
    ranks.synchronized = True
    other = nn.fit(models[1], lambda: nn.batches(x, y, 4), optimizer=nn.SGD(0.05), accumulate=ranks.size, **usual)
    return difference(state(models[0], one), state(models[1], other))


def fits(network: str, option: str) -> bool:
    """Whether the option is for such targets: labels, or labels that all count."""
    y = NETWORKS[network][2]
    unfit = ("classes", "smoothing", "validation") if y.dtype.kind == "f" else ("classes",) if y.min() < 0 else ()
    return option not in unfit


def campaign(ranks: nn.Ranks, folder: Path, much: str) -> tuple[dict[str, float], dict[str, float]]:
    """The differences by what was compared; of those above the bound, what rounding alone does.

    What one process trains is divided among the ranks.
    """
    found, given = {"stopped": stopped(ranks)}, dict[str, Any]()
    if much != "few":
        found["statistics of shares"] = apart(ranks)
        given |= {kind: (build, OPTIMIZERS["adam"], options) for kind, (build, options) in sources(folder).items()}
    if much == "all":
        found["estimator"] = estimated(ranks)
    every = [(n, o, s) for n in NETWORKS for o in OPTIMIZERS for s in OPTIONS if fits(n, s)]
    some = [one for one in zip(NETWORKS, cycle(OPTIMIZERS), cycle(OPTIONS), strict=False) if fits(one[0], one[2])]
    for network, optimizer, option in {"all": every, "some": some, "few": some[1:3]}[much]:
        options = partial(arguments, network, option, 50 if much == "all" else 7)
        given[f"{network}, {optimizer}, {option}"] = NETWORKS[network][0], OPTIMIZERS[optimizer], options
    together = {name: trained(*one, ranks) for name, one in given.items()}
    for name, one in given.items() if much == "all" else list(given.items())[-1:]:
        if "plain" in name or much != "all":
            same = map(np.array_equal, together[name], trained(*one, ranks))
            found[f"{name}, twice the same bits"] = 0.0 if all(same) else np.inf
    own = {name: difference(trained(*given[name]), together[name]) for name in list(given)[ranks.rank :: ranks.size]}
    rounding = {name: by_rounding(*given[name]) for name, value in own.items() if value > BOUND}
    parts = ranks.gather((own, rounding))
    return found | merged(one for one, _ in parts), merged(one for _, one in parts)


def merged(parts: Iterable[dict[str, float]]) -> dict[str, float]:
    return {name: value for part in parts for name, value in part.items()}


def main() -> int:
    ranks, began = nn.mpi(timeout=60), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "rows.npy"), ROWS)
        found, rounding = campaign(ranks, Path(folder), *sys.argv[1:])
    worst = max(found, key=lambda name: found[name])
    wrong = [name for name, value in found.items() if not value <= max(BOUND, 10 * rounding.get(name, 0.0))]
    if ranks.rank == 0:
        took = f"{time.monotonic() - began:.0f} s"
        print(f"{ranks}: {len(found)} comparisons, the largest difference {found[worst]:.1e} ({worst}), {took}")
        print(*(f"by rounding {value:.1e}: {name} {found[name]:.1e}" for name, value in rounding.items()), sep="\n")
        print(*(f"too large: {name} {found[name]:.1e}" for name in wrong), sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
