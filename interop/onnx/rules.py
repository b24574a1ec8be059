"""Rules that turn ONNX's operators into ones with the batch first; see ``batch_first.py``."""

from dataclasses import replace
from math import prod

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from . import layers as make
from .arrays import blocks
from .axes import MisfitError, View, batch, front, joined, length, reshaped, transposed, whole
from .batch_first import FIRST, BatchFirst, Rule
from .graph import Lengths
from .node import Node
from .recurrent_rules import cell, summed_directions
from .sections import SECTIONS


def _cast(p: BatchFirst, node: Node) -> None:
    """A Cast from or to float16, which is computed in float32, or between integers."""
    kinds = [p.dtypes[name] for name in (node.inputs[0], node.outputs[0])]
    names = [kind.name.replace("float16", "float32") if kind.kind == "f" else kind.kind for kind in kinds]
    if names[0] != names[1]:
        node.refuse("to", "a network of xpnn's computes in one type", kinds[1].name)
    p.same(node)


def _transpose(p: BatchFirst, node: Node) -> None:
    p.moved(node, transposed(p.views[node.inputs[0]], node.options("perm").perm))


def _reshape(p: BatchFirst, node: Node) -> None:
    """Reshape or Flatten: it must form the same axes in both trials of the free lengths."""
    view, out = p.views[node.inputs[0]], node.outputs[0]
    node.options(*(("axis",) if node.op == "Flatten" else ("allowzero", "shape")))
    sizes = p.graph.sizes.get(out) or _sizes(p, node)
    try:
        found = reshaped(view, sizes[0], p.is_free)
    except MisfitError:
        if not p.leads(view):
            node.refuse("shape", "it would split the batch")
        flat = p.place(view.base, [view.groups[0], joined(sum(view.groups[1:], ()))], node)
        try:
            found = reshaped(whole(flat, p.sizes[flat]), sizes[0], p.is_free)
        except MisfitError:
            node.refuse("shape", "it would split the batch")
    if p.other(found) != sizes[1]:
        node.refuse("shape", "it depends on the lengths of free axes in another way than theirs")
    p.moved(node, found)


def _blocks(p: BatchFirst, node: Node) -> None:
    """DepthToSpace or SpaceToDepth, as a Reshape, a Transpose and a Reshape."""
    view = p.views[node.inputs[0]]
    lengths, order, result = blocks(node, p.sizes[node.inputs[0]])
    p.moved(node, reshaped(transposed(reshaped(view, lengths, p.is_free), order), result, p.is_free))


def _sizes(p: BatchFirst, node: Node) -> list[Lengths]:
    """The output's shape in both trials for a Flatten, or a Reshape to a constant shape, if ONNX infers none."""
    found = []
    for given in (p.sizes[node.inputs[0]], p.second[node.inputs[0]]):
        if node.op == "Flatten":
            wanted = [prod(given[: node.attributes.get("axis", 1)]), -1]
        else:
            wanted = node.attributes.get("shape") or p.numbers(node, 1) or []
        each = [given[k] if n == 0 else n for k, n in enumerate(wanted)]
        rest = prod(given) // max(1, prod(n for n in each if n != -1))
        found.append(tuple(rest if n == -1 else n for n in each))
    return found


def _squeeze(p: BatchFirst, node: Node) -> None:
    view = p.views[node.inputs[0]]
    node.options("axes")
    axes = p.axes(node, len(view.groups))
    axes = [k for k, group in enumerate(view.groups) if not group] if axes is None else axes
    if any(view.groups[axis] for axis in axes):
        node.refuse("axes", FIRST if batch(view.groups) in axes else "their length is not 1", axes)
    p.moved(node, View(view.base, tuple(g for k, g in enumerate(view.groups) if k not in axes)))


def _unsqueeze(p: BatchFirst, node: Node) -> None:
    view = p.views[node.inputs[0]]
    node.options("axes")
    given = node.attributes.get("axes") or p.numbers(node, 1) or []
    rank = len(view.groups) + len(given)
    axes, rest = {normalize_axis_index(axis, rank) for axis in given}, iter(view.groups)
    p.moved(node, View(view.base, tuple(() if k in axes else next(rest) for k in range(rank))))


def _expand(p: BatchFirst, node: Node) -> None:
    """An Expand to the value's own shape."""
    if p.sizes.get(node.inputs[0]) != p.sizes.get(node.outputs[0]):
        node.refuse("shape", "xpnn has no layer that repeats values")
    p.same(node)


def _row_by_row(p: BatchFirst, node: Node, last: int | None = None) -> None:
    """A node that treats each row of the last axis alike and may change its length, or that treats each value alike."""
    view = p.views[node.inputs[0]]
    if last is not None and front(view)[1][-1] is None:
        node.refuse("input 0", FIRST)
    x = p.in_front(node.inputs[0], node)
    shape = list(p.sizes[x])
    if last is not None:
        shape[-1] = last
    inputs = (x, *node.inputs[1:])
    for name in inputs[1:]:
        if name in p.views:
            node.refuse("input 1", "xpnn's parameters are constants of the model")
    p.views[node.outputs[0]] = p.emit(node, view, shape, inputs=inputs)


def _each_value(p: BatchFirst, node: Node) -> None:
    (BatchFirst.plain if p.as_they_are(node) else _row_by_row)(p, node)


def _product(p: BatchFirst, node: Node) -> None:
    """Gemm or MatMul by a matrix."""
    W = p.sizes.get(node.inputs[1])
    if node.inputs[0] not in p.views or node.inputs[1] in p.views or W is None or len(W) != 2:
        BatchFirst.plain(p, node)
    else:
        _row_by_row(p, node, W[0 if node.attributes.get("transB") else 1])


def _along_last(p: BatchFirst, node: Node) -> None:
    """Softmax, LogSoftmax or LayerNormalization, with the axis counted from the end."""
    view = p.views[node.inputs[0]]
    rank = len(view.groups)
    default = -1 if node.op == "LayerNormalization" or node.opset >= 13 else 1
    axis = normalize_axis_index(node.attributes.get("axis", default), rank) - rank
    if batch(view.groups) >= rank + axis:
        node.refuse("axis", FIRST, axis)
    if node.op != "LayerNormalization" and axis != -1 and node.opset < 13:
        node.refuse("axis", "xpnn's softmax works along one axis", axis)
    if node.op != "LayerNormalization" and axis != -1:  # move the axis to the end, and back
        perm = [k for k in range(rank) if k != rank + axis] + [rank + axis]
        inner = transposed(view, perm)
        node = replace(node, attributes={**node.attributes, "axis": -1})
        x = p.in_front(node.inputs[0], node, inner)
        done = p.emit(node, inner, p.sizes[x], inputs=(x,))
        p.views[node.outputs[0]] = transposed(done, np.argsort(perm).tolist())
        return
    _row_by_row(p, replace(node, attributes={**node.attributes, "axis": axis}), p.sizes[node.inputs[0]][-1])


def _reduce(p: BatchFirst, node: Node) -> None:
    """A mean, a maximum or a sum over axes, as global pooling of signals, or over two axes, of images."""
    view = p.views[node.inputs[0]]
    rank = len(view.groups)
    node.options("axes", "keepdims", "noop_with_empty_axes")
    if node.op.startswith("Global"):
        axes, keep = list(range(2, rank)), True
    else:
        given, keep = p.axes(node, rank), bool(node.attributes.get("keepdims", 1))
        if given is None and node.attributes.get("noop_with_empty_axes"):
            return p.same(node)
        axes = list(range(rank)) if given is None else given
    if batch(view.groups) in axes:
        node.refuse("axes", FIRST, axes)
    kept = [k for k in range(rank) if k not in axes]
    op = {"ReduceMean": "GlobalAveragePool", "ReduceMax": "GlobalMaxPool"}.get(node.op, node.op)
    if op == "ReduceSum" and view.base in p.cells and summed_directions(p, node, view, axes, keep):
        return None
    at = batch(view.groups)
    n, rest = view.groups[at], [k for k in kept if k != at]
    if len(n) != 1:
        node.refuse("axes", FIRST, axes)
    channels = joined(tuple(factor for k in rest for factor in view.groups[k]))
    plane = [view.groups[k] for k in axes]
    if len(plane) != 2 or op == "ReduceSum":
        plane = [joined(tuple(factor for group in plane for factor in group))]
    x = p.place(view.base, [n, channels, *plane], p.maker.get(node.inputs[0], node))
    base, shape = f"{node.outputs[0]}/reduced", (p.sizes[x][0], p.sizes[x][1])
    p.nodes.append(replace(node, op=op, inputs=(x,), outputs=(base,), attributes={}))
    p.describe(base, x, shape, p.dtypes[x])
    sizes = iter([length(view.groups[k]) for k in rest])
    places = reshaped(View(base, whole(base, shape).groups[1:]), [*sizes], p.is_free).groups if rest else ()
    found = dict(zip(rest, places, strict=True)) | {at: whole(base, shape).groups[0]}
    groups = [found.get(k, ()) for k in range(rank) if keep or k in found]
    p.views[node.outputs[0]] = View(base, tuple(groups))
    return None


def _elementwise(p: BatchFirst, node: Node) -> None:
    """An operation on several values, or values and a constant, which are repeated along axes of length 1."""
    make.check_elementwise(node)
    if p.as_they_are(node):
        return BatchFirst.plain(p, node)
    shape = np.broadcast_shapes(*(p.sizes[name] for name in node.inputs))
    views = {name: _of_rank(p.views[name], len(shape)) for name in node.inputs if name in p.views}
    ways = {front(view)[1] for view in views.values()}
    if len(ways) > 1 or {batch(view.groups) for view in views.values()} != {batch(next(iter(views.values())).groups)}:
        node.refuse("inputs", "xpnn joins arrays of the same number of axes")
    lead = next(iter(views.values()))
    inputs = tuple(
        p.in_front(name, node, views[name]) if name in views else _turned(p, node, name, lead) for name in node.inputs
    )
    placed = np.broadcast_shapes(*(p.sizes[name] for name in inputs))
    p.views[node.outputs[0]] = p.emit(node, lead, placed, inputs=inputs)
    return None


def _of_rank(view: View, rank: int) -> View:
    """The view with axes of length 1 before the others, as in broadcasting."""
    return View(view.base, ((),) * (rank - len(view.groups)) + view.groups)


def _turned(p: BatchFirst, node: Node, name: str, view: View) -> str:
    """A constant with its axes in the value's order with the batch in front."""
    value = p.constants[name]
    if value.size == 1 or p.leads(view):
        return name
    groups, places = front(view)
    value = value.reshape((1,) * (len(view.groups) - value.ndim) + value.shape)
    at = batch(view.groups)
    if value.shape[at] != 1:
        node.refuse("input", "it differs from sample to sample", value.shape)
    order = sorted((place, k) for k, place in enumerate(places) if place is not None)
    turned = f"{name}/{node.outputs[0]}"
    if len(groups) != value.ndim:
        node.refuse("input", FIRST)
    p.constants[turned] = value = value.transpose([at, *(k for _, k in order)])
    p.declare(turned, value.shape, value.shape, value.dtype)
    return turned


def _mish(p: BatchFirst, node: Node) -> None:
    """x tanh(softplus(x))."""
    x, a, b = node.inputs[0], *(f"{node.outputs[0]}/{what}" for what in ("softplus", "tanh"))
    for op, reads, gives in (("Softplus", x, a), ("Tanh", a, b)):
        p.declare(gives, p.sizes[x], p.second[x], p.dtypes[x])
        _each_value(p, replace(node, op=op, inputs=(reads,), outputs=(gives,)))
    _elementwise(p, replace(node, op="Mul", inputs=(x, b)))


RULES: dict[str, Rule] = {
    **SECTIONS,
    **dict.fromkeys(make.ACTIVATION_LAYERS, _each_value),
    **dict.fromkeys(("Clip", "Dropout", "Selu", "ai.onnx.ml.Scaler"), _each_value),
    **dict.fromkeys(("Add", "Div", "Mul", "Sub", "Sum"), _elementwise),
    **dict.fromkeys(("LayerNormalization", "LogSoftmax", "Softmax"), _along_last),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), cell),
    **dict.fromkeys(("Gemm", "MatMul"), _product),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "ReduceMax", "ReduceMean", "ReduceSum"), _reduce),
    **dict.fromkeys(("Flatten", "Reshape"), _reshape),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), _blocks),
    "Cast": _cast,
    "Expand": _expand,
    "Identity": BatchFirst.same,
    "Mish": _mish,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
"""The rule of each operator; other operators are unchanged and read their inputs in ONNX's order of axes."""
