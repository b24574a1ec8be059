"""The examples in public docstrings run, and no public class or function lacks one."""

import doctest
import importlib
import inspect
import re

import numpy as np
import pytest

import xpnn as nn

PUBLIC = {name: getattr(nn, name) for name in nn.__all__}
PUBLIC |= {f"plots.{name}": getattr(nn.plots, name) for name in nn.plots.__all__}
PUBLIC |= {f"learn.{name}": getattr(nn.learn, name) for name in nn.learn.__all__}
for name in ("explore", "interop.c", "interop.onnx", "interop.sklearn", "interop.torch"):
    try:
        module = importlib.import_module(f"xpnn.{name}")
    except ImportError:  # without the extra
        continue
    PUBLIC |= {f"{name}.{own}": getattr(module, own) for own in module.__all__}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
EXAMPLES = [
    example
    for name, value in PUBLIC.items()
    if inspect.isclass(value) or inspect.isfunction(value)
    for example in doctest.DocTestFinder().find(
        value, name, module=False, globs=PUBLIC | {"nn": nn, "np": np, "learn": nn.learn}
    )
    if example.examples and "._" not in example.name  # what a class hides may be another library's
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_runs(example, tmp_path, monkeypatch):
    if example.name == "interop.torch.to_state_dict":
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    told = []
    doctest.DocTestRunner(optionflags=FLAGS).run(example, out=told.append)
    assert not told, "".join(told)


def test_every_reference_leads_to_a_public_name():
    documented = [(name, inspect.getdoc(value) or "") for name, value in PUBLIC.items() if hasattr(value, "__name__")]
    names = {name.rpartition(".")[2] for name in PUBLIC}
    led = [(name, to) for name, text in documented for to in re.findall(r":(?:func|class|data):`([\w.]+)`", text)]
    assert led
    assert [(name, to) for name, to in led if not set(to.split(".")) & names] == []


def test_every_public_class_and_function_has_an_example():
    public = {name for name, value in PUBLIC.items() if inspect.isclass(value) or inspect.isfunction(value)}
    without = {"BackendError", "interop.onnx.UnsupportedNodeError", "interop.sklearn.NetworkEstimator", "explore.serve"}
    assert public - {example.name for example in EXAMPLES} == without & public
