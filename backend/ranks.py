"""The processes that train one network together, its ranks; here the only one, to which nobody else belongs."""

from collections.abc import Callable, Sequence
from typing import Any

from .select import Array


class RankError(RuntimeError):
    """A rank was killed, has raised an error, or does not answer; the message names it.

    >>> try:
    ...     history = fit(MLP((2, 2)), np.ones((4, 2)), np.ones(4, int), epochs=1, verbose=False, ranks=mpi())
    ... except RankError as error:
    ...     print(f"saved in runs/: the same with --resume goes on ({error})")
    """


class Ranks:
    """The processes of one run, each of which computes with a share of every batch; from :func:`mpi`.

    An object of this very class stands for a process that is alone; its methods then have nothing to do. All ranks call
    the same methods in the same order.

    Attributes:
        rank: of this process, from 0 on.
        size: the number of ranks.
        hosts: the name of each rank's machine.
        synchronized: whether batch normalisation takes the statistics of the whole batch, not of the rank's share.

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
        """The values of all ranks, in their order; for what is small."""
        return [value]

    def fail(self, error: BaseException, say: Callable[[], object] = lambda: None) -> None:
        """Tell the other ranks that this one ends with an error, and end all; alone, do nothing.

        ``say`` says it, and is called where rank 0, which learns of it, has not ended all before.
        """

    def name(self, rank: int | None = None) -> str:
        """A rank, by default this one, in words, with its host."""
        rank = self.rank if rank is None else rank
        return f"rank {rank} on {self.hosts[rank]}" if self.hosts[rank] else f"rank {rank}"

    def __str__(self) -> str:
        hosts = len(set(self.hosts))
        return f"{self.size} rank{'s'[: self.size > 1]} on {hosts} host{'s'[: hosts > 1]}"

    def __deepcopy__(self, memo: Any) -> "Ranks":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Ranks, ()  # what is saved with a model is loaded by a process that is alone


ALONE = Ranks()
"""One process."""
