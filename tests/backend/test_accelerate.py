"""Equations and the forms that take their place: which runs, and that NN_PLAIN=1 imports no form at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from xpnn.backend import accelerate, accelerated, runs_by
from xpnn.backend.accelerate import EQUATIONS, may_decline
from xpnn.backend.select import plain

STAND_IN = Path(__file__).parents[1] / "stand_in"
STEPS = """
import sys
import numpy as np
import xpnn as nn

rng = np.random.default_rng(0)
for model, shape in ((nn.LeNet5(rng=0), (1, 28, 28)), (nn.RNNClassifier(6, 8, 10, rng=0), (5, 6))):
    x, y = rng.standard_normal((4, *shape)), rng.integers(0, 10, 4)
    before = nn.to_numpy(model.flat_params).copy()
    nn.fit(model, x, y, epochs=1, batch_size=4, validation=(x, y), verbose=False)
    assert (nn.to_numpy(model.flat_params) != before).any()
print(nn.describe())
print(*(name for name in sys.modules if name.startswith(("xpnn.backend.cpu", "xpnn.backend.cuda"))))
"""


def run_python(*arguments: str, backend: str, plain: str) -> list[str]:
    """What a fresh interpreter prints, line by line."""
    path = os.pathsep.join([str(STAND_IN)] * (backend == "cupy") + [*filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"NN_BACKEND": backend, "NN_PLAIN": plain, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("backend", ["numpy", "cupy"])
def test_plain_equations_need_no_module_of_forms(backend):
    description, forms = run_python("-c", STEPS, backend=backend, plain="1")
    assert description.startswith(backend)
    assert "plain" in description
    assert forms == ""


def test_without_nn_plain_the_forms_are_imported_and_not_called_plain():
    description, forms = run_python("-c", STEPS, backend="numpy", plain="0")
    assert "plain" not in description
    assert "xpnn.backend.cpu.pooling" in forms.split()


@pytest.mark.parametrize(("value", "plain"), [("true", True), ("FALSE", False)])
def test_nn_plain_in_words(value, plain):
    (description,) = run_python("-c", "import xpnn; print(xpnn.describe())", backend="numpy", plain=value)
    assert ("plain" in description) == plain


def test_nn_plain_with_another_value_is_refused():
    environment = os.environ | {"NN_BACKEND": "numpy", "NN_PLAIN": "yes please"}
    command = [sys.executable, "-c", "import xpnn"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "BackendError: NN_PLAIN='yes please' is neither 1 nor 0" in done.stderr


@pytest.mark.parametrize("backend", ["numpy", "cupy"])
def test_info_says_that_the_equations_run_plain(backend):
    lines = {plain: run_python("-m", "xpnn", "info", backend=backend, plain=plain) for plain in ("", "1")}
    assert [any("plain" in line for line in lines[plain]) for plain in ("", "1")] == [False, True]


@pytest.fixture
def with_form(monkeypatch):
    """Gives ``double`` as it runs where there is a form of that name."""

    def double(x):
        return 2 * x

    def chosen(form):
        monkeypatch.setattr(accelerate, "forms", lambda: {"double": form})
        return accelerated(double)

    yield chosen
    EQUATIONS.pop("double", None)


def test_a_form_takes_the_equations_place(with_form):
    def form(x):
        return "by the form"

    assert with_form(form) is form
    assert runs_by("double") == form.__module__.partition(".")[2]
    assert EQUATIONS["double"](2) == 4


def test_without_a_form_the_equation_stays(monkeypatch):
    def alone(x):
        return x

    try:
        assert accelerated(alone) is alone
        assert runs_by("alone") == "equation"
    finally:
        EQUATIONS.pop("alone")


def test_where_a_form_declines_the_equation_computes(with_form):
    @may_decline
    def form(x):
        return "by the form" if x > 0 else NotImplemented

    double = with_form(form)
    assert double(1) == "by the form"
    assert (double(-1), double(x=-2)) == (-2, -4)
    assert double.__name__ == "double"


def test_runs_by_names_the_module_or_the_equation():
    assert runs_by("max_pool").startswith("equation" if plain else "backend.")
    assert runs_by("no such equation") == "equation"
