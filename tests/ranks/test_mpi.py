"""Ranks that MPI has started: equal to one process, and how they end where one of them fails."""

import pytest


@pytest.mark.parametrize(("ranks", "much"), [(1, "few"), (2, "few"), (3, "some")])
def test_training_is_that_of_one_process(run, ranks, much):
    """Every option once; `equal.py all` compares every network, optimiser and option, for 50 steps."""
    done = run(ranks, "equal.py", much)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(f"{ranks} rank"), done.stdout
