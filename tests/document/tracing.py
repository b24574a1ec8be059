"""A plugin for pytest (``-p document.tracing``) that records which lines of xpnn each test executes.

``--lines-of layers/dense.py``, as often as wanted, names the files; ``--lines-to FILE`` is where the record goes, as
JSON: {"document/test_bp.py::test_...": [["layers/dense.py", 20, "dense"], ...]}, each with the file, the line and the
function in whose frame it ran. What a fixture executes does not count. Of a test with parameters the first case runs.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import xpnn as nn

ROOT = Path(nn.__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lines-of", action="append", default=[])
    parser.addoption("--lines-to", required=True)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Lines(config.getoption("--lines-of"), Path(config.getoption("--lines-to"))))


class Lines:
    """The record."""

    def __init__(self, files: list[str], to: Path) -> None:
        self.files = {str(ROOT / file): file for file in files}
        self.to, self.record = to, {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        first: dict[str, pytest.Item] = {}
        for item in items:
            first.setdefault(_without_case(item), item)
        items[:] = first.values()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        entered: set[tuple[str, int, str]] = set()

        def line(frame: FrameType, event: str, _: Any) -> Any:
            if event == "line":
                code = frame.f_code
                entered.add((self.files[code.co_filename], frame.f_lineno, code.co_name))
            return line

        def call(frame: FrameType, event: str, _: Any) -> Any:
            return line if frame.f_code.co_filename in self.files else None

        before = sys.gettrace()
        sys.settrace(call)
        try:
            return (yield)
        finally:
            sys.settrace(before)
            self.record[_without_case(item)] = sorted(entered)

    def pytest_sessionfinish(self) -> None:
        self.to.write_text(json.dumps(self.record))


def _without_case(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]
