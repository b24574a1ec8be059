"""One run of an exercise's function, and the process that runs a student's file.

The grader imports this file for its own solutions and runs it as a script for a student's: it imports only NumPy. A
request is a line of JSON on standard input, and its answer is a line on standard output. Nothing else is read, so a
stranger's file cannot harm the grader by its answers.
"""

import contextlib
import copy
import errno
import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

Result = dict[str, Any]
"""``y``, ``gradients`` by their names, and ``moved``: the caller's arrays that were changed in place."""


def run(function: Callable[..., Any], arguments: dict[str, Any], dy: Any = None, start: float = 0.0) -> Result:
    """Forward and backward, or an update in place.

    Args:
        function: gives (y, backward), or changes its arguments in place.
        arguments: the arguments by name; ``params`` is a dict of arrays.
        dy: dE/dy; None for the forward only. A loss, whose y is a single value, has a backward without an argument.
        start: the value in ``grads`` before backward adds to it.
    """
    kept = copy.deepcopy(arguments)
    result = function(**arguments)
    if not (isinstance(result, tuple) and len(result) == 2 and callable(result[1])):
        return {"y": None, "gradients": _arrays(arguments), "moved": []}
    y, backward = _number_array(result[0]), result[1]
    gradients: dict[str, Any] = {}
    if dy is not None:
        grads = {key: np.full_like(value, start).view(_Sum) for key, value in arguments.get("params", {}).items()}
        dy_kept = dy.copy()
        given = ([dy] if np.ndim(y) else []) + ([grads] if grads else [])
        first = next(iter(arguments))
        gradients[f"dE/d{first}"] = backward(*given)
        gradients |= {f"dE/d{key}": grads.get(key) for key in arguments.get("params", {})}
        kept, arguments = {**kept, "the gradient dE/dy": dy_kept}, {**arguments, "the gradient dE/dy": dy}
    numbers = {key: _number_array(value) for key, value in gradients.items()}
    return {"y": y, "gradients": numbers, "moved": _moved(kept, arguments)}


class _Sum(np.ndarray):
    """A gradient to which arrays of more axes may be added: the grader then says over which axis a sum is missing."""

    def __iadd__(self, other: Any) -> Any:  # type: ignore[misc]
        try:
            return super().__iadd__(other)
        except ValueError:
            return np.asarray(other) + self.ravel()[0]  # all its elements still have the same value


def _arrays(arguments: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if isinstance(value, np.ndarray)}


def _moved(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The names of the arrays that have changed."""
    flat = [{**_arrays(some), **some.get("params", {})} for some in (before, after)]
    return [key for key, value in flat[0].items() if not np.array_equal(value, flat[1][key], equal_nan=True)]


def packed(value: Any) -> Any:
    """A value for JSON; anything that does not hold numbers becomes None."""
    if isinstance(value, dict):
        return {str(key): packed(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.kind, "shape": value.shape, "values": value.ravel().tolist()}
    return value


def unpacked(value: Any) -> Any:
    """The inverse of :func:`packed`."""
    if isinstance(value, dict) and value.keys() == {"dtype", "shape", "values"}:
        dtype = np.int64 if value["dtype"] == "i" else np.float64
        return np.array(value["values"], dtype).reshape(value["shape"])
    return {key: unpacked(one) for key, one in value.items()} if isinstance(value, dict) else value


def _number_array(value: Any) -> Any:
    """The value as a float64 array, or None if it does not hold numbers."""
    with contextlib.suppress(ValueError, TypeError):
        array = np.asarray(value)
        return array.astype(np.float64) if array.dtype.kind in "fiub" else None
    return None


def _fault(error: BaseException, file: str) -> dict[str, Any]:
    """An exception's message, and the shapes of the arrays at the file's line where it was raised."""
    fault: dict[str, Any] = {"kind": type(error).__name__, "message": str(error)[:500]}
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == file:
            fault |= {"line": line, "shapes": _shapes(frame.f_locals)}
    if isinstance(error, SyntaxError):
        fault |= {"message": str(error.msg), "line": error.lineno, "shapes": {}}
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        fault["kind"] = "flood"
    return fault


def _shapes(names: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    inner = {f'{name}["{key}"]': one for name, value in names.items() if isinstance(value, dict)
             for key, one in value.items()}  # fmt: skip
    return {key: value.shape for key, value in {**names, **inner}.items() if isinstance(value, np.ndarray)}


def _imported(file: str, name: str) -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location("exercise", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[..., Any] | None = getattr(module, name, None)
    if function is None:
        raise NameError(f"the file defines no function {name}")
    return function


def _serve(file: str, name: str) -> None:
    requests, answers = sys.stdin, os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keeps the student's output apart from the answers
    sys.stdin = open(os.devnull)  # noqa: SIM115 - until the process ends
    function = None
    for line in requests:
        request = unpacked(json.loads(line))
        try:
            function = function or _imported(file, name)
            result = run(function, request["arguments"], request["dy"], request["start"])
            sys.stdout.flush()
        except SystemExit:
            result = {"fault": {"kind": "ended"}}
        except BaseException as error:
            result = {"fault": _fault(error, file)}
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        print(json.dumps(packed(result)), file=answers, flush=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
