"""The libraries on a GPU, from equal weights on equal data; built on the CPU benchmark's contenders.

A step does not wait for the device, ``finish`` does. Each contender's process imports its own library alone.
"""

import importlib
import importlib.util
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from nets import Batches, Net, Task, Weights

LIBRARIES = {"xpnn": "cupy", "xpnn eager": "cupy", "torch": "torch", "torch graph": "torch", "jax": "jax"}
"""The contenders, and the library that each needs."""


def variables(contender: str, tf32: bool) -> dict[str, str]:
    """The environment of a contender's process: one precision for all, and memory taken as it is needed."""
    return {
        "NN_BACKEND": "cupy" if contender.startswith("xpnn") else "numpy",
        "CUPY_TF32": str(int(tf32)),
        "JAX_DEFAULT_MATMUL_PRECISION": "tensorfloat32" if tf32 else "highest",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "8"),
    }


def installed() -> list[str]:
    """The contenders whose library Python finds."""
    return [name for name, library in LIBRARIES.items() if importlib.util.find_spec(library)]


def build(contender: str, net: Net, task: Task, weights: Weights, batches: Batches) -> Any:
    """The contender's run, with ``start``, ``step``, ``loss``, ``finish``, ``epoch``.

    Raises:
        RuntimeError: the library has no device.
    """
    module = importlib.import_module(f"gpu_{contender.split()[0]}")
    return module.build(contender, net, task, weights, batches)


def epoch_batches(samples: int, batch: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The samples of full batches in random order: all contenders have fixed shapes."""
    order = rng.permutation(samples)
    return (order[start : start + batch] for start in range(0, samples - batch + 1, batch))
