"""A student's file runs in a process of its own, and can do the grader no harm."""

import time

import pytest

from xpnn.learn import check, exercises

TANH = exercises()["tanh"]
RIGHT = "return da * (1 - a * a)"


def graded(tmp_path, change, seconds=20.0):
    file = tmp_path / "tanh.py"
    file.write_text("import numpy as np\n" + TANH.source().replace(RIGHT, change))
    return check(TANH, file, seconds)


@pytest.mark.parametrize(
    ("change", "slip", "words"),
    [
        ("while True: pass", "late", "ran longer than 0.7 s"),
        ("exit()", "ended", "ended before it answered"),
        ("return da * nothing", "fault", "Line 6 raises NameError: name 'nothing' is not defined"),
        ("return da *", "fault", "Line 6 raises SyntaxError: invalid syntax"),
        ("return np.ones(10**10)", "fault", "MemoryError"),
        ("for _ in range(20_000): print('x' * 99)", "flood", "prints more than a megabyte"),
    ],
)
def test_what_ends_it_is_told(change, slip, words, tmp_path):
    before = time.monotonic()
    (finding,) = graded(tmp_path, change, 0.7 if slip == "late" else 20.0).findings
    assert finding.slip == slip
    assert words in finding.says["en"]
    assert time.monotonic() - before < 15


def test_a_file_without_the_function_has_no_line_to_blame(tmp_path):
    (tmp_path / "tanh.py").write_text("")
    (finding,) = check(TANH, tmp_path / "tanh.py").findings
    assert finding.says["en"] == "NameError: the file defines no function tanh."


def test_the_shapes_where_it_failed_are_told(tmp_path):
    (finding,) = graded(tmp_path, "return da @ a[:-1]").findings
    assert "da (3, 4), a (3, 4)" in finding.says["en"]


def test_what_it_prints_is_shown_and_disturbs_nothing(tmp_path):
    verdict = graded(tmp_path, 'print("{\\"y\\": 1}", a.shape); ' + RIGHT)
    assert verdict.passed
    assert verdict.printed.startswith('{"y": 1} (3, 4)\n')


@pytest.mark.parametrize("answer", ['{"y": 1, "gradients": [], "moved": []}', '{"fault": 3}'])
def test_what_it_writes_in_the_answer_s_place_is_no_answer(answer, tmp_path):
    change = f"import os; [os.write(fd, {answer!r}.encode() + b'\\n') for fd in range(3, 9) if _open(fd)]; " + RIGHT
    helper = "\ndef _open(fd):\n    try: return os.fstat(fd)\n    except OSError: return None\nimport os\n"
    file = tmp_path / "tanh.py"
    file.write_text("import numpy as np\n" + helper + TANH.source().replace(RIGHT, change))
    assert not check(TANH, file, 5.0).passed


def test_a_result_that_depends_on_more_than_its_arguments_is_found(tmp_path):
    file = tmp_path / "tanh.py"
    file.write_text("import numpy as np\ncalls = []\n" + TANH.source().replace(
        RIGHT, "calls.append(1); return da * (1 - a * a) * (1 if len(calls) < 3 else 2)"))  # fmt: skip
    (finding,) = check(TANH, file).findings
    assert finding.slip == "later"
