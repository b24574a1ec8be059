"""Files changed at random, in bytes, numbers and lengths: a result or a documented error, soon, in little memory."""

import contextlib
import functools
import warnings

import pytest
from border import traced
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peers.hostile_files import ERRORS, TARGETS

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


@pytest.mark.parametrize("name", TARGETS)
def test_a_changed_file_gives_a_result_or_a_documented_error(name):
    pytest.importorskip({"picture": "PIL", "table": "pandas", "onnx": "onnx"}.get(name, "numpy"))
    target, seed = TARGETS[name]
    seed = functools.cache(seed)
    target(seed())

    @given(st.lists(EDIT, max_size=4))
    @settings(max_examples=25, deadline=5000, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def search(edits):
        data = changed(seed(), edits)
        with traced() as memory, warnings.catch_warnings(), contextlib.suppress(*ERRORS):
            warnings.simplefilter("ignore")
            target(data)
        assert memory.peak < MEMORY + 300 * len(data)

    search()
