"""What odd inputs give: xpnn beside PyTorch, scikit-learn or NumPy (``pip install "xpnn[peers]"``).

    python benchmarks/odd_inputs.py          # prints docs/odd-inputs.md
    python benchmarks/odd_inputs.py --write  # writes it

A line of the cases is an odd input, what the other library is asked, and what xpnn is asked. tests/benchmarks holds the
page's last column to what xpnn does.
"""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import xpnn as nn

PAGE = Path(__file__).parents[1] / "docs" / "odd-inputs.md"
CASES = Path(__file__).with_name("odd_inputs.txt")
WIDTH = 130  # characters of a result that are shown


def data(*shape: int) -> np.ndarray:
    return np.linspace(-1, 1, int(np.prod(shape)), dtype="f").reshape(shape)


def with_one(value: float, dtype: str = "f") -> np.ndarray:
    """Samples of which one element is odd."""
    x = data(12, 3).astype(dtype)
    x[4, 1] = value
    return x


def read_only(x: np.ndarray) -> np.ndarray:
    x.flags.writeable = False
    return x


def fit(x: Any, y: Any, **options: Any) -> str:
    """Whether a network trains."""
    model = options.pop("model", None) or nn.MLP((3, 4, 2), rng=0)
    history = nn.fit(model, x, y, **{"epochs": 1, "verbose": False} | options)
    return "trains" if history else "makes no step"


def updated(optimizer: nn.Optimizer) -> np.ndarray:
    """A parameter of 1, whose gradient is 1, after a step."""
    model = nn.Sequential(nn.Dense(1, 1, bias=False))
    model.flat_params[...] = model.flat_grads[...] = 1
    optimizer.step(model)
    return model.flat_params


def own_names() -> dict[str, Any]:
    """What the right column is written in."""
    from xpnn.interop.sklearn import NetworkClassifier, NetworkRegressor

    nan, inf = float("nan"), float("inf")
    x, y, z = data(12, 3), np.arange(12) % 2, data(2, 3)

    def classify(x: Any = x, y: Any = y, **options: Any) -> str:
        NetworkClassifier((4,), max_iter=1, random_state=0).set_params(**options).fit(x, y)
        return "trains"

    def regress(y: Any) -> str:
        NetworkRegressor((4,), max_iter=1, random_state=0).fit(x, y)
        return "trains"

    model, ce, dense = nn.MLP((3, 4, 2), rng=0), nn.SoftmaxCrossEntropy(), nn.Dense(3, 2, rng=0)
    return locals() | globals()


def others_names() -> dict[str, Any]:
    """What the middle column is written in."""
    import torch
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    nan, inf, T, F = float("nan"), float("inf"), torch.from_numpy, torch.nn.functional
    x, y, z = data(12, 3), np.arange(12) % 2, data(2, 3)

    def classify(x: Any = x, y: Any = y, **options: Any) -> str:
        MLPClassifier((4,), max_iter=1, random_state=0).set_params(**options).fit(x, y)
        return "trains"

    def regress(y: Any) -> str:
        MLPRegressor(hidden_layer_sizes=(4,), max_iter=1, random_state=0).fit(x, y)
        return "trains"

    def updated(optimizer: Any, **options: Any) -> Any:
        parameter = torch.nn.Parameter(torch.ones(1))
        parameter.grad = torch.ones(1)
        optimizer([parameter], **options).step()
        return parameter

    linear = torch.nn.Linear(3, 2)
    return locals() | globals() | {"updated": updated}


def result(expression: str, names: dict[str, Any]) -> str:
    """The value of an expression, or its error, as a cell of the table."""
    if expression == "-":
        return ""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.filterwarnings("ignore", ".*Maximum iterations")  # of one epoch
            value = eval(expression, names)
    except Exception as error:
        return f"*{type(error).__name__}*: {_cell(str(error))}"
    said = f" (warns: {_cell(str(caught[0].message))})" if caught else ""
    return _shown(value) + said


def _shown(value: Any) -> str:
    value = value.detach().numpy() if hasattr(value, "detach") else value
    if isinstance(value, np.ndarray | np.generic):
        few = np.array2string(np.asarray(value).ravel(), precision=3, suppress_small=True, separator=", ")
        return few if value.ndim < 2 and value.size < 4 else f"an array of shape {value.shape}"
    return value if isinstance(value, str) else "accepted"


def _cell(text: str) -> str:
    line = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."


def cases() -> Iterator[tuple[str, list[str]]]:
    """Each case with the heading that it stands under."""
    heading = ""
    for line in CASES.read_text("utf-8").splitlines():
        if line.startswith("#"):
            heading = line
        elif line:
            yield heading, [part.strip() for part in line.split(" | ")]


def page() -> str:
    """The document."""
    text, last = [PAGE.read_text("utf-8").partition("\n## ")[0].rstrip()], ""
    own, others = own_names(), others_names()
    for heading, (what, theirs, ours) in cases():
        if heading != last:
            last = heading
            text += [
                f"\n#{heading}\n",
                f"| odd input | {heading.rpartition('(')[2].rstrip(')')} | xpnn |",
                "|---|---|---|",
            ]
        text.append(f"| {what} | {result(theirs, others)} | {result(ours, own)} |")
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page(), "utf-8")
    else:
        print(page(), end="")
