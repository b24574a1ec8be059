"""An estimator's settings: MLPClassifier's names for them, and those within an optimiser or a loss."""

import inspect
import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator

from ...backend import Ranks
from ...layers import Layer, LeakyReLU, Loss, ReLU, Sigmoid, Tanh
from ...layers.settings import is_whole, real
from ...training import Callback, Optimizer

Network: TypeAlias = int | tuple[int, ...] | list[int] | Callable[..., Layer]

MLP_NAMES = {"network": "hidden_layer_sizes", "optimizer": "solver", "epochs": "max_iter"}
"""MLPClassifier's names of three settings."""

OF_SOLVERS = (
    "learning_rate", "learning_rate_init", "power_t", "momentum", "nesterovs_momentum", "beta_1", "beta_2",
    "epsilon", "max_fun",
)  # fmt: skip
"""The settings of an optimiser given by name; an optimiser object has its own settings."""

ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    "relu": ReLU,
    "tanh": Tanh,
    "logistic": Sigmoid,
    "identity": lambda: LeakyReLU(1.0),
}


def _whole(value: Any) -> bool:
    return is_whole(value) and bool(value >= 1)


_TRUTH: tuple[str, Callable[[Any], bool]] = "True or False", lambda value: isinstance(value, bool | np.bool)

RANGES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "activation": ("a name or a layer", lambda value: isinstance(value, str | Layer)),
    "batch_size": ("'auto' or a whole number of at least 1", lambda value: value == "auto" or _whole(value)),
    "shuffle": _TRUTH,
    "early_stopping": _TRUTH,
    "warm_start": _TRUTH,
    "learning_rate": (
        "'constant', 'invscaling' or 'adaptive'",
        lambda value: value in ("constant", "invscaling", "adaptive"),
    ),
    "tol": ("a number of at least 0", lambda value: real(value) >= 0),
    "n_iter_no_change": ("a whole number of at least 1", lambda value: value == math.inf or _whole(value)),
    "validation_fraction": ("a share from 0 to below 1", lambda value: 0 <= real(value) < 1),
    "verbose": ("True, False or a whole number", lambda value: isinstance(value, int | np.bool)),
    "alpha": ("a number of at least 0", lambda value: value is None or 0 <= real(value) < math.inf),
    "power_t": ("a number of at least 0", lambda value: 0 <= real(value) < math.inf),
    "max_fun": ("a whole number of at least 1", _whole),
}
"""The values that ``fit`` accepts for settings that nothing else checks."""


@dataclass(eq=False, repr=False)
class Settings(BaseEstimator):
    """The settings as scikit-learn requires them: stored unchanged, and checked only by ``fit``."""

    _losses: ClassVar[dict[str, Callable[[], Loss | None]]]  # by scikit-learn's names

    network: Network = (100,)
    activation: str | Layer = "relu"
    _: KW_ONLY
    optimizer: str | Optimizer | None = None
    loss: str | Loss | None = None
    epochs: int = 200
    batch_size: int | str = "auto"
    shuffle: bool = True
    tol: float = 1e-4
    n_iter_no_change: float = 10
    early_stopping: bool = False
    validation_fraction: float = 0.1
    warm_start: bool = False
    callbacks: tuple[Callback, ...] | list[Callback] = ()
    random_state: Any = None
    verbose: bool | int = False
    alpha: float | None = None
    learning_rate: str = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    max_fun: int = 15_000
    hidden_layer_sizes: Network | None = None
    solver: str | Optimizer | None = None
    max_iter: int | None = None
    ranks: Ranks | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings by name; with ``deep`` also those of an optimiser or loss, such as ``optimizer__lr``."""
        params = super().get_params(deep)
        if deep:
            for name in ("optimizer", "loss"):
                params |= {f"{name}__{key}": value for key, value in _within(getattr(self, name)).items()}
        return params

    def set_params(self, **params: Any) -> "Settings":
        """Change settings; to change one of an optimiser or loss, the object is replaced by a new one."""
        nested = {key: params.pop(key) for key in [*params] if key.startswith(("optimizer__", "loss__"))}
        replaced = {mlp: None for own, mlp in MLP_NAMES.items() if own in params}
        super().set_params(**{**replaced, **params})
        for key, value in nested.items():
            name, _, setting = key.partition("__")
            held = getattr(self, name)
            if setting not in (within := _within(held)):
                raise ValueError(
                    f"{type(self).__name__}: {key} is not a setting of {name}={held!r}"
                    + (f", which has {', '.join(within)}" if within else ": give an object, such as optimizer=Adam()")
                )
            setattr(self, name, type(held)(**{**within, setting: value}))
        return self

    def _check_ranges(self) -> None:
        for name, (expected, holds) in RANGES.items():
            if not holds(value := getattr(self, name)):
                raise ValueError(f"{type(self).__name__}: expected {name} to be {expected}, got {value!r}")

    def _setting(self, own: str) -> Any:
        """The value of a setting; if MLPClassifier has another name for it and that is given, this one counts."""
        mlp = getattr(self, MLP_NAMES[own])
        return getattr(self, own) if mlp is None else mlp

    def _changed(self) -> list[str]:
        """The names of settings for optimisers given by name that differ from their defaults."""
        first = {field.name: field.default for field in fields(self)}
        return [name for name in OF_SOLVERS if getattr(self, name) != first[name]]

    def _size_of_batch(self, samples: int) -> int:
        return min(200, samples) if self.batch_size == "auto" else int(self.batch_size)

    def _loss_given(self) -> Loss | None:
        """The loss, given as an object or by name; None for the default one."""
        if not isinstance(self.loss, str):
            return self.loss
        return one_of(self._losses, "loss", self.loss)()

    def _activation(self) -> Layer:
        given = self.activation
        return one_of(ACTIVATIONS, "activation", given)() if isinstance(given, str) else given


def one_of(choices: dict[str, Any], what: str, name: str) -> Any:
    """The entry with this name; ValueError if there is none."""
    if name not in choices:
        raise ValueError(f"expected {what} to be {', '.join(map(repr, choices))} or an object of xpnn, got {name!r}")
    return choices[name]


def _within(held: Any) -> dict[str, Any]:
    """The arguments with which an optimiser or loss was made, by name."""
    if not isinstance(held, Optimizer | Loss):
        return {}
    return {name: getattr(held, name) for name in inspect.signature(type(held)).parameters if hasattr(held, name)}
