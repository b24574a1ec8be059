"""Unlisted slips: the solution with one place changed, in every way in which students might easily change it."""

import ast
import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .exercise import Exercise, Slip, Words, copied
from .verdict import finding


class Place(NamedTuple):
    """The position of a piece of the solution, and its replacement."""

    kind: str
    start: int
    end: int
    text: str


def variants(exercise: Exercise, arguments: dict[str, Any]) -> Iterator[Slip]:
    """The solution with one change each, the most frequent ones first; the arguments show which names are arrays."""
    whole, seen = exercise.backward.strip("\n"), {exercise.backward.strip("\n")}
    places = list(_places(whole, _arrays(exercise, arguments)))
    for kind, start, end, text in sorted(places, key=lambda place: list(KINDS).index(place.kind)):
        changed = whole[:start] + text + whole[end:]
        if changed not in seen:
            seen.add(changed)
            yield Slip(f"variant_{kind}", (whole,), (changed,), {})


def said(variant: Slip) -> Words:
    """A variant's change in words; composed on demand, since this takes longer than running the variant."""
    return finding(variant.id, line=_line(*variant.right, *variant.wrong)).says


KINDS: dict[str, tuple[str, ...]] = {
    "sign": ("(-{})",),
    "missing": ("(0 * {})", "(1 + 0 * {})", "(1 - {})"),
    "transposed": ("{}.T",),
    "operation": (),
    "sum": (),
    "index": ("({} + 1)", "({} - 1)", "0", "-1"),
    "steps": (),
    "statement": (),
    "other": ("{other}",),
    "factor": ("(2 * {})", "({} / 2)"),
    "power": ("({} ** 2)", "np.sqrt(np.abs({}))", "(1 / {})", "np.abs({})", "np.tanh({})", "({0} - {0}.mean(0))"),
    "reversed": ("{}[::-1]", "{}[:, ::-1]"),
    "some": ("np.r_[{0}[:1], 0 * {0}[1:]]", "np.r_[0 * {0}[:1], {0}[1:]]", "np.r_[{0}[:-1], 0 * {0}[-1:]]"),
    "too_many": ("({} * {other})", "({} + {other})", "({} - {other})", "({} / {other})"),
}
"""Replacements of an expression; {other} is each array in turn."""
SUMS = "sum", "mean", "max"
SHAPED = "reshape", "zeros", "zeros_like", "swapaxes", "range"
AXES = "0", "1", "", "-1", "(0, 1)", "(0, 2)", "(1, 2)", "(2, 3)"
SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@"}


def _places(text: str, arrays: list[str]) -> Iterator[Place]:
    tree, lines = ast.parse(text), [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    own = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)})

    def span(node: Any) -> tuple[int, int]:
        return lines[node.lineno - 1] + node.col_offset, lines[node.end_lineno - 1] + node.end_col_offset

    def source(node: Any) -> str:
        start, end = span(node)
        return text[start:end]

    for node, role in _nodes(tree, "statement"):
        start, end = span(node)
        if role == "statement":
            yield from (Place(kind, start, end, new) for kind, new in _statement(node, source))
            continue
        for kind, new in _operation(node, source):
            yield Place("index" if role == "index" else kind, start, end, new)
        mine = f"({source(node)})"
        if role == "index":
            kinds = ["index"]
        elif isinstance(node, ast.Constant) or isinstance(getattr(node, "operand", None), ast.Constant):
            kinds = ["sign", "missing", "factor"]
        else:
            kinds = [kind for kind in KINDS if kind != "index"]
        for kind in kinds:
            for written in KINDS[kind]:
                others = [""] if "{other}" not in written else arrays if kind == "too_many" else [*arrays, *own]
                yield from (Place(kind, start, end, written.format(mine, other=other)) for other in others)


def _nodes(node: ast.AST, role: str) -> Iterator[tuple[ast.AST, str]]:
    """The statements, values and indices in a piece of code, from the outside in."""
    for name, field in ast.iter_fields(node):
        for child in field if isinstance(field, list) else [field]:
            if isinstance(child, ast.stmt):
                yield child, "statement"
                yield from _nodes(child, "value")
            elif isinstance(child, ast.expr):
                inner = "index" if (isinstance(node, ast.Subscript) and name == "slice") or role == "index" else "value"
                target = name in ("target", "targets")
                plain = not isinstance(child, ast.Tuple | ast.Slice | ast.Starred) and name != "func" and not target
                plain = plain and not (name == "args" and _shapes(node))
                if plain and not (isinstance(child, ast.Constant) and isinstance(child.value, str | None)):
                    yield child, "steps" if name == "iter" else inner
                if not isinstance(child, ast.Name) and not (name == "args" and _shapes(node)):
                    yield from _nodes(child, inner)
            elif isinstance(child, ast.AST):
                yield from _nodes(child, role)


def _shapes(call: Any) -> bool:
    """Whether a call's arguments are lengths or axes, which are seldom wrong without raising an error."""
    return getattr(call.func, "attr", getattr(call.func, "id", "")) in SHAPED


def _statement(node: ast.AST, source: Any) -> Iterator[tuple[str, str]]:
    """Changes of a statement: omitted; an addition as an assignment or a subtraction."""
    if isinstance(node, ast.Assign | ast.AugAssign):
        yield "statement", "pass"
    if isinstance(node, ast.AugAssign):
        yield "sign", f"{source(node.target)} -= {source(node.value)}"


def _operation(node: ast.AST, source: Any) -> Iterator[tuple[str, str]]:
    """Changes of an operation, an axis, or a loop's steps."""
    if isinstance(node, ast.BinOp):
        left, right = f"({source(node.left)})", f"({source(node.right)})"
        yield from (("missing", one) for one in (left, right))
        for sign in SIGNS.values():
            yield "operation", f"({left} {sign} {right})"
        yield "operation", f"({right} {SIGNS.get(type(node.op), '*')} {left})"
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transposed", source(node.value)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SUMS:
        of, more = source(node.func.value), ", keepdims=True" if node.keywords else ""
        yield "sum", of
        axis = source(node.args[0]) if node.args else ""
        yield from (("sum", f"{of}.{how}({axis}{more})") for how in SUMS)
        yield from (("sum", f"{of}.sum({other or None}{more})") for other in AXES)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("range", "reversed"):
        inner = source(node.args[0])
        if node.func.id == "range":
            yield from (("steps", f"range{some}") for some in (f"({inner} - 1)", f"(1, {inner})", f"(0, {inner}, 2)"))
        yield "steps", inner if node.func.id == "reversed" else f"reversed({source(node)})"


def _arrays(exercise: Exercise, arguments: dict[str, Any]) -> list[str]:
    """The names of arrays in the backward: its own argument, the function's arguments, and forward's variables."""
    (function,) = (node for node in ast.parse(exercise.source()).body if getattr(node, "name", "") == exercise.function)
    inner = [node for node in ast.walk(function) if isinstance(node, ast.FunctionDef) and node is not function]
    within = {id(node) for one in inner for node in ast.walk(one)}
    outer = [node for node in ast.walk(function) if id(node) not in within]
    names = [node.arg for node in outer if isinstance(node, ast.arg)]
    if inner:  # else the exercise is an update without a backward
        names += [node.id for node in outer if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    space: dict[str, Any] = {"np": np}
    exec(exercise.filled(f"return {{{', '.join(f'{name!r}: {name}' for name in dict.fromkeys(names))}}}"), space)
    values = space[exercise.function](**copied(arguments))
    if inner:
        values = values[1](*inner[-1].args.args)
    above = [one.arg for one in inner[-1].args.args if one.arg != "grads"] if inner else []
    return above + [key for key, one in values.items() if isinstance(one, np.ndarray) and one.dtype.kind == "f"]


def _line(whole: str, text: str) -> str:
    """The line of the text that differs, without superfluous brackets."""
    at = next((at for at, (one, other) in enumerate(zip(whole, text, strict=False)) if one != other), len(text))
    line = text[text.rfind("\n", 0, at) + 1 :].partition("\n")[0].strip()
    with contextlib.suppress(SyntaxError):
        return ast.unparse(ast.parse(line)).strip()
    return line
