"""Recurrent nodes with the batch first; see ``batch_first.py``."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from . import layers as make
from .axes import View, joined, transposed, whole
from .batch_first import FIRST, BatchFirst
from .node import Node


def cell(p: BatchFirst, node: Node) -> None:
    """Map (N, T, features) to all states (N, T, D H) and the last ones (N, D H), for D directions."""
    view = p.views[node.inputs[0]]
    o = make.recurrent_options(node)
    order = (0, 1, 2) if o.layout else (1, 0, 2)
    view = transposed(view, order)
    if not p.leads(view):
        node.refuse("input 0", FIRST)
    x = p.place(view.base, view.groups, p.maker.get(node.inputs[0], node))
    inputs = (*node.inputs, *[""] * 8)[:8]
    if inputs[4]:
        node.refuse("sequence_lens", "xpnn's networks take lengths beside their input")
    if inputs[7] and (inputs[7] not in p.constants or p.constants[inputs[7]].any()):
        node.refuse("P", "xpnn's LSTM has no peepholes")
    if any(name in p.views for name in inputs[1:4]):
        node.refuse("input", "xpnn's parameters are constants of the model")
    for index in (1, 2):
        if len(W := p.sizes.get(inputs[index], ())) != 3 or 0 in W:
            node.refuse(f"input {index}", "no layer of xpnn's has a weight of this shape", W)
    (N, T, _), D = p.sizes[x], 2 if o.direction == "bidirectional" else 1
    H = p.sizes[inputs[2]][-1]
    components = ("h", "c") if node.op == "LSTM" else ("h",)
    starts = [_start(p, node, f"initial_{k}", inputs[5 + i], order) for i, k in enumerate(components)]
    roles = {what: f"{next(filter(None, node.outputs), node.name)}/{what}" for what in ("all", *components)}
    noted = {"roles": roles, "starts": tuple(how for how, _ in starts), "own": node.attributes}
    given = (x, *inputs[1:4], *(name for _, name in starts))
    p.nodes.append(replace(node, inputs=given, outputs=tuple(roles.values()), attributes=noted))
    for what, name in roles.items():
        p.describe(name, x, (N, T, D * H) if what == "all" else (N, D * H), p.dtypes[x])
    n, t = whole(roles["all"], p.sizes[roles["all"]]).groups[:2]
    d, h = (((2, H, D),) if D > 1 else ()), ((2, 1, H),) if H > 1 else ()
    last = [tuple((1, step, size) for _, step, size in group) for group in (d, h)]
    every, ends = ((n, t, d, h), (n, *last)) if o.layout else ((t, d, n, h), (last[0], n, last[1]))
    for output, what in zip(node.outputs, roles, strict=False):
        if output:
            p.views[output] = View(roles[what], every if what == "all" else ends)
    p.cells[roles["all"]] = p.cells[roles["h"]] = (roles["h"], D, H)


def _start(p: BatchFirst, node: Node, what: str, name: str, order: tuple[int, ...]) -> tuple[str, str]:
    """The kind of start of a state component, and its value's name: (D, 1, H) if it is constant, else (N, D H)."""
    if not name:
        return "zeros", ""
    if name in p.views:
        groups = transposed(p.views[name], order).groups
        view = View(p.views[name].base, (groups[0], joined(groups[1] + groups[2])))
        if not p.leads(view):
            node.refuse(what, FIRST)
        return "given", p.place(view.base, view.groups, p.maker.get(name, node))
    value = p.constants.get(name)
    if value is None or value.ndim != 3:
        node.refuse(what, "no layer of xpnn's has a weight of this shape", p.sizes.get(name))
    if not value.any() and not p.graph.from_xpnn:  # xpnn writes no value for zeros, so its zeros are learned
        return "zeros", ""
    value = value.transpose(1, 0, 2) if order[0] == 0 else value
    if (value != value[:, :1]).any():
        node.refuse(what, "it differs from sample to sample", value.shape)
    made = f"{name}/state"
    p.constants[made] = np.ascontiguousarray(value[:, :1])
    p.declare(made, p.constants[made].shape, p.constants[made].shape, value.dtype)
    return "learned", made


def summed_directions(p: BatchFirst, node: Node, view: View, axes: list[int], keep: bool) -> bool:
    """Whether the node adds the two directions of a recurrent node; if so, that node outputs their sum."""
    _, D, H = p.cells[view.base]
    if D != 2 or len(axes) != 1 or view.groups[axes[0]] != ((len(p.sizes[view.base]) - 1, H, 2),):
        return False
    at = next(k for k, each in enumerate(p.nodes) if view.base in each.outputs)
    cell, name = p.nodes[at], f"{view.base}/sum"
    roles = cell.attributes["roles"]
    roles |= {"sum of all" if roles["all"] == view.base else "sum": name}
    p.nodes[at] = replace(cell, outputs=tuple(roles.values()))
    p.describe(name, view.base, (*p.sizes[view.base][:-1], H), p.dtypes[view.base])
    groups = [() if k in axes else group for k, group in enumerate(view.groups) if keep or k not in axes]
    p.views[node.outputs[0]] = View(name, tuple(groups))
    return True


def as_layers(nodes: Sequence[Node], outputs: Sequence[str]) -> Iterator[Node]:
    """The nodes; recurrent ones get the outputs that are read: first the layer's output, then its last state."""
    read = {name for node in nodes for name in node.inputs} | {*outputs}
    for node in nodes:
        roles = dict(node.attributes.get("roles", {}))
        used = {what for what, name in roles.items() if name in read}
        if not roles or not used:
            yield node
            continue
        first, *others = [what for what in ("all", "sum of all", "sum") if what in used] or ["h"]
        if others:
            node.refuse(
                "outputs", "of both directions a layer gives all states or the last ones, side by side or added"
            )
        states = [roles[what] * (what != first) for what in ("h", "c") if what in roles]
        settings = {
            "return_sequences": first.endswith("all"),
            "return_state": bool(used - {first}) or outputs.count(roles["h"]) > 1,
            "initial_state": node.attributes["starts"],
        }
        names = (roles[first], *(states if settings["return_state"] else ()))
        noted = {"settings": settings, "merge": "sum" if first.startswith("sum") else "concat"}
        yield replace(node, outputs=names, attributes=node.attributes | noted)
