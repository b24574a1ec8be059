"""README.md shows the code that runs, and stays short."""

import inspect
import re
from pathlib import Path

import pytest

from xpnn.backend.accelerate import EQUATIONS

README = Path(__file__).parents[1] / "README.md"
pytestmark = pytest.mark.skipif(not README.exists(), reason="the tests lie outside of a checkout, which has the README")


def test_the_first_code_block_is_the_equation_of_dense():
    block = re.search(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert block is not None
    assert block[1] == inspect.getsource(EQUATIONS["dense"])


def test_it_has_under_110_lines():
    assert len(README.read_text(encoding="utf-8").splitlines()) < 110
