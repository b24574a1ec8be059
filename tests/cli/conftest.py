"""Which tests run where, and what they share."""

import pytest
from border import AS_USED, ONCE

from xpnn.cli import train

ANYWHERE = "checkpoints", "document", "learn", "options", "plot", "runs", "sources", "streams"
collect_ignore = [] if ONCE else [f"test_{name}.py" for name in ANYWHERE]
"""Data, figures, files, locks, signals and streams: once is enough."""

if not AS_USED:
    collect_ignore += ["test_commands.py", "test_gradcheck.py"]  # on the stand-in: stand_in/checks/check_users.py


@pytest.fixture(scope="module")
def no_curves():
    """Drawing takes longer than all the rest."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(train, "_plot", lambda history, out: "")
        yield
