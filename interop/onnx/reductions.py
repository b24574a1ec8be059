"""Recurrent nodes and reductions over axes, where the batch comes first."""

from dataclasses import replace

from . import layers as make
from .axes import View, batch, joined, length, reshaped, transposed, whole
from .batch_first import FIRST, BatchFirst, Rule
from .inputs import axes_of, same
from .node import Node


def _cell(p: BatchFirst, node: Node) -> None:
    """(N, T, features) to all states (N, T, D H) and the last ones (N, D H), for D directions."""
    view = p.views[node.inputs[0]]
    o = make.recurrent_options(node)
    order = (0, 1, 2) if o.layout else (1, 0, 2)
    view = transposed(view, order)
    if not p.leads(view):
        node.refuse("input 0", FIRST)
    x = p.place(view.base, view.groups, p.maker.get(node.inputs[0], node))
    for index, what in ((4, "sequence_lens"), (5, "initial_h"), (6, "initial_c"), (7, "P")):
        name = node.inputs[index] if index < len(node.inputs) else ""
        if name and (what == "sequence_lens" or name not in p.constants):
            node.refuse(what, "a layer has one input")
        if name and p.constants[name].any():
            node.refuse(what, "in a network, xpnn's recurrent layers begin with zeros; they have no peepholes")
    if any(name in p.views for name in node.inputs[1:]):
        node.refuse("input", "xpnn's parameters are constants of the model")
    for index in (1, 2):
        if len(W := p.sizes.get(node.inputs[index], ())) != 3 or 0 in W:
            node.refuse(f"input {index}", "no layer of xpnn's has a weight of this shape", W)
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
        given, keep = axes_of(p, node, rank), bool(node.attributes.get("keepdims", 1))
        if given is None and node.attributes.get("noop_with_empty_axes"):
            return same(p, node)
        axes = list(range(rank)) if given is None else given
    if batch(view.groups) in axes:
        node.refuse("axes", FIRST, axes)
    kept = [k for k in range(rank) if k not in axes]
    op = {"ReduceMean": "GlobalAveragePool", "ReduceMax": "GlobalMaxPool"}.get(node.op, node.op)
    if op == "ReduceSum" and view.base in p.cells and _summed_directions(p, node, view, axes, keep):
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
    p.describe(base, x, shape, p.types[x][0])
    sizes = iter([length(view.groups[k]) for k in rest])
    places = reshaped(View(base, whole(base, shape).groups[1:]), [*sizes], p.is_free).groups if rest else ()
    found = dict(zip(rest, places, strict=True)) | {at: whole(base, shape).groups[0]}
    groups = [found.get(k, ()) for k in range(rank) if keep or k in found]
    p.views[node.outputs[0]] = View(base, tuple(groups))
    return None


def _summed_directions(p: BatchFirst, node: Node, view: View, axes: list[int], keep: bool) -> bool:
    """Whether it adds the two directions of a recurrent node; then that node gives their sum."""
    _, D, H = p.cells[view.base]
    if D != 2 or len(axes) != 1 or view.groups[axes[0]] != ((len(p.sizes[view.base]) - 1, H, 2),):
        return False
    cell, name = next(each for each in p.nodes if view.base in each.outputs), f"{node.outputs[0]}/sum"
    p.nodes.append(replace(cell, outputs=(name,), attributes={**cell.attributes, "merge": "sum"}))
    p.describe(name, view.base, (*p.sizes[view.base][:-1], H), p.types[view.base][0])
    groups = [() if k in axes else group for k, group in enumerate(view.groups) if keep or k not in axes]
    p.views[node.outputs[0]] = View(name, tuple(groups))
    return True


REDUCTIONS: dict[str, Rule] = {
    **dict.fromkeys(("GRU", "LSTM", "RNN"), _cell),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "ReduceMax", "ReduceMean", "ReduceSum"), _reduce),
}
"""By operator."""
