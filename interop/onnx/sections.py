"""Rules for sections of values, and values side by side, with the batch first: Gather, Slice, Split, Concat."""

from dataclasses import replace
from typing import TypeAlias

from numpy.lib.array_utils import normalize_axis_index

from .axes import Group, View, batch, front, length, whole
from .batch_first import FIRST, BatchFirst, Rule
from .node import Node

Ends: TypeAlias = tuple[int, int | None]
"""The first index of a section and the one after its last, as for Python's slices."""


def _section(p: BatchFirst, node: Node, name: str, axis: int, ends: Ends) -> View:
    """A section of a value along an axis."""
    view, n = p.views[name], p.sizes[name][axis]
    start, stop, _ = slice(*ends).indices(n)
    group, free = view.groups[axis], any(p.is_free(view.base, factor[0]) for factor in view.groups[axis])
    if any(factor[0] == 0 for factor in group):
        node.refuse("axis", FIRST, axis)
    if stop <= start:
        node.refuse("ends", "nothing is left", list(ends))
    if (start, stop) == (0, n) and (not free or ends == (0, None)):
        return view
    if not free and p.concats.get(name, (None,))[0] == axis and (found := _part(p, node, name, axis, start, stop)):
        return found
    last, D, _ = p.cells.get(view.base, ("", 0, 0))
    if D == 1 and last != view.base and group == ((1, 1, n),) and (start, stop) == (n - 1, n):
        return View(last, tuple(() if k == axis else _without_steps(g) for k, g in enumerate(view.groups)))
    base, (k, step, size) = view.base, group[0]
    if len(group) != 1 or step * size != p.sizes[base][k]:  # not the outermost factor of an axis of the base
        base = p.read(name, node)
        view, k, step, size = whole(base, p.sizes[base]), axis, 1, n
    if step > 1:
        ends = start * step, stop * step
    made = f"{node.outputs[0]}/{base} {k} {ends}"
    if made not in p.sizes:
        attributes = {"axis": k, "start": ends[0], "stop": ends[1]}
        p.nodes.append(replace(node, op="Section", inputs=(base,), outputs=(made,), attributes=attributes))
        lengths = (stop - start) * step, len(range(*slice(*ends).indices(p.second[base][k])))
        first, second = (
            tuple(length if j == k else m for j, m in enumerate(shape))
            for shape, length in zip((p.sizes[base], p.second[base]), lengths, strict=True)
        )
        p.declare(made, first, second, p.dtypes[base])
    groups = []
    for each in view.groups:
        inner = [(a, s, (stop - start) if (a, s, m) == (k, step, size) else m) for a, s, m in each]
        groups.append(tuple(f for f in inner if f[2] != 1 or f[0] == 0))
    return View(made, tuple(groups))


def _part(p: BatchFirst, node: Node, name: str, axis: int, start: int, stop: int) -> View | None:
    """A section of a Concat's output, if it lies within one of the joined values."""
    at = 0
    for each in p.concats[name][1]:
        size = p.sizes[each][axis]
        if at <= start and stop <= at + size:
            return _section(p, node, each, axis, (start - at, stop - at))
        at += size
    return None


def _without_steps(group: Group) -> Group:
    """A group of all states as a group of the last states, which have no axis of steps."""
    return tuple((axis - (axis > 1), step, n) for axis, step, n in group)


def _gather(p: BatchFirst, node: Node) -> None:
    """Rows of a matrix, or the elements of a value at one constant index."""
    if node.inputs[0] not in p.views:
        E = p.sizes[node.inputs[0]]
        view = p.views[node.inputs[1]]
        x = p.in_front(node.inputs[1], node)
        name = f"{node.outputs[0]}/batch first"
        p.nodes.append(replace(node, inputs=(node.inputs[0], x), outputs=(name,)))
        p.describe(name, x, (*p.sizes[x], *E[1:]), p.dtypes[node.outputs[0]])
        _, places = front(view)
        axes = whole(name, p.sizes[name]).groups
        if len(E) != 2 or any(place is None and k != batch(view.groups) for k, place in enumerate(places)):
            node.refuse("axis", "xpnn's Embedding takes rows of a matrix")
        groups = [axes[0] if place is None else axes[place] for place in places]
        p.views[node.outputs[0]] = View(name, (*groups, axes[-1]))
        return
    name, view = node.inputs[0], p.views[node.inputs[0]]
    axis = normalize_axis_index(node.options("axis").axis, len(view.groups))
    index = p.constants.get(node.inputs[1])
    if index is None or index.size != 1 or index.ndim > 1:
        node.refuse("indices", "xpnn takes one constant index from a value")
    n = p.sizes[name][axis]
    i = int(index.reshape(()))
    if not -n <= i < n:
        node.refuse("indices", "the value ends before it", i)
    found = _section(p, node, name, axis, (i, i + 1 if i != -1 else None))
    groups = [group for k, group in enumerate(found.groups) if k != axis or index.ndim]
    p.views[node.outputs[0]] = View(found.base, tuple(groups))
    p.maker[node.outputs[0]] = node


def _slice(p: BatchFirst, node: Node) -> None:
    name = node.inputs[0]
    rank = len(p.views[name].groups)
    a = node.attributes
    starts, ends = a.get("starts") or p.numbers(node, 1), a.get("ends") or p.numbers(node, 2)
    axes = a.get("axes") or p.numbers(node, 3) or [*range(len(starts or []))]
    steps = p.numbers(node, 4) or [1] * len(axes)
    if set(steps) != {1} or not starts or not ends:
        node.refuse("steps", "xpnn's Slice takes every value", steps)
    for start, end, given in zip(starts, ends, axes, strict=True):
        axis = normalize_axis_index(given, rank)
        inner = f"{node.outputs[0]}/{axis}"
        p.views[inner] = found = _section(p, node, name, axis, (start, None if end >= 2**31 - 1 else end))
        p.declare(inner, tuple(map(length, found.groups)), p.other(found), p.dtypes[name])
        name = inner
    p.moved(node, p.views[name])


def _split(p: BatchFirst, node: Node) -> None:
    name = node.inputs[0]
    axis, at = normalize_axis_index(node.attributes.get("axis", 0), len(p.views[name].groups)), 0
    for output in node.outputs:
        size = p.sizes[output][axis]
        if size != p.second[output][axis]:
            node.refuse("split", "it depends on a free length")
        p.views[output] = _section(p, replace(node, outputs=(output,)), name, axis, (at, at + size))
        at += size


def _concat(p: BatchFirst, node: Node) -> None:
    """A Concat along an axis of values with the same order of axes; a section of it may be one of the values."""
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
    inputs = tuple(p.in_front(name, node) for name in node.inputs)
    shape = [*p.sizes[inputs[0]]]
    shape[place or 0] = sum(p.sizes[name][place or 0] for name in inputs)
    if not p.leads(known[0]):
        node = replace(node, attributes={"axis": place})
    p.views[node.outputs[0]] = p.emit(node, known[0], shape, inputs=inputs)


SECTIONS: dict[str, Rule] = {"Concat": _concat, "Gather": _gather, "Slice": _slice, "Split": _split}
"""The rule of each operator."""
