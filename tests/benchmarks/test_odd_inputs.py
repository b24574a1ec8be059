"""The page of odd inputs says what xpnn does."""

import pytest

odd_inputs = pytest.importorskip("odd_inputs")
pytest.importorskip("sklearn")


def test_the_page_says_what_xpnn_does_with_each():
    names = odd_inputs.own_names()
    rows = [line for line in odd_inputs.PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    rows = [line for line in rows if not line.endswith("| xpnn |")]
    cases = list(odd_inputs.cases())
    assert len(rows) == len(cases) > 150
    for row, (_, (what, _, ours)) in zip(rows, cases, strict=True):
        assert row.startswith(f"| {what} | ")
        assert row.endswith(f"| {odd_inputs.result(ours, names)} |"), what
