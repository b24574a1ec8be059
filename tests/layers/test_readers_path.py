"""A reader's path: how many files and functions a pass of a layer leads through, when the equations run alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from border import ONCE

import xpnn as nn

MOST = {  # files, functions
    "Dense(4, 3, rng=0)": (4, 9),
    "Conv2D(2, 3, 3, padding=1, rng=0)": (5, 14),
    "MaxPool2D(2)": (4, 10),
    "AvgPool2D(2)": (4, 10),
    "RNN(3, 4, rng=0)": (5, 24),
    "LSTM(3, 4, rng=0)": (5, 24),
    "GRU(3, 4, rng=0)": (5, 24),
}
SHAPES = {"Dense": (2, 4), "Conv2D": (2, 2, 6, 6), "MaxPool2D": (2, 3, 6, 6), "AvgPool2D": (2, 3, 8, 8)}
COUNT = """
import json, sys
import numpy as np, xpnn as nn

def entered(layer, x):
    \"\"\"The files and functions of the package in which a first pass forward and back is.\"\"\"
    seen = set()
    x = nn.asarray(np.ones(x))
    sys.setprofile(lambda frame, event, _: event == "call" and seen.add(frame.f_code))
    y, backward = layer.forward(x)
    backward(np.ones_like(y))
    sys.setprofile(None)
    root = nn.__file__.removesuffix("__init__.py")
    ours = [code for code in seen if code.co_filename.startswith(root)]
    names = [(code.co_filename.removeprefix(root), code.co_qualname) for code in ours]
    return sorted(one for one in names if "site-packages" not in one[0])  # of an environment within the checkout

print(json.dumps([entered(eval(f"nn.{text}"), shape) for text, shape in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def passes():
    given = [(text, SHAPES.get(text.partition("(")[0], (2, 5, 3))) for text in MOST]
    path = os.pathsep.join([str(Path(nn.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = os.environ | {"NN_PLAIN": "1", "NN_BACKEND": "numpy", "PYTHONPATH": path}
    command = sys.executable, "-c", COUNT, json.dumps(given)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return dict(zip(MOST, json.loads(done.stdout), strict=True))


@pytest.mark.skipif(not ONCE, reason="the equations alone are counted, in any run")
@pytest.mark.parametrize("layer", MOST)
def test_a_pass_leads_through_few_files_and_functions(layer, passes):
    files, functions = MOST[layer]
    entered = passes[layer]
    assert len({file for file, _ in entered}) <= files, entered
    assert 5 <= len(entered) <= functions, entered
