"""Replace layer normalisation that exporters write as many operators by the single operator LayerNormalization.

With m the mean of x over some axes, q the mean of its squares, and s = 1 / sqrt(q - m^2 + eps), the output is
(x - m) s gamma + beta. Values are represented as polynomials in x, m, q and s with constant coefficients, so that the
nodes may be arranged in any way; mean((x - m)^2), for example, is q - m^2.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from math import isclose, prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from .graph import OPSET, Graph, needed
from .node import Node
from .walk import COPIES

Powers: TypeAlias = tuple[int, ...]
"""The exponents of x, m, q and s."""

Coefficient: TypeAlias = tuple[float, str]
"""A factor, and the name of the constant array by which it is multiplied; "" for none."""

ONE: Powers = (0, 0, 0, 0)
X, XS, MS, ROOT = (1, 0, 0, 0), (1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 0, -1)
VARIANCE: dict[Powers, Coefficient] = {(0, 0, 1, 0): (1.0, ""), (0, 2, 0, 0): (-1.0, "")}

LARGEST = 8
"""The most terms, and the largest exponents, of a polynomial that is followed."""


class OtherError(Exception):
    """A value is not such a polynomial, or one with too many terms or too large exponents."""


class Form(NamedTuple):
    """A polynomial in the value named x, with the axes of its means and the eps in s; empty if it has none."""

    x: str
    axes: tuple[int, ...]
    eps: float
    terms: dict[Powers, Coefficient]

    def plus(self, *others: "Form") -> "Form":
        found = self
        for other in others:
            terms = dict(found.terms)
            for powers, (factor, array) in other.terms.items():
                before = terms.get(powers, (0.0, array))
                if before[1] != array:
                    raise OtherError
                terms[powers] = before[0] + factor, array
            found = found._with(other, terms)
        if len(found.terms) > LARGEST:
            raise OtherError
        return found

    def times(self, other: "Form") -> "Form":
        found = self._with(other, {})
        for (powers, (c, array)), (others, (d, another)) in product(self.terms.items(), other.terms.items()):
            key = tuple(a + b for a, b in zip(powers, others, strict=True))
            if (array and another) or max(map(abs, key)) > LARGEST:
                raise OtherError
            found = found.plus(found._replace(terms={key: (c * d, array or another)}))
        return found

    def inverse(self) -> "Form":
        """The inverse of a number, or of 1 / s."""
        (powers, (factor, array)), *more = self.terms.items()
        if more or any(powers[:3]) or array or not factor:
            raise OtherError
        return self._replace(terms={(0, 0, 0, -powers[3]): (1 / factor, "")})

    def root(self) -> "Form":
        """The square root of the variance plus eps, 1 / s."""
        terms = dict(self.terms)
        eps, array = terms.pop(ONE, (0.0, ""))
        if self.eps or array or not eps > 0 or not alike(terms, VARIANCE):
            raise OtherError
        return self._replace(eps=eps, terms={ROOT: (1.0, "")})

    def mean(self, axes: tuple[int, ...]) -> "Form":
        found = self._with(Form("", axes, 0.0, {}), {})
        for (x, m, q, s), (factor, array) in self.terms.items():
            if x > 2 or s or array:
                raise OtherError
            found = found.plus(found._replace(terms={(0, m + (x == 1), q + (x == 2), 0): (factor, "")}))
        return found

    def _with(self, other: "Form", terms: dict[Powers, Coefficient]) -> "Form":
        """A polynomial of these terms, with the common x, axes and eps of both."""
        if any(a and b and a != b for a, b in zip(self[:3], other[:3], strict=True)):
            raise OtherError
        return Form(self.x or other.x, self.axes or other.axes, self.eps or other.eps, terms)


def alike(terms: dict[Powers, Coefficient], others: dict[Powers, Coefficient]) -> bool:
    return terms.keys() == others.keys() and all(
        array == others[powers][1] and isclose(factor, others[powers][0], rel_tol=1e-6)
        for powers, (factor, array) in terms.items()
    )


def number(value: float) -> Form:
    return Form("", (), 0.0, {ONE: (value, "")})


def _power(a: Form, b: Form) -> Form:
    how = {2.0: lambda: a.times(a), 0.5: a.root, -0.5: lambda: a.root().inverse(), -1.0: a.inverse}
    for exponent, result in how.items():
        if b == number(exponent):
            return result()
    raise OtherError


def _larger(*forms: Form) -> Form:
    """The variance as the larger of itself and 0, since it is never below 0."""
    for form in forms:
        if len(forms) == 2 and alike(form.terms, VARIANCE) and number(0.0) in forms:
            return form
    raise OtherError


RESULTS: dict[str, Callable[..., Form]] = {
    "Add": Form.plus,
    "Cast": lambda a: a,
    "Div": lambda a, b: a.times(b.inverse()),
    "Identity": lambda a: a,
    "Max": _larger,
    "Mul": Form.times,
    "Neg": lambda a: a.times(number(-1)),
    "Pow": _power,
    "Reciprocal": Form.inverse,
    "Sqrt": Form.root,
    "Sub": lambda a, b: a.plus(b.times(number(-1))),
    "Sum": Form.plus,
}
"""For each operator, its output's polynomial as a function of its inputs'."""


def with_layer_norms(graph: Graph) -> Graph:
    """The graph with one node for each layer normalisation; unchanged if shapes are unknown or xpnn wrote it."""
    if graph.from_xpnn or not graph.sizes:
        return graph
    search = _Search(graph)
    nodes = [each for node in graph.nodes for each in search.take(node)]
    return replace(graph, nodes=needed(nodes, graph.outputs), constants=search.constants) if search.found else graph


class _Search:
    """The polynomials so far. Every value whose mean is taken becomes an x, unless it has squares of another x."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.constants, self.found = graph, dict(graph.constants), False
        self.budget = 2**24 + COPIES * sum(value.nbytes for value in graph.constants.values())
        read = (node.inputs[0] for node in graph.nodes if node.op in ("ReduceMean", "ReduceSum"))
        self.forms = {name: Form(name, (), 0.0, {X: (1.0, "")}) for name in read if name in graph.sizes}

    def take(self, node: Node) -> list[Node]:
        """The node, or those that replace it."""
        out = node.outputs[0]
        try:
            form = self._form(node)
        except OtherError:
            return [node]
        if out not in self.forms or any(powers[0] == 2 for powers in form.terms):
            self.forms[out] = form
        found = self._norm(node, form)
        self.found = self.found or bool(found)
        return found or [node]

    def _form(self, node: Node) -> Form:
        """The polynomial of the node's output, which has as many axes as its inputs."""
        if node.op in ("ReduceMean", "ReduceSum"):
            return self._mean(node)
        if node.op in ("Expand", "Reshape", "Squeeze", "Unsqueeze"):
            return self._shaped(node)
        if node.op not in RESULTS or "axis" in node.attributes:  # before opset 7, broadcasts from this axis on
            raise OtherError
        values = [name for name in (*node.inputs, *node.outputs) if name not in self.graph.constants]
        types = [self.graph.types.get(name, (np.dtype(bool), None))[0] for name in values]
        if {dtype.kind for dtype in types} != {"f"} or len({*map(self._rank, values)}) > 1:
            raise OtherError
        forms = {name: self._known(name) for name in node.inputs if name not in self.graph.constants}
        among = next((form for form in forms.values() if form.axes), None)
        return RESULTS[node.op](*(forms.get(name) or self._constant(name, among, values[-1]) for name in node.inputs))

    def _shaped(self, node: Node) -> Form:
        """The polynomial of one number for each mean, with or without axes of length 1 in place of the means' axes."""
        form, sizes = self._known(node.inputs[0]), self.graph.sizes
        if not form.axes or any(powers[0] or array for powers, (_, array) in form.terms.items()):
            raise OtherError
        full = sizes[form.x]
        kept = tuple(tuple(1 if k in form.axes else n for k, n in enumerate(each)) for each in full)
        without = tuple(tuple(n for k, n in enumerate(each) if k not in form.axes) for each in full)
        if node.op == "Expand" and self._rank(node.inputs[0]) != len(full[0]):
            raise OtherError
        if sizes.get(node.outputs[0]) not in (kept, full if node.op == "Expand" else without):
            raise OtherError
        return form

    def _known(self, name: str) -> Form:
        if name not in self.forms:
            raise OtherError
        return self.forms[name]

    def _constant(self, name: str, among: Form | None, out: str) -> Form:
        """A number or an array, which must not vary along axes other than those of the means."""
        value = self.graph.constants[name]
        self.budget -= value.nbytes
        if value.dtype.kind not in "fi" or self.budget < 0:
            raise OtherError
        if among is not None and value.size > 1:
            axes, before = among.axes if self._rank(out) == self._rank(among.x) else (), self._rank(out) - value.ndim
            first = value[tuple(slice(None if k + before in axes else 1) for k in range(value.ndim))]
            if first.size < value.size and np.array_equal(np.broadcast_to(first, value.shape), value):
                value, name = first, f"{name}/{first.shape}"
                self.constants[name] = value
        return number(value.item()) if value.size == 1 else Form("", (), 0.0, {ONE: (1.0, name)})

    def _mean(self, node: Node) -> Form:
        form, rank = self._known(node.inputs[0]), self._rank(node.inputs[0])
        given: Any = node.attributes.get("axes")
        if given is None and len(node.inputs) > 1:
            given = self.graph.constants.get(node.inputs[1])
        if not form.x or given is None or not np.size(given):
            raise OtherError
        axes = tuple(sorted(normalize_axis_index(int(axis), rank) for axis in np.ravel(given)))
        counts = {prod(sizes[k] for k in axes) for sizes in self.graph.sizes[node.inputs[0]]}
        if 0 in axes or (node.op == "ReduceSum" and len(counts) > 1):
            raise OtherError
        found = form.mean(axes)
        return found.times(number(counts.pop())) if node.op == "ReduceSum" else found

    def _rank(self, name: str) -> int:
        if name not in self.graph.sizes:
            raise OtherError
        return len(self.graph.sizes[name][0])

    def _norm(self, node: Node, form: Form) -> list[Node]:
        """The operator, if this is its output; if its axes are not the last ones, x is transposed there and back."""
        gamma, beta = (form.terms.get(powers, (0.0, ""))[1] for powers in (XS, ONE))
        whole: dict[Powers, Coefficient] = {XS: (1.0, gamma), MS: (-1.0, gamma)}
        if not alike(form.terms, whole | ({ONE: (1.0, beta)} if beta else {})):
            return []
        try:
            weights = [self._weight(form, name) for name in (gamma, beta)]
        except OtherError:
            return []
        if beta and not gamma:
            weights[0] = f"{weights[1]}/ones"
            self.constants[weights[0]] = np.ones_like(self.constants[weights[1]])
        rank, out = len(self.graph.sizes[form.x][0]), node.outputs[0]
        perm = [*(k for k in range(rank) if k not in form.axes), *form.axes]
        turn = perm != [*range(rank)]
        x, y = (f"{out}/turned", f"{out}/normalised") if turn else (form.x, out)
        how = {"axis": -len(form.axes), "epsilon": form.eps}
        inputs = x, *filter(None, weights)
        norm = Node(node.name, "LayerNormalization", inputs, (y,), OPSET, how)
        if not turn:
            return [norm]
        there, back = (replace(node, op="Transpose", attributes={"perm": p}) for p in (perm, np.argsort(perm).tolist()))
        return [replace(there, inputs=(form.x,), outputs=(x,)), norm, replace(back, inputs=(y,), outputs=(out,))]

    def _weight(self, form: Form, name: str) -> str:
        """The name of this array with only the axes over which x is normalised."""
        if not name:
            return name
        value, lengths = self.constants[name], self.graph.sizes[form.x][0]
        shape = tuple(lengths[k] for k in form.axes)
        given = (1,) * (len(lengths) - value.ndim) + value.shape
        if given != tuple(n if k in form.axes else 1 for k, n in enumerate(lengths)):
            raise OtherError
        if value.shape == shape:
            return name
        self.constants[f"{name}/{shape}"] = value.reshape(shape)
        return f"{name}/{shape}"
