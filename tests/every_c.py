"""Every layer and every network as C, each in a file of its own: python tests/every_c.py [LAYER ...]

Prints docs/c.md's table: for each layer and network the number of files, and the largest difference from xpnn's
outputs, in units of max(1, |output|), of float32 weights and of int8 weights. Each file is compiled by gcc (-O3) and
clang (-O2) with every warning as an error, and runs under valgrind and under sanitizers.
"""

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from chip import SANITIZED, difference, every_layer, networks

import xpnn as nn
from xpnn.checks.cases import model_cases
from xpnn.cli.recipe import MODELS
from xpnn.interop import c


def of_both(path: Path) -> float:
    """The larger difference of both compilers."""
    by_clang = difference(path, "-O2", *SANITIZED[1:], compiler="clang")
    checked = "valgrind", "-q", "--error-exitcode=9", "--leak-check=full"
    return max(by_clang, difference(path, "-O3", compiler="gcc", under=checked))


def every() -> list[tuple[nn.Layer, tuple[np.ndarray, ...]]]:
    """Each with a sample."""
    models = [(case.layer, (case.x[:1],)) for model in MODELS for case in model_cases(model, 0)]
    return [*every_layer(), *networks(), *models]


def main(wanted: list[str]) -> None:
    """Run all, or those of these classes, and print the table."""
    worst: dict[str, list[list[float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.c"
        for layer, xs in every():
            if wanted and type(layer).__name__ not in wanted:
                continue
            sample = tuple(np.asarray(x, "float32" if x.dtype.kind == "f" else None) for x in xs)
            found = []
            for int8 in (False, True):
                c.export(layer, path, sample=sample if layer.joins else sample[0], int8=int8)
                found.append(of_both(path))
            worst[type(layer).__name__].append(found)
    print("| layer or network | files | float32 | int8 |\n|---|---|---|---|")
    for name, found in sorted(worst.items()):
        of_float, of_int8 = (max(column) for column in zip(*found, strict=True))
        print(f"| {name} | {len(found)} | {of_float:.0e} | {of_int8:.0e} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
