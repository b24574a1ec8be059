"""The libraries that are compared, one module each, all with the same face.

    variants(net, task) -> names of the ways to do it that a well-informed user would try; the quickest is kept
    build(net, task, weights, batches, variant) -> Run; NotImplementedError says what the library cannot do
    first_operation()   -> makes the library load what it loads at first use

A module imports its own library only, so that a worker's memory is that library's.
"""

import importlib
import importlib.util
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol


class Run(Protocol):
    """One contender's loop over the batches."""

    def start(self) -> None:
        """Put the initial weights and an empty optimiser state; the next step takes the first batch."""

    def step(self) -> None:
        """One training step or inference on the next batch, finished when it returns."""

    def loss(self) -> float:
        """The last step's loss, before its update."""


@dataclass(frozen=True)
class Contender:
    """Where a library is found, and how to get it."""

    module: str
    library: str
    install: str
    same_start: bool = True  # its interface takes initial weights

    @property
    def installed(self) -> bool:
        """Whether Python finds the library."""
        return importlib.util.find_spec(self.library) is not None

    def load(self) -> ModuleType:
        """The contender's module, and with it the library."""
        return importlib.import_module(f"contenders.{self.module}")


CONTENDERS: dict[str, Contender] = {
    "xpnn": Contender("xpnn_", "xpnn", "pip install -e ."),
    "torch": Contender("torch_", "torch", "pip install torch --index-url https://download.pytorch.org/whl/cpu"),
    "torch.compile": Contender("torch_compiled", "torch", "pip install torch, and a C++ compiler"),
    "jax": Contender("jax_", "jax", "pip install jax"),
    "thinc": Contender("thinc_", "thinc", "pip install thinc"),
    "dezero": Contender("dezero_", "dezero", "pip install dezero"),
    "sklearn": Contender("sklearn_", "sklearn", "pip install scikit-learn", same_start=False),
}
RIVALS = ("torch", "torch.compile", "jax")
"""Those of which the quickest is the measure."""
