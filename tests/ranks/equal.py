"""Training on several ranks against training by one process, run by `mpiexec -n 3 python tests/ranks/equal.py all`.

Every rank trains each network twice in float64, alone and with the others; parameters, buffers, generators and rows
must agree. `all` takes every network with every optimiser and option for 50 steps, `some` each once, `few` fewer.
"""

import copy
import sys
import tempfile
from collections.abc import Callable
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
    "lenet5": (lenet5, rng.normal(size=(13, 1, 28, 28)), LABELS[:13]),
    "lstm": (lambda: tagger(nn.LSTM), STEPS, OF_STEPS),
    "rnn": (lambda: tagger(nn.RNN), STEPS, OF_STEPS),
}
OPTIMIZERS: dict[str, Callable[[], nn.Optimizer]] = {
    "sgd": lambda: nn.SGD(0.05, momentum=0.9, weight_decay=0.01),
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


def arguments(network: str, option: str, epochs: int) -> dict[str, Any]:
    """Of fit, new for each call."""
    _, x, y = NETWORKS[network]
    given = {"x": x, "y": y, "batch_size": 8, "epochs": epochs, "rng": 4} | OPTIONS[option]
    if "callbacks" in given:
        given["callbacks"] = [nn.EarlyStopping(patience=2)]
    if "sample_weight" in given:
        given["sample_weight"] = WEIGHTS[: len(x)]
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


def compare(ranks: nn.Ranks, build: Any, optimizer: Any, options: Callable[[], dict[str, Any]]) -> float:
    """The difference of the two ways of training a new network by new options."""
    found = []
    for together in (None, ranks):
        model = build()
        found.append(state(model, nn.fit(model, optimizer=optimizer(), ranks=together, verbose=False, **options())))
    return difference(*found)


def sources(folder: Path) -> dict[str, tuple[Callable[[], nn.Layer], Callable[[], dict[str, Any]]]]:
    """Data of other kinds: a network for each, and the arguments of fit."""
    file = np.load(folder / "rows.npy", mmap_mode="r")
    usual: dict[str, Any] = {"epochs": 3, "batch_size": 8}
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


def campaign(ranks: nn.Ranks, folder: Path, much: str) -> dict[str, float]:
    """The differences by what was compared."""
    found = {"stopped": stopped(ranks)}
    for kind, (build, options) in sources(folder).items():
        found[kind] = compare(ranks, build, OPTIMIZERS["adam"], options)
    every = [(n, o, s) for n in NETWORKS for o in OPTIMIZERS for s in OPTIONS]
    some = list(zip(NETWORKS, cycle(OPTIMIZERS), OPTIONS, strict=False))  # each at least once
    for network, optimizer, option in {"all": every, "some": some, "few": some[1:3]}[much]:
        build, _, y = NETWORKS[network]
        unfit = ("classes", "smoothing", "validation") if y.dtype.kind == "f" else ("classes",) if y.min() < 0 else ()
        if option in unfit:  # it is for labels, or for labels that all count
            continue
        given = partial(arguments, network, option, 8 if much == "all" else 2)
        found[f"{network}, {optimizer}, {option}"] = compare(ranks, build, OPTIMIZERS[optimizer], given)
    return found


def main() -> int:
    ranks = nn.mpi(timeout=20)
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "rows.npy"), ROWS)
        found = campaign(ranks, Path(folder), *sys.argv[1:])
    worst = max(found, key=lambda name: found[name])
    if ranks.rank == 0:
        print(f"{ranks}: {len(found)} comparisons, the largest difference {found[worst]:.1e} ({worst})")
        print(*(f"too large: {name} {value}" for name, value in found.items() if not value <= BOUND), sep="\n")
    return 0 if found[worst] <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
