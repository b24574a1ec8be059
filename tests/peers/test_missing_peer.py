"""The rule of this folder's conftest: a missing peer is reported, or under XPNN_REQUIRE_PEERS an error."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Run pytest on a folder with this conftest, where a file needs the given module."""
    source = Path(__file__).with_name("conftest.py").read_text()

    def run(module: str, required: str) -> pytest.RunResult:
        pytester.makeconftest(source + f"\nPEERS['test_torch_'] = ({module!r},)\n")
        pytester.makepyfile(test_torch_nothing="def test_nothing(): pass", test_other="def test_other(): pass")
        monkeypatch.setenv("XPNN_REQUIRE_PEERS", required)
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # some end a run within a parallel one
        return pytester.runpytest_inprocess()

    return run


def test_missing_peer_is_named_in_the_summary(run):
    result = run("no_such_library", "0")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["not run, for want of a peer: test_torch_nothing.py (no no_such_library)"])


def test_missing_peer_stops_the_run_where_peers_are_required(run):
    result = run("no_such_library", "1")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_torch_nothing.py needs no_such_library*"])


def test_present_peer_is_collected(run):
    result = run("json", "1")
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*not run*")
