"""The stand-in for nccl4py against the real one, which can be imported without a GPU and without NCCL."""

import ast
import inspect
from functools import reduce
from pathlib import Path

import pytest
from nccl import core
from nccl.bindings.nccl import NCCLError, Result, check_status

SOURCE = Path(__file__).parents[1] / "stand_in" / "nccl" / "core.py"


def functions() -> dict[str, list[str]]:
    """The parameters of each function and public method, by its dotted name."""
    found = {}
    for node in ast.parse(SOURCE.read_text()).body:
        for one in node.body if isinstance(node, ast.ClassDef) else [node]:
            name = f"{node.name}.{one.name}" if one is not node and isinstance(one, ast.FunctionDef) else ""
            name = node.name if isinstance(node, ast.FunctionDef) else name
            if name and not one.name.startswith("_"):
                arguments = [*one.args.args, *one.args.kwonlyargs]
                found[name] = [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]
    return found


@pytest.mark.parametrize(("name", "parameters"), functions().items())
def test_stand_in_has_the_same_parameters(name, parameters):
    real = inspect.signature(reduce(getattr, name.split("."), core)).parameters
    assert [parameter for parameter in real if parameter != "self"] == parameters


def test_states_are_those_that_are_waited_for():
    """An operation that does not block is no error while it is under way."""
    assert (Result.Success, Result.InProgress) == (0, 7)
    assert core.NCCLConfig(blocking=False).blocking is False
    check_status(Result.InProgress)
    assert bytes(core.UniqueId.from_bytes(bytes(128))) == bytes(128)
    assert not issubclass(NCCLError, (ImportError, RuntimeError))  # what is taken for a missing library
