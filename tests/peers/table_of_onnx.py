"""Tables of the documents on ONNX: ``python tests/peers/table_of_onnx.py out | operators | sklearn``.

``out`` and ``operators`` are those of docs/onnx.md, ``sklearn`` is that of docs/sklearn.md.
"""

import sys
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from peers import test_onnx_backend as own_tests
from peers import test_onnx_roundtrip as roundtrip
from peers import test_onnx_sklearn as of_sklearn

from xpnn.interop.onnx import UnsupportedNodeError, export, load


def out() -> Iterator[str]:
    """For each layer and network: files, the largest difference from onnxruntime, and what ``load`` gives back."""
    yield "| layer or network | files | largest difference | the same there and back |\n|---|---|---|---|"
    found: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        for case in roundtrip.CASES:
            model, shape, inputs = roundtrip.make(case)
            export(model, path, input_shape=shape)
            roundtrip.assert_equal(load(path), model)
            x = inputs(5)
            y = roundtrip.run(model, x)
            error = np.abs(y - roundtrip.reference(path, x, "float32")).max() / max(1, np.abs(y).max())
            found[kind(case)].append(float(error))
    for name, errors in sorted(found.items()):
        yield f"| {name} | {len(errors)} | {max(errors):.0e} | yes |"


def kind(case: str) -> str:
    """The layer or network that a case is of."""
    return case.partition("-")[0]


def operators() -> Iterator[str]:
    """For each operator of ``Backend``: of the onnx package's own tests with it, those that pass, and the refusals."""
    yield "| operator | onnx's own tests that pass | that are refused |\n|---|---|---|"
    found: dict[str, list[int]] = {op: [0, 0] for op in sorted(own_tests.CLAIMED)}
    for name, ops in own_tests.SELECTED.items():
        try:
            with np.errstate(all="ignore"):
                own_tests.FUNCTIONS[f"{name}_{own_tests.DEVICE}"](None)
            refused = 0
        except UnsupportedNodeError:
            refused = 1
        for op in ops:
            found[op][refused] += 1
    for op, counts in found.items():
        yield f"| {op} | {counts[0]} | {counts[1]} |"


def sklearn() -> Iterator[str]:
    """Models of scikit-learn through skl2onnx and ``Backend``, each compared with onnxruntime."""
    yield "| model of scikit-learn | runs through `Backend` as in onnxruntime |\n|---|---|"
    for case in of_sklearn.MODELS:
        of_sklearn.test_as_onnxruntime(case)
        yield f"| {case} | yes |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for line in {"out": out, "operators": operators, "sklearn": sklearn}[sys.argv[1]]():
        print(line, flush=True)
