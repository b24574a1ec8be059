"""A discrete simulation of Allreduce: when each message of each rank leaves, arrives and has been added.

A message of S bytes takes latency + S / bandwidth; a rank sends and receives at the same time, one message each;
adding S bytes takes S / ADDED seconds. Ranks begin when their share of the step is computed, at times of their own.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

ADDED = 10e9  # bytes a second that a core adds, reading two arrays and writing one


class Network(NamedTuple):
    """What one link does.

    Attributes:
        latency: seconds from one process to another, for a message of a few bytes.
        bandwidth: bytes a second, each way.
        source: of both.
    """

    latency: float
    bandwidth: float
    source: str


NETWORKS = {
    "Ethernet, 10 Gbit/s": Network(20e-6, 1.25e9, "latency: Hurwitz, Feng, Hot Interconnects 11, 2003; line rate"),
    "Ethernet, 100 Gbit/s": Network(10e-6, 12.5e9, "latency: assumed, half of that; line rate"),
    "InfiniBand NDR": Network(1.5e-6, 50e9, "latency: assumed, of MPI; 400 Gbit/s a port (NVIDIA ConnectX-7)"),
    "NVLink 4": Network(3e-6, 450e9, "latency: assumed, of a launch; 18 links of 25 GB/s each way (NVIDIA H100)"),
}


def ring(begin: np.ndarray, size: float, network: Network) -> np.ndarray:
    """Each rank sends 1/n of the array to the next one, n - 1 times to be summed and n - 1 times to be copied."""
    n, at = len(begin), begin.astype(float)
    chunk = size / n
    for step in range(2 * (n - 1)):
        arrived = np.roll(at, 1) + network.latency + chunk / network.bandwidth
        at = np.maximum(at, arrived) + (chunk / ADDED if step < n - 1 else 0)
    return at


def tree(begin: np.ndarray, size: float, network: Network) -> np.ndarray:
    """The whole array goes up a binomial tree to rank 0, summed on the way, and down again."""
    at, distance, message = begin.astype(float), 1, network.latency + size / network.bandwidth
    n = len(at)
    while distance < n:
        receivers = np.arange(0, n - distance, 2 * distance)
        at[receivers] = np.maximum(at[receivers], at[receivers + distance] + message) + size / ADDED
        distance *= 2
    while distance > 1:
        distance //= 2
        senders = np.arange(0, n - distance, 2 * distance)
        at[senders + distance] = at[senders] + message
        at[senders] += size / network.bandwidth
    return at


ALGORITHMS: dict[str, Callable[[np.ndarray, float, Network], np.ndarray]] = {"ring": ring, "tree": tree}


def step(
    ranks: int, batch: int, of_step: float, of_sample: float, size: float, network: Network, jitter: float = 0.05
) -> tuple[float, str]:
    """Seconds of a step that divides a batch among ranks, by the better algorithm, and its name.

    Args:
        of_step, of_sample: seconds of computing for a step whatever its batch, and for each sample.
        size: bytes of the gradient.
        jitter: by how much a rank's computing varies (standard deviation, relative).
    """
    varied = 1 + jitter * np.abs(np.random.default_rng(0).standard_normal(ranks))
    begin = (of_step + of_sample * np.ceil(batch / ranks)) * varied
    times = {name: float(run(begin, size, network).max()) for name, run in ALGORITHMS.items()}
    best = min(times, key=lambda name: times[name])
    return (times[best], best) if ranks > 1 else (float(begin.max()), "")


def pays_up_to(batch: int, *arguments: float, network: Network, gain: float = 1.1) -> int:
    """The largest number of ranks, up to 1,024, to which every doubling makes a step ``gain`` times as fast."""
    ranks = 1
    while ranks < 1024 and ranks < batch:
        before, after = (step(n, batch, *arguments, network)[0] for n in (ranks, 2 * ranks))
        if before < gain * after:
            break
        ranks *= 2
    return ranks
