"""Every form computes what its equation does, on drawn arguments, as far as rounding can tell.

The forms are those of the machine that runs, on NumPy, on a device or on the stand-in; under ``NN_PLAIN=1`` too, where
the package itself uses none of them. The tests of layers and optimisers vouch for the equations, these for the forms.
"""

from collections.abc import Callable
from importlib import import_module
from inspect import isfunction, signature
from typing import Any
from zlib import crc32

import pytest
from border import NO_KERNELS, emulate_cublas
from forms.cases import CASES, ON_CPU

from xpnn.backend import accelerate, accelerated
from xpnn.backend.accelerate import EQUATIONS
from xpnn.backend.select import plain

emulate_cublas()
FORMS = import_module("xpnn.backend.cpu.forms" if ON_CPU else "xpnn.backend.cuda.forms").FORMS
DRAWS = 10
WITHOUT_KERNELS = pytest.mark.skipif(NO_KERNELS and not ON_CPU, reason="the device's kernels need a C++ compiler here")


@WITHOUT_KERNELS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FORMS)
def test_a_form_computes_what_its_equation_does(name, dtype):
    form, equation, case = FORMS[name], EQUATIONS[name], CASES[name]
    draws = 3 * DRAWS if name == "through_time" else DRAWS  # it has three steps
    accepted = [case(form, equation, [crc32(name.encode()), draw], dtype) for draw in range(draws)]
    assert any(accepted), f"{name} declined all {draws} draws"


def parameters(function: Callable[..., Any]) -> list[tuple[Any, ...]]:
    """Names, kinds and defaults; a default that is a function has an equal nowhere."""
    return [
        (p.name, p.kind, "a function" if isfunction(p.default) else p.default)
        for p in signature(function).parameters.values()
    ]


@pytest.mark.parametrize("name", FORMS)
def test_a_form_has_an_equation_of_its_parameters_and_a_case(name):
    assert parameters(FORMS[name]) == parameters(EQUATIONS[name])
    assert name in CASES


def test_no_two_equations_have_one_name():
    before = dict(EQUATIONS)

    def relu(z):
        raise NotImplementedError

    with pytest.raises(ValueError, match=r"there is an equation 'relu' already, in xpnn\.layers\.activations"):
        accelerated(relu)
    assert before == EQUATIONS


def test_the_package_runs_by_these_forms():
    assert accelerate.forms() == ({} if plain else FORMS)
