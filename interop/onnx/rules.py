"""What ONNX's operators become where the batch comes first; see ``batch_first.py``."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from . import layers as make
from .axes import Group, MisfitError, View, batch, front, joined, length, reshaped, transposed, whole
from .batch_first import FIRST, BatchFirst, Rule
from .node import Node

CELLS = {"RNN", "LSTM", "GRU"}


def _moved(p: BatchFirst, node: Node, view: View) -> None:
    p.views[node.outputs[0]], p.maker[node.outputs[0]] = view, node


def _numbers(p: BatchFirst, node: Node, index: int) -> list[int] | None:
    """A constant input of integers; None if there is none."""
    name = node.inputs[index] if index < len(node.inputs) else ""
    value = p.constants.get(name)
    if name and value is None:
        node.refuse(f"input {index}", "xpnn takes shapes and axes that are constants of the model")
    return None if value is None else value.reshape(-1).tolist()


def _axes(p: BatchFirst, node: Node, rank: int) -> list[int] | None:
    """Of a Squeeze, Unsqueeze or a reduction: an input, or before an opset an attribute."""
    given = node.attributes.get("axes") or _numbers(p, node, 1)
    return None if given is None else [normalize_axis_index(axis, rank) for axis in given]


def _same(p: BatchFirst, node: Node) -> None:
    p.views[node.outputs[0]] = p.views[node.inputs[0]]
    if node.inputs[0] in p.maker:
        p.maker[node.outputs[0]] = p.maker[node.inputs[0]]
    if node.inputs[0] in p.concats:
        p.concats[node.outputs[0]] = p.concats[node.inputs[0]]


def _cast(p: BatchFirst, node: Node) -> None:
    """From float16 or to it, which is computed in float32; between integers."""
    kinds = [p.types[name][0] for name in (node.inputs[0], node.outputs[0])]
    names = [kind.name.replace("float16", "float32") if kind.kind == "f" else kind.kind for kind in kinds]
    if names[0] != names[1]:
        node.refuse("to", "a network of xpnn's computes in one type", kinds[1].name)
    _same(p, node)


def _transpose(p: BatchFirst, node: Node) -> None:
    _moved(p, node, transposed(p.views[node.inputs[0]], node.options("perm").perm))


def _reshape(p: BatchFirst, node: Node) -> None:
    """Reshape or Flatten: in both trials of the free lengths the same axes."""
    view, out = p.views[node.inputs[0]], node.outputs[0]
    node.options(*(("axis",) if node.op == "Flatten" else ("allowzero", "shape")))
    if out not in p.graph.sizes:
        node.refuse("shape", "it does not follow from the model's shapes")
    try:
        found = reshaped(view, p.graph.sizes[out][0], p.is_free)
    except MisfitError:
        node.refuse("shape", "it would split the batch, or join what does not lie beside each other")
    if p.other(found) != p.graph.sizes[out][1]:
        node.refuse("shape", "it depends on the lengths of free axes in another way than theirs")
    _moved(p, node, found)


def _squeeze(p: BatchFirst, node: Node) -> None:
    view = p.views[node.inputs[0]]
    node.options("axes")
    axes = _axes(p, node, len(view.groups))
    axes = [k for k, group in enumerate(view.groups) if not group] if axes is None else axes
    if any(view.groups[axis] for axis in axes):
        node.refuse("axes", FIRST if batch(view.groups) in axes else "their length is not 1", axes)
    _moved(p, node, View(view.base, tuple(g for k, g in enumerate(view.groups) if k not in axes)))


def _unsqueeze(p: BatchFirst, node: Node) -> None:
    view = p.views[node.inputs[0]]
    node.options("axes")
    given = node.attributes.get("axes") or _numbers(p, node, 1) or []
    rank = len(view.groups) + len(given)
    axes, rest = {normalize_axis_index(axis, rank) for axis in given}, iter(view.groups)
    _moved(p, node, View(view.base, tuple(() if k in axes else next(rest) for k in range(rank))))


def _expand(p: BatchFirst, node: Node) -> None:
    """To the shape that the value has."""
    if p.sizes.get(node.inputs[0]) != p.sizes.get(node.outputs[0]):
        node.refuse("shape", "xpnn has no layer that repeats values")
    _same(p, node)


def _row_by_row(p: BatchFirst, node: Node, last: int | None = None) -> None:
    """A node that does the same to each row of the last axis, whose length it may change, or to each value."""
    view = p.views[node.inputs[0]]
    groups, places = front(view)
    if last is not None and places[-1] is None:
        node.refuse("input 0", FIRST)
    x = p.place(view.base, groups, p.maker.get(node.inputs[0], node))
    shape = list(p.sizes[x])
    if last is not None:
        shape[-1] = last
    inputs = (x, *node.inputs[1:])
    for name in inputs[1:]:
        if name in p.views:
            node.refuse("input 1", "xpnn's parameters are constants of the model")
    p.views[node.outputs[0]] = p.emit(node, view, shape, inputs=inputs)


def _each_value(p: BatchFirst, node: Node) -> None:
    _row_by_row(p, node)


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
    if node.op != "LayerNormalization" and axis != -1:  # bring the axis to the end, and back
        perm = [k for k in range(rank) if k != rank + axis] + [rank + axis]
        moved = transposed(view, perm)
        node = replace(node, attributes={**node.attributes, "axis": -1})
        inner = View(moved.base, moved.groups)
        x = p.place(inner.base, front(inner)[0], p.maker.get(node.inputs[0], node))
        done = p.emit(node, inner, p.sizes[x], inputs=(x,))
        p.views[node.outputs[0]] = transposed(done, np.argsort(perm).tolist())
        return
    _row_by_row(p, replace(node, attributes={**node.attributes, "axis": axis}), p.sizes[node.inputs[0]][-1])


def _elementwise(p: BatchFirst, node: Node) -> None:
    """Of several values, or of values and a constant, which are repeated along axes of length 1."""
    make.check_elementwise(node)
    values = [name for name in node.inputs if name in p.views]
    views = [p.views[name] for name in values]
    rank, shape = max(len(view.groups) for view in views), np.broadcast_shapes(*(p.sizes[name] for name in node.inputs))
    if len(shape) != rank or any(len(view.groups) != rank for view in views):
        node.refuse("inputs", "xpnn joins arrays of the same number of axes")
    lead = views[0]
    if all(p.leads(view) for view in views):
        inputs = tuple(p.read(name, node) for name in node.inputs)
        p.views[node.outputs[0]] = p.emit(node, whole(lead.base, shape), shape, inputs=inputs)
        return
    places = {front(view)[1] for view in views}
    if len(places) > 1:
        node.refuse("inputs", FIRST)
    inputs = tuple(
        p.place(p.views[name].base, front(p.views[name])[0], p.maker.get(name, node))
        if name in p.views
        else _turned(p, node, name, lead)
        for name in node.inputs
    )
    placed = np.broadcast_shapes(*(p.sizes[name] for name in inputs))
    p.views[node.outputs[0]] = p.emit(node, lead, placed, inputs=inputs)


def _turned(p: BatchFirst, node: Node, name: str, view: View) -> str:
    """A constant with its axes in the order that the value has with the batch in front."""
    value = p.constants[name]
    if value.size == 1:
        return name
    groups, places = front(view)
    value = value.reshape((1,) * (len(view.groups) - value.ndim) + value.shape)
    at = batch(view.groups)
    if value.shape[at] != 1:
        node.refuse("input", "it differs from sample to sample", value.shape)
    order = sorted((place, k) for k, place in enumerate(places) if place is not None)
    turned = f"{name}/{node.outputs[0]}"
    p.constants[turned] = value.transpose([at, *(k for _, k in order)] if len(groups) == value.ndim else None)
    if len(groups) != value.ndim:
        node.refuse("input", FIRST)
    p.sizes[turned] = p.constants[turned].shape
    p.types[turned] = value.dtype, p.sizes[turned]
    return turned


def _cell(p: BatchFirst, node: Node) -> None:
    """(N, T, features) to all states (N, T, D H) and the last ones (N, D H), for D directions."""
    view = p.views[node.inputs[0]]
    o = make.recurrent_options(node)
    order = (0, 1, 2) if o.layout else (1, 0, 2)
    x = p.place(view.base, [view.groups[k] for k in order], p.maker.get(node.inputs[0], node))
    if not p.leads(View(x, whole(x, p.sizes[x]).groups)) or not p.leads(View(view.base, tuple(view.groups[k] for k in order))):
        node.refuse("input 0", FIRST)
    for index, what in ((4, "sequence_lens"), (5, "initial_h"), (6, "initial_c"), (7, "P")):
        name = node.inputs[index] if index < len(node.inputs) else ""
        if name and (what == "sequence_lens" or name not in p.constants or p.constants[name].any()):
            node.refuse(what, "a layer has one input")
    if any(name in p.views for name in node.inputs[1:]):
        node.refuse("input", "xpnn's parameters are constants of the model")
    (N, T, _), D = p.sizes[x], 2 if o.direction == "bidirectional" else 1
    H = p.sizes[node.inputs[2]][-1]
    names = [f"{node.outputs[0] or node.name}/{what}" for what in ("all", "last")]
    for name, shape in zip(names, ((N, T, D * H), (N, D * H)), strict=True):
        how = {"return_sequences": len(shape) == 3, "merge": "concat" if D > 1 else ""}
        p.nodes.append(replace(node, inputs=(x, *node.inputs[1:4]), outputs=(name,), attributes=node.attributes | how))
        p.describe(name, x, shape, p.types[x][0])
    n, t = whole(names[0], p.sizes[names[0]]).groups[:2]
    d, h = (((2, H, D),) if D > 1 else ()), ((2, 1, H),) if H > 1 else ()
    last = [tuple((1, step, size) for _, step, size in group) for group in (d, h)]
    groups = ((n, t, d, h), (n, last[0], last[1])) if o.layout else ((t, d, n, h), (last[0], n, last[1]))
    for output, base, each in zip(node.outputs, names, groups, strict=False):
        if output:
            p.views[output] = View(base, each)
    p.cells[names[0]] = p.cells[names[1]] = (names[1], D, H)


def _reduce(p: BatchFirst, node: Node) -> None:
    """A mean, a maximum or a sum over axes, as global pooling of signals, or of images where it is over two axes."""
    view = p.views[node.inputs[0]]
    rank = len(view.groups)
    node.options("axes", "keepdims", "noop_with_empty_axes")
    if node.op.startswith("Global"):
        axes, keep = list(range(2, rank)), True
    else:
        axes, keep = _axes(p, node, rank), bool(node.attributes.get("keepdims", 1))
        if axes is None and node.attributes.get("noop_with_empty_axes"):
            return _same(p, node)
        axes = list(range(rank)) if axes is None else axes
    if batch(view.groups) in axes:
        node.refuse("axes", FIRST, axes)
    kept = [k for k in range(rank) if k not in axes]
    op = {"ReduceMean": "GlobalAveragePool", "ReduceMax": "GlobalMaxPool"}.get(node.op, node.op)
    if op == "ReduceSum" and view.base in p.cells and _summed_directions(p, node, view, axes, keep):
        return None
    (n,), rest = front(View(view.base, (view.groups[batch(view.groups)],)))[0][:1], [k for k in kept if k != batch(view.groups)]
    if view.groups[batch(view.groups)] != n:
        node.refuse("axes", FIRST, axes)
    channels = joined(tuple(factor for k in rest for factor in view.groups[k]))
    plane = [view.groups[k] for k in axes]
    if len(plane) != 2 or op == "ReduceSum":
        plane = [joined(tuple(factor for group in plane for factor in group))]
    x = p.place(view.base, [n, channels, *plane], p.maker.get(node.inputs[0], node))
    base, shape = f"{node.outputs[0]}/reduced", (p.sizes[x][0], p.sizes[x][1])
    p.nodes.append(replace(node, op=op, inputs=(x,), outputs=(base,), attributes={}))
    p.describe(base, x, shape, p.types[x][0])
    sizes = iter([length(view.groups[k]) for k in rest])
    places = reshaped(View(base, whole(base, shape).groups[1:]), [*sizes], p.is_free).groups if rest else ()
    found = dict(zip(rest, places, strict=True)) | {batch(view.groups): whole(base, shape).groups[0]}
    groups = [found.get(k, ()) for k in range(rank) if keep or k in found]
    p.views[node.outputs[0]] = View(base, tuple(groups))
    return None


def _summed_directions(p: BatchFirst, node: Node, view: View, axes: list[int], keep: bool) -> bool:
    """Whether it adds the two directions of a recurrent node; then that node gives their sum."""
    last, D, H = p.cells[view.base]
    if D != 2 or len(axes) != 1 or view.groups[axes[0]] != ((len(p.sizes[view.base]) - 1, H, 2),):
        return False
    cell, name = next(each for each in p.nodes if view.base in each.outputs), f"{node.outputs[0]}/sum"
    p.nodes.append(replace(cell, outputs=(name,), attributes={**cell.attributes, "merge": "sum"}))
    p.describe(name, view.base, (*p.sizes[view.base][:-1], H), p.types[view.base][0])
    groups = [() if k in axes else group for k, group in enumerate(view.groups) if keep or k not in axes]
    p.views[node.outputs[0]] = View(name, tuple(groups))
    return True


def _section(p: BatchFirst, node: Node, name: str, axis: int, start: int, stop: int) -> View:
    """The indices from start to before stop along an axis of a value."""
    view = p.views[name]
    group, n = view.groups[axis], p.sizes[name][axis]
    if (start, stop) == (0, n):
        return view
    if name in p.concats and p.concats[name][0] == axis:
        at = 0
        for each in p.concats[name][1]:
            size = p.sizes[each][axis]
            if at <= start and stop <= at + size:
                return _section(p, node, each, axis, start - at, stop - at)
            at += size
    if any(factor[0] == 0 for factor in group):
        node.refuse("axis", FIRST, axis)
    last = p.cells.get(view.base)
    if last and last[0] != view.base and last[1] == 1 and group == ((1, 1, n),) and (start, stop) == (n - 1, n):
        return View(last[0], tuple(() if k == axis else _without_steps(g) for k, g in enumerate(view.groups)))
    base, (k, step, size) = view.base, group[0]
    if len(group) != 1 or step * size != p.sizes[base][k]:  # not the outermost of an axis of the base
        base, view = p.read(name, node), whole(p.read(name, node), p.sizes[name])
        k, step = axis, 1
    total = p.sizes[base][k]
    free = p.is_free(base, k)
    if free and start < 0 <= stop:
        node.refuse("axis", "it would depend on a free length")
    shape = [*p.sizes[base]]
    shape[k] = (stop - start) * step
    ends = (start - n, None if stop == n else stop - n) if free and 2 * start > n else (start * step, stop * step)
    made = f"{node.outputs[0]}/{base} {k} {start} {stop}"
    if made not in p.sizes:
        attributes: dict[str, Any] = {"axis": k, "start": ends[0], "stop": None if ends[1] == total and not free else ends[1]}
        p.nodes.append(replace(node, op="Section", inputs=(base,), outputs=(made,), attributes=attributes))
        p.describe(made, base, shape, p.types[base][0])
    groups = []
    for each in view.groups:
        inner = [(a, s, (stop - start) if (a, s, m) == (k, step, size) else m) for a, s, m in each]
        groups.append(tuple(f for f in inner if f[2] != 1 or f[0] == 0))
    return View(made, tuple(groups))


def _without_steps(group: Group) -> Group:
    """A group of all states as one of the last ones, which have no axis of steps."""
    return tuple((axis - (axis > 1), step, n) for axis, step, n in group)


def _gather(p: BatchFirst, node: Node) -> None:
    """Rows of a matrix, or from a value what stands at one constant index."""
    if node.inputs[0] not in p.views:
        E = p.sizes[node.inputs[0]]
        view = p.views[node.inputs[1]]
        x = p.place(view.base, front(view)[0], p.maker.get(node.inputs[1], node))
        inner = View(view.base, (*view.groups, ()))
        name = f"{node.outputs[0]}/batch first"
        p.nodes.append(replace(node, inputs=(node.inputs[0], x), outputs=(name,)))
        p.describe(name, x, (*p.sizes[x], *E[1:]), p.types[node.outputs[0]][0])
        _, places = front(view)
        axes = whole(name, p.sizes[name]).groups
        if len(E) != 2 or any(place is None and k != batch(view.groups) for k, place in enumerate(places)):
            node.refuse("axis", "xpnn's Embedding takes rows of a matrix")
        groups = [axes[0] if place is None else axes[place] for place in places]
        p.views[node.outputs[0]] = View(name, (*groups, axes[-1]))
        del inner
        return
    name, view = node.inputs[0], p.views[node.inputs[0]]
    axis = normalize_axis_index(node.options("axis").axis, len(view.groups))
    index = p.constants.get(node.inputs[1])
    if index is None or index.size != 1 or index.ndim > 1:
        node.refuse("indices", "xpnn takes one constant index from a value")
    n = p.sizes[name][axis]
    i = int(index.reshape(()))
    i += n if i < 0 else 0
    found = _section(p, node, name, axis, i, i + 1)
    groups = [group for k, group in enumerate(found.groups) if k != axis or index.ndim]
    p.views[node.outputs[0]] = View(found.base, tuple(groups))
    p.maker[node.outputs[0]] = node


def _slice(p: BatchFirst, node: Node) -> None:
    name = node.inputs[0]
    rank = len(p.views[name].groups)
    a = node.attributes
    starts, ends = a.get("starts") or _numbers(p, node, 1), a.get("ends") or _numbers(p, node, 2)
    axes = a.get("axes") or _numbers(p, node, 3) or [*range(len(starts or []))]
    steps = _numbers(p, node, 4) or [1] * len(axes)
    if set(steps) != {1} or not starts or not ends:
        node.refuse("steps", "xpnn's Slice takes every value", steps)
    for start, end, given in zip(starts, ends, axes, strict=True):
        axis = normalize_axis_index(given, rank)
        n = p.sizes[name][axis]
        first, stop, _ = slice(start, end).indices(n)
        if stop <= first:
            node.refuse("ends", "nothing is left", ends)
        inner = f"{node.outputs[0]}/{axis}"
        p.views[inner] = _section(p, node, name, axis, first, stop)
        p.sizes[inner] = tuple(stop - first if k == axis else m for k, m in enumerate(p.sizes[name]))
        p.types[inner] = p.types[name]
        name = inner
    _moved(p, node, p.views[name])


def _split(p: BatchFirst, node: Node) -> None:
    name = node.inputs[0]
    axis, at = normalize_axis_index(node.attributes.get("axis", 0), len(p.views[name].groups)), 0
    for output in node.outputs:
        size = p.sizes[output][axis]
        p.views[output] = _section(p, replace(node, outputs=(output,)), name, axis, at, at + size)
        at += size


def _concat(p: BatchFirst, node: Node) -> None:
    """Along an axis of values in the same order of axes; a section of it may be one of them."""
    views = [p.views.get(name) for name in node.inputs]
    rank = len(p.sizes[node.inputs[0]])
    axis = normalize_axis_index(1 if node.options("axis").axis is None else node.attributes["axis"], rank)
    if any(view is None for view in views):
        node.refuse("input", "xpnn joins values that depend on the model's input")
    known = [view for view in views if view is not None]
    ways = {front(view)[1] for view in known}
    p.concats[node.outputs[0]] = axis, node.inputs
    if len(ways) > 1 or any(front(view)[1][axis] is None for view in known) or batch(known[0].groups) == axis:
        node.refuse("axis", "xpnn joins along another axis than the batch's", axis)
    place = next(iter(ways))[axis]
    inputs = tuple(p.place(view.base, front(view)[0], p.maker.get(name, node)) for name, view in zip(node.inputs, known, strict=True))
    shape = [*p.sizes[inputs[0]]]
    shape[place or 0] = sum(p.sizes[name][place or 0] for name in inputs)
    node = replace(node, attributes={"axis": place})
    p.views[node.outputs[0]] = p.emit(node, known[0], shape, inputs=inputs)


def _mish(p: BatchFirst, node: Node) -> None:
    """x tanh(softplus(x))."""
    a, b = (f"{node.outputs[0]}/{what}" for what in ("softplus", "tanh"))
    for op, reads, gives in (("Softplus", node.inputs[0], a), ("Tanh", a, b)):
        p.sizes[gives], p.types[gives] = p.sizes[node.inputs[0]], p.types[node.inputs[0]]
        _each_value(p, replace(node, op=op, inputs=(reads,), outputs=(gives,)))
    _elementwise(p, replace(node, op="Mul", inputs=(node.inputs[0], b)))


RULES: dict[str, Rule] = {
    **dict.fromkeys(make.ACTIVATION_LAYERS, _each_value),
    **dict.fromkeys(("Clip", "Dropout", "Selu"), _each_value),
    **dict.fromkeys(CELLS, _cell),
    **dict.fromkeys(("Add", "Div", "Mul", "Sub", "Sum"), _elementwise),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "ReduceMax", "ReduceMean", "ReduceSum"), _reduce),
    **dict.fromkeys(("LayerNormalization", "LogSoftmax", "Softmax"), _along_last),
    **dict.fromkeys(("Gemm", "MatMul"), _product),
    **dict.fromkeys(("Flatten", "Reshape"), _reshape),
    "Cast": _cast,
    "Concat": _concat,
    "Expand": _expand,
    "Gather": _gather,
    "Identity": _same,
    "Mish": _mish,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
"""By operator; of the others, each stays as it is and reads its inputs in ONNX's order of axes."""
