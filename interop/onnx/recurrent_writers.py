"""Write recurrent layers as ONNX nodes.

ONNX's RNN, LSTM and GRU read (T, N, I) and give (T, D, N, H), and (D, N, H) for each component of the last state, for D
directions; their initial states are (D, N, H), too.
"""

from typing import Any

import numpy as np
import onnx

from ...backend import to_numpy
from ...layers import Bidirectional
from ...layers.base import of_several, several
from ...layers.recurrent import Recurrent
from .layers import CELLS
from .writer import Writer


def recurrent(w: Writer, layer: Recurrent, x: Any) -> Any:
    """One direction, D = 1."""
    y, *last = _cell(w, [layer], *several(x))
    y = w.node("Squeeze", y, w.axis(1 if layer.return_sequences else 0))
    y = w.node("Transpose", y, perm=[1, 0, 2]) if layer.return_sequences else y
    return of_several([y, *(w.vector(w.node("Squeeze", one, w.axis(0))) for one in last)])


def bidirectional(w: Writer, layer: Bidirectional, x: Any) -> Any:
    """Both directions, D = 2: their features are joined or added."""
    (y, *last), sequences = _cell(w, [layer.layer, layer.reverse], *several(x)), layer.layer.return_sequences
    if layer.merge == "sum":
        y = w.node("ReduceSum", y, w.axis(1 if sequences else 0), keepdims=0)
    elif sequences:
        y = w.node("Transpose", y, perm=[0, 2, 1, 3])
        y = w.node("Reshape", y, w.constant("/joined_sequences", [0, 0, -1], "int64"))
    else:
        y = _joined(w, y)
    y = w.node("Transpose", y, perm=[1, 0, 2]) if sequences else y
    return of_several([y, *(w.vector(_joined(w, one)) for one in last)])


def _joined(w: Writer, last: str) -> str:
    """(N, 2H) from (2, N, H)."""
    y = w.node("Transpose", last, perm=[1, 0, 2])
    return w.node("Reshape", y, w.constant("/joined", [0, -1], "int64"))


def _cell(w: Writer, directions: list[Recurrent], x: str, *given: str) -> list[str]:
    """The node for one layer, or two in both directions; returns all states or the last one, and further outputs."""
    first, span = directions[0], w.span
    op, H = type(first).__name__, first.hidden_size
    if any(type(layer) is not CELLS.get(op, (None,))[0] for layer in directions):
        raise TypeError(f"export: ONNX has RNN, LSTM or GRU, in both directions the same one, got {directions}")
    options: dict[str, Any] = {"hidden_size": H, **({"linear_before_reset": 1} if op == "GRU" else {})}
    options |= {"direction": "bidirectional"} if len(directions) == 2 else {}
    names = list(zip(*(_gates(layer).items() for layer in directions), strict=True))
    others = "".join(f"+{w.owner(layer)}" for layer in directions[1:])
    inputs = [w.weight(first, both[0][0] + others, np.stack([value for _, value in both])) for both in names]
    inputs += [""] * (3 - len(inputs)) + [w.node("Cast", span, to=onnx.TensorProto.INT32) if span else ""]
    inputs += _starts(w, directions, x, [*given], others)
    while not inputs[-1]:
        inputs.pop()
    w.rank = 3 if first.return_sequences else 2
    outputs = 0 if first.return_sequences else 1, *range(1, 1 + len(first.gives))
    return w.several(op, [w.node("Transpose", x, perm=[1, 0, 2]), *inputs], outputs, **options)


def _starts(w: Writer, directions: list[Recurrent], x: str, given: list[str], others: str) -> list[str]:
    """initial_h and initial_c, unless they are zeros."""
    first, D, names = directions[0], len(directions), []
    for name, how in first.starts.items():
        if how == "zeros":
            names.append("")
        elif how == "given" and D == 1:
            names.append(w.node("Unsqueeze", given.pop(0), w.axis(0)))
        elif how == "given":
            shape = w.own("directions", [0, D, first.hidden_size], "int64")
            names.append(w.node("Transpose", w.node("Reshape", given.pop(0), shape), perm=[1, 0, 2]))
        else:
            values = np.stack([to_numpy(layer.params[f"{name}_0"]) for layer in directions])[:, None]
            batch = w.node("Gather", w.node("Shape", x), w.axis(0))
            one = w.constant("/one", [1], "int64")
            start = w.weight(first, f"{name}_0{others}", values)
            names.append(w.node("Expand", start, w.node("Concat", one, batch, one, axis=0)))
    return names


def _gates(layer: Recurrent) -> dict[str, np.ndarray]:
    """W, R and, with a bias, B in ONNX's order of gates."""
    H, order = layer.hidden_size, np.argsort(CELLS[type(layer).__name__][1])  # back from xpnn's order to ONNX's
    p = {key: to_numpy(value).reshape(len(value) // H, H, -1) for key, value in layer.params.items()}
    gates: dict[str, np.ndarray] = {
        key: p[key][order].reshape(len(order) * H, -1) for key in ("W_x", "W_h", "b") if key in p
    }
    if "b" in gates:
        # x + -0.0 is x for every x, so ONNX's sum of two biases is xpnn's one bias, bit for bit
        b_h = np.full(gates["b"].shape, -0.0, gates["b"].dtype)
        if "b_h" in p:
            b_h[2 * H :] = p["b_h"][0]
        gates["b"] = np.concatenate([gates["b"], b_h])[:, 0]
    return gates
