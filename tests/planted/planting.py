"""How an error is planted: a wrong snippet in a class's or function's source, put in the original's place.

The source is taken, an exact snippet in it replaced by a wrong one, and what that defines takes the original's place
throughout the package. An equation runs while an error is planted in it, also where the suite runs by forms.
"""

import inspect
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from border import randomise

import xpnn as nn
from xpnn.backend import accelerate
from xpnn.backend.accelerate import EQUATIONS
from xpnn.checks import cases
from xpnn.layers.dense import ActivatedDense

TESTS = Path(__file__).parent.parent


class Mutation(NamedTuple):
    """An error to plant.

    Attributes:
        place: the class or function whose source is changed: module and name, within the package.
        right: a snippet of it, which occurs there once.
        wrong: what it becomes.
        plants: the error in words.
        fails: what becomes wrong: parameters, for their gradients, and "input"; over all cases together.
        cases: the layer or loss whose cases are run; by default of the place's own name.
    """

    place: str
    right: str
    wrong: str
    plants: str
    fails: str
    cases: str = ""

    @property
    def name(self) -> str:
        """Of the class or function."""
        return self.place.rpartition(".")[2]

    @property
    def run_on(self) -> str:
        """What :func:`cases_of` takes."""
        return self.cases or self.name

    def __str__(self) -> str:
        return f"{self.name}: {self.plants}"


def found(place: str) -> Any:
    """The class or function of a place; an equation itself, not the form that may be bound there."""
    path, _, name = place.rpartition(".")
    module = import_module(f"xpnn.{path}")
    equation = EQUATIONS.get(name)
    return equation if equation and equation.__module__ == module.__name__ else getattr(module, name)


def plant(monkeypatch: pytest.MonkeyPatch, target: Any, right: str, wrong: str) -> None:
    """Put the target with the error, and its subclasses made anew, in the originals' place."""
    source = textwrap.dedent(inspect.getsource(target))
    assert source.count(right) == 1, f"{right!r} occurs {source.count(right)} times in {target.__name__}"
    replaced = {target: _executed(target, source.replace(right, wrong), {})}
    for subclass in _subclasses(target):
        replaced[subclass] = _executed(subclass, textwrap.dedent(inspect.getsource(subclass)), replaced)
    substitute(monkeypatch, replaced)


class _Brief:
    """A plugin: nobody reads the tracebacks, which cost as much as a test."""

    @staticmethod
    def pytest_configure(config: pytest.Config) -> None:
        config.option.tbstyle = "native"


def outcome(test: str, folder: Path) -> pytest.ExitCode:
    """Of a test, of those that a part of their names selects, or of a file; its path is below ``tests``."""
    without = "terminal", "cacheprovider", "faulthandler", "unraisableexception", "xdist"
    quick = ["-x", *(f"-p no:{plugin}" for plugin in without)]
    file, _, name = test.partition("::")
    one = [] if test.endswith(("]", ".py")) else ["-k", name.rpartition("::")[2]]
    path = str(TESTS / (file if one else test))
    # imported anew, since they may hold functions as they were
    held = {key: sys.modules.pop(key) for key, module in [*sys.modules.items()] if _file(module) == str(TESTS / file)}
    try:
        return pytest.main(
            [path, *one, *quick, "-c", str(TESTS / "pytest.ini"), f"--basetemp={folder}"], plugins=[_Brief]
        )
    finally:
        sys.modules.update(held)


def _file(module: object) -> str | None:
    return getattr(module, "__file__", None)


@cache
def passes(test: str, folder: Path) -> bool:
    return outcome(test, folder) == pytest.ExitCode.OK


def run_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put every equation in the place of its form, as ``NN_PLAIN=1`` does at import."""
    monkeypatch.setattr(accelerate, "forms", dict)  # so that no layers are swapped or joined for the sake of a form
    substitute(monkeypatch, {getattr(sys.modules[f.__module__], name): f for name, f in EQUATIONS.items()})


def substitute(monkeypatch: pytest.MonkeyPatch, replaced: dict[Any, Any]) -> None:
    """Replace functions and classes under every name that they have in a module, and as static methods."""
    for module in package():
        for name, value in list(vars(module).items()):
            if not isinstance(value, FunctionType | type):
                continue
            if value in replaced:
                monkeypatch.setattr(module, name, replaced[value])
            for key, method in list(vars(value).items()) if value.__module__ == module.__name__ else ():
                if isinstance(method, staticmethod) and method.__func__ in replaced:
                    monkeypatch.setattr(value, key, staticmethod(replaced[method.__func__]))


def package() -> list[ModuleType]:
    """The modules that have been imported."""
    return [module for name, module in sys.modules.items() if name.partition(".")[0] == "xpnn"]


def _executed(original: Any, source: str, replaced: dict[Any, Any]) -> Any:
    """What the source defines under the original's name, in the original's module."""
    module = sys.modules[original.__module__]
    names = {old.__name__: new for old, new in replaced.items() if getattr(module, old.__name__, None) is old}
    names["accelerated"] = lambda equation: equation
    exec(compile(source, f"<planted in {original.__name__}>", "exec"), vars(module), names)
    return names[original.__name__]


def _subclasses(target: Any) -> list[type]:
    """All in the package, each after its bases."""
    result = []
    for subclass in target.__subclasses__() if isinstance(target, type) else ():
        if subclass.__module__.startswith("xpnn."):
            result += [subclass, *_subclasses(subclass)]
    return result


def wrong_rows(name: str) -> tuple[set[str], set[str]]:
    """The rows of gradcheck that fail in any of the cases, and their verdicts."""
    failing, verdicts = set(), set()
    for case in cases_of(name):
        try:
            rows = nn.gradcheck(case.layer, case.x, **case.options).rows
        except (ValueError, TypeError, IndexError, AttributeError):
            continue  # shapes no longer fit, or a gradient is missing; another case must show wrong values
        wrong = [row for row in rows if not row.ok]
        failing |= {f"{row.path}.{row.parameter}".lstrip(".") for row in wrong}
        verdicts |= {row.verdict for row in wrong}
    return failing, verdicts


def cases_of(name: str) -> list[cases.Case]:
    """Those of the command line for a layer or loss, and those that only an error in few places needs."""
    kind, _, circumstances = name.partition(" ")
    rng = np.random.default_rng(0)
    if circumstances == "from a state":
        recurrent = getattr(nn, kind)
        x = rng.standard_normal((3, 4 * 3 + 3 * len(recurrent.state_names)))
        return [
            cases.Case(FromState(recurrent(3, 3, return_sequences, rng=1), steps=4, lengths=lengths), x, {})
            for return_sequences in (False, True)
            for lengths in (None, [1, 4, 2])
        ]
    if circumstances == "in three steps":  # enough for what is done in each step, and soon checked
        layer = getattr(nn, kind)(2, 2, return_sequences=True)
        randomise(layer, rng)
        return [cases.Case(layer, rng.standard_normal((2, 3, 2)), {})]
    if circumstances == "in inference":
        layer = getattr(nn, kind)(3)
        for group in layer.params, layer.buffers:
            for key, value in group.items():
                group[key] = rng.uniform(0.5, 1.5, value.shape)
        return [cases.Case(InInference(layer), rng.standard_normal(shape), {}) for shape in ((5, 3), (3, 3, 4))]
    if kind == "ActivatedDense":
        return [cases.Case(Joined(nn.Dense(4, 4, rng=0), f), rng.standard_normal((3, 4)), {}) for f in ACTIVATIONS]
    return [case for case in cases.layer_cases(seed=0) if type(case.layer).__name__ == kind]


ACTIVATIONS = nn.Tanh(), nn.LeakyReLU(0.1)


class Wrapped(nn.Layer):
    """A layer as it runs in other circumstances than a network's training; its parameters have their own names."""

    def __init__(self, layer: nn.Layer) -> None:
        super().__init__()
        self.layer = layer

    def leaves(self) -> Iterator[tuple[str, nn.Layer]]:
        yield "", self.layer


class InInference(Wrapped):
    """The layer in inference."""

    def forward(self, x, needs_dx=True):
        with nn.inference():
            return self.layer.forward(x, needs_dx)


class Joined(Wrapped):
    """A Dense and the activation behind it as one, which a network runs where there is a form of that."""

    def __init__(self, dense: nn.Dense, activation: nn.Layer) -> None:
        super().__init__(dense)
        self.activation = activation

    def forward(self, x, needs_dx=True):
        return ActivatedDense(self.layer, self.activation).forward(x, needs_dx)


class FromState(Wrapped):
    """A recurrent layer as a function of x and its first state, giving y and its last state, each side in one array."""

    def __init__(self, recurrent: nn.Layer, steps: int, lengths: list[int] | None = None) -> None:
        super().__init__(recurrent)
        self.steps, self.lengths = steps, lengths

    def forward(self, inputs, needs_dx=True):
        x, *state = self.components(inputs, self.steps * self.layer.input_size)
        x = x.reshape(len(x), self.steps, -1)
        y, last, layer_backward = self.layer.forward_from(x, self.joined(state), needs_dx, self.lengths)
        flat = y.reshape(len(y), -1)

        def backward(dy):
            first, *dlast = self.components(dy, flat.shape[1])
            dx, dstate = layer_backward(first.reshape(y.shape), self.joined(dlast))
            return None if dx is None else self.side_by_side(dx.reshape(len(x), -1), dstate)

        return self.side_by_side(flat, last), backward

    def components(self, array, width):
        H = self.layer.hidden_size
        return [array[:, :width], *(array[:, start : start + H] for start in range(width, array.shape[1], H))]

    def joined(self, state):
        return tuple(state) if len(state) > 1 else state[0]

    def side_by_side(self, first, state):
        return nn.xp.concatenate([first, *(state if isinstance(state, tuple) else (state,))], axis=1)
