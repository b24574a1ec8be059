"""Ranks, the processes that train one network together; here for a single process."""

from collections.abc import Callable, Sequence
from typing import Any

from .select import Array


class RankError(RuntimeError):
    """A rank was killed, has raised an error, or does not answer; the message names it.

    >>> try:
    ...     history = fit(MLP((2, 2)), np.ones((4, 2)), np.ones(4, int), epochs=1, verbose=False, ranks=mpi())
    ... except RankError as error:
    ...     print(f"saved in runs/: repeat with --resume to go on ({error})")
    """


class Ranks:
    """The processes of one run, each of which computes a share of every batch; :func:`mpi` returns them.

    ``Ranks()`` itself stands for a single process, in which the methods have nothing to do. All ranks call the same
    methods in the same order.

    Attributes:
        rank: the number of this process, from 0.
        size: the number of ranks.
        hosts: the name of each rank's machine.
        synchronized: whether batch normalisation uses the statistics of the whole batch, not of the rank's share.

    >>> ranks = Ranks()
    >>> print(ranks, ranks.gather("here"))
    1 rank on 1 host ['here']
    """

    rank, size = 0, 1
    hosts: Sequence[str] = ("",)
    synchronized = True

    def allreduce(self, *arrays: Array) -> None:
        """Replace each array, contiguous and of the backend, by the sum of all ranks' arrays."""

    def broadcast(self, *arrays: Array) -> None:
        """Replace each array, contiguous and of the backend, by that of rank 0."""

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks, in their order; meant for small values."""
        return [value]

    def fail(self, error: BaseException, say: Callable[[], object] = lambda: None) -> None:
        """Tell the other ranks that this one ends with an error, and end all; in a single process, do nothing.

        ``say`` reports the error; it is called unless rank 0 has ended all processes before.
        """

    def name(self, rank: int | None = None) -> str:
        """A rank's number and host, as text; by default this rank's."""
        rank = self.rank if rank is None else rank
        return f"rank {rank} on {self.hosts[rank]}" if self.hosts[rank] else f"rank {rank}"

    def __str__(self) -> str:
        hosts = len(set(self.hosts))
        return f"{self.size} rank{'s'[: self.size > 1]} on {hosts} host{'s'[: hosts > 1]}"

    def __deepcopy__(self, memo: Any) -> "Ranks":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Ranks, ()  # whatever a model is saved with is loaded by a single process


ALONE = Ranks()
"""A single process."""
