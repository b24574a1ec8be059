"""The C functions that a network needs, and arrays, texts and calls as C."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .memory import plan
from .trace import Call

_FILES = ("products", "windows", "elementwise", "joins", "recurrent", "pixels")
_NAME = re.compile(r"^(?:static (?:inline )?\w+ \*?|} )(\w+)[(;]", re.MULTILINE)


@cache
def _functions() -> dict[str, str]:
    """All functions and types, by name; each comes after those that it uses."""
    folder = Path(__file__).parent / "functions"
    texts = [(folder / f"{name}.c").read_text("utf-8").strip() for name in _FILES]
    blocks = [block for text in texts for block in re.split(r"\n\n(?=/\*|static|typedef)", text)]
    return {_NAME.findall(block)[0]: block for block in blocks}


def functions(used: str) -> str:
    """The functions that the text calls, directly or indirectly."""
    wanted, words = _functions(), _words(used)
    for name in reversed(wanted):
        if name in words:
            words |= _words(wanted[name])
    return "\n\n".join(block for name, block in wanted.items() if name in words)


def _words(code: str) -> set[str]:
    return set(re.findall(r"\w+", re.sub(r"/\*.*?\*/", "", code, flags=re.DOTALL)))


def number(value: Any) -> str:
    """An element as text that C reads as the same bits; float32 gets the suffix f, so that it is not a double."""
    if isinstance(value, np.integer):
        return str(value)
    if np.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    text = str(np.float32(value))
    return f"{text}f" if {".", "e"} & set(text) else f"{text}.0f"


def array(name: str, values: np.ndarray) -> str:
    """The definition of a constant array."""
    kind = {"int8": "int8_t", "int32": "int32_t"}.get(values.dtype.name, "float")
    axes = "".join(f"[{n}]" for n in values.shape)
    lines, line = [f"static const {kind} {name}[{values.size}] = {{ /* {axes} */"], "   "
    for value in values.ravel():
        text = f" {number(value)},"
        if len(line) + len(text) > 118:
            lines.append(line)
            line = "   "
        line += text
    return "\n".join([*lines, line, "};"])


def text(value: str) -> str:
    """A string literal of the value's UTF-8."""
    plain = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in value.encode())
    return f'"{plain}"'


def comment(value: str) -> str:
    """The text in a form that is safe in a comment."""
    return value.replace("*/", "* /").replace("/*", "/ *")


def body(calls: list[Call]) -> tuple[str, int]:
    """The calls as the body of a function, with its buffers by name, and the number of elements of its workspace."""
    places, size = plan(calls)
    local = [f"    float *const {b.name} = {place};" for b, place in places.items() if place.startswith("workspace")]
    names = {b: b.name if place.startswith("workspace") else place for b, place in places.items()}
    lines = []
    for call in calls:
        arguments = ", ".join(
            f"{names[one[0]]} + {one[1]}" if isinstance(one, tuple) else names.get(one, str(one))
            for one in call.arguments
        )
        lines += [f"    /* {comment(call.remark)} */"] if call.remark else []
        lines.append(f"    {call.function}({arguments});")
    return "\n".join(local + lines), size
