"""The exercises that come with the library, and those of a course."""

import re

import pytest

from xpnn.learn import check, exercises
from xpnn.learn.exercise import HOME

KNOWN = exercises()
DENSE = (HOME / "dense.toml").read_text("utf-8")


@pytest.mark.parametrize("name", KNOWN)
def test_all_of_it_is_in_both_languages(name):
    exercise = KNOWN[name]
    for words in (exercise.title, exercise.text, *exercise.hints, *(slip.says for slip in exercise.slips)):
        assert words.keys() == {"en", "zh"}
        assert all(words.values())
        assert re.search("[一-鿿]", words["zh"]) or words["zh"] in ("ReLU", "Softmax", "Adam")
        assert not re.search("[一-鿿]", words["en"])


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_file_to_begin_with_runs_and_lacks_the_backward(name, language):
    exercise, names = KNOWN[name], {}
    exec(exercise.start(language), names)
    arguments = next(exercise.drawn())
    if exercise.name in ("sgd-momentum", "adam"):
        with pytest.raises(NotImplementedError):
            names[exercise.function](**arguments)
        return
    y, backward = names[exercise.function](**arguments)
    with pytest.raises(NotImplementedError):
        backward(*[y, {}][: backward.__code__.co_argcount])


@pytest.mark.parametrize("name", ["conv-im2col", "adam"])
def test_the_solution_passes(name, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("import numpy as np\n\n\n" + KNOWN[name].source())
    verdict = check(KNOWN[name], file)
    assert verdict.passed, verdict.findings
    assert all(error < 1e-9 for error in verdict.errors.values())
    assert bool(verdict.errors) == (name != "adam")


def test_a_course_has_its_own(tmp_path):
    (tmp_path / "square.toml").write_text(
        """
function = "square"
title = {en = "The square"}
text = {en = "y = x^2"}
code = '''
def square(x):
    y = x * x
    def backward(dy):
        {backward}
    return y, backward
'''
backward = "return 2 * x * dy"
hints = [{en = "2 x"}]
arguments = {x = "N"}
cases = [{N = 4}]
slips = [{id = "half", right = "2 * x", wrong = "x", en = "The 2 is missing."}]
"""
    )
    (square,) = exercises(tmp_path).values()
    file = tmp_path / "mine.py"
    file.write_text(square.source(*square.slips))
    (finding,) = check(square, file).findings
    assert (finding.slip, finding.says["en"]) == ("half", "The 2 is missing.")


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("function =", "fonction =", "missing: function; unknown: fonction"),
        ("{backward}", "pass", "expected {backward} on one line of `code`, found it on 0"),
        ('right = "dz @ W"', 'right = "dz @ V"', "W_not_transposed: 'dz @ V' occurs 0 times"),
        ("order = 10", "order =", "expected TOML"),
        ("order = 10", f"order = {'[' * 9999}", "expected TOML"),
        ("order = 10", "order = 'first'", "expected order to be of int, got 'first'"),
        ("[title]", "[title.more]", "expected texts en and zh, got {'more': "),
    ],
)
def test_what_is_no_exercise_is_refused_with_words(right, wrong, complaint, tmp_path):
    (tmp_path / "dense.toml").write_text(DENSE.replace(right, wrong), "utf-8")
    with pytest.raises(ValueError, match="dense") as refused:
        exercises(tmp_path)
    assert complaint in str(refused.value)


def test_a_folder_without_exercises_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected exercises, files that end in .toml, and found none"):
        exercises(tmp_path)
