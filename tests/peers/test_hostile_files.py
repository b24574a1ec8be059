"""Files changed at random, in bytes, numbers and lengths: a result or a documented error, soon, in little memory."""

import contextlib
import functools
import warnings
from pathlib import Path

import pytest
from border import traced
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peers.hostile_files import ERRORS, STRUCTURES, TARGETS

SIZES = st.sampled_from([0, 1, 2, 127, 128, 255])
WORDS = [
    b"",
    b"\x00" * 4,
    b"\xff" * 4,
    b"\xff" * 8,
    b"-1",
    b"1e999",
    b"NaN",
    b"999999999999",
    b'"',
    b"[",
    b"\x1b[31m",
    b"../../x",
]
KINDS = ["set", "flip", "insert", "cut", "repeat", "number", "end"]
EDIT = st.tuples(st.sampled_from(KINDS), st.floats(0, 1), SIZES, st.sampled_from(WORDS))
MEMORY = 30e6  # bytes, and 300 for each of the file


def changed(data, edits):
    for kind, where, value, word in edits:
        at = int(where * len(data))
        if kind == "set":
            data = data[:at] + bytes([value]) + data[at + 1 :]
        elif kind == "flip":
            data = data[:at] + bytes(byte ^ (1 << value % 8) for byte in data[at : at + 1]) + data[at + 1 :]
        elif kind == "insert":
            data = data[:at] + word + data[at:]
        elif kind == "cut":
            data = data[:at] + data[at + value + 1 :]
        elif kind == "repeat":
            data = data[:at] + data[at : at + value] * 2 + data[at + value :]
        elif kind == "number":
            data = data[:at] + word + data[at + len(word) :]
        else:
            data = data[:at]
    return data


NEEDED = {"picture": "PIL", "table": "pandas", "onnx": "onnx"}
FOUND = sorted((Path(__file__).parent / "found").glob("*/*"))
"""Files that once made a reader fail, each in the folder of its target."""


def read(target, data):
    """A result or a documented error, in little memory."""
    with traced() as memory, warnings.catch_warnings(), contextlib.suppress(*ERRORS):
        warnings.simplefilter("ignore")
        target(data)
    assert memory.peak < MEMORY + 300 * len(data)


@pytest.mark.parametrize("name", TARGETS)
def test_a_changed_file_gives_a_result_or_a_documented_error(name):
    pytest.importorskip(NEEDED.get(name.partition(".")[0], "numpy"))
    target, seed = TARGETS[name]
    structured, seed = STRUCTURES.get(name), functools.cache(seed)
    target(seed())

    @given(st.lists(EDIT, max_size=4), st.randoms(use_true_random=False), st.booleans())
    @settings(max_examples=25, deadline=5000, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def search(edits, random, in_structure):
        in_structure = in_structure and structured is not None
        read(target, structured(seed(), random) if in_structure else changed(seed(), edits))

    search()


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_once_failed(path):
    pytest.importorskip(NEEDED.get(path.parent.name.partition(".")[0], "numpy"))
    read(TARGETS[path.parent.name][0], path.read_bytes())
