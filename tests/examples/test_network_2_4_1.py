"""The source document's network, by its formulas and by xpnn."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from border import host, learns

import xpnn as nn

EXAMPLE = Path(__file__).parents[2] / "examples" / "network_2_4_1.py"


@pytest.fixture
def example():
    return runpy.run_path(str(EXAMPLE))


def test_the_formulas_and_xpnn_give_the_same_errors_and_weights(example):
    model, w = example["build"]()
    formulas, xpnn = (list(example[by](net, 300)) for by, net in (("by_the_formulas", w), ("by_xpnn", model)))
    np.testing.assert_allclose(xpnn, formulas, rtol=0, atol=1e-12)
    assert formulas[0] > 0.1 > 0.01 > formulas[-1]
    for key, name in (("0.W", "w2"), ("0.b", "b2"), ("2.W", "w3"), ("2.b", "b3")):
        np.testing.assert_allclose(host(model.params[key]).ravel(), w[name].ravel(), rtol=0, atol=1e-12)


@learns
@pytest.mark.parametrize("seed", range(3))
def test_predicts_3_for_1_and_1(example, seed):
    model, _ = example["build"](seed)
    assert len(list(example["by_xpnn"](model, 600))) == 600
    assert nn.predict(model, np.ones((1, 2))).item() == pytest.approx(3, abs=0.05)


def test_as_a_script(capsys):
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    *steps, last = capsys.readouterr().out.splitlines()
    assert len(steps) == 10
    formulas, xpnn = map(float, re.findall(r"(\d\.\d+) by", last))
    assert formulas == pytest.approx(3, abs=1e-4)
    assert xpnn == pytest.approx(formulas, abs=2e-12)
