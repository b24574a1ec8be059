"""The simulation of Allreduce, where its times are known."""

import numpy as np
import pytest
from allreduce import ADDED, Network, pays_up_to, ring, tree

LINK = Network(1e-5, 1e9, "")


@pytest.mark.parametrize("n", [2, 3, 8])
def test_a_ring_takes_so_many_messages(n):
    chunk = 8e6 / n
    known = 2 * (n - 1) * (1e-5 + chunk / 1e9) + (n - 1) * chunk / ADDED
    np.testing.assert_allclose(ring(np.zeros(n), 8e6, LINK), known)


@pytest.mark.parametrize(("n", "longest"), [(2, 1), (3, 1), (8, 3)])
def test_a_tree_takes_as_many_messages_as_its_longest_path(n, longest):
    assert tree(np.zeros(n), 0, LINK).max() == pytest.approx(2 * longest * 1e-5)


def test_who_begins_late_lets_all_wait():
    assert ring(np.array([0, 0, 1.0]), 0, LINK).min() > 1


def test_more_ranks_pay_for_longer_where_the_network_is_faster():
    assert pays_up_to(4096, 0, 1e-5, 1e6, network=Network(1e-6, 1e11, "")) > pays_up_to(
        4096, 0, 1e-5, 1e6, network=LINK
    )
