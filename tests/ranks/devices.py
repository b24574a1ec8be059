"""Ranks with a device each, on the stand-ins for CuPy and NCCL: `mpiexec -n 2 python tests/ranks/devices.py`.

Training through NCCL and through pinned memory is compared with one process, by steps that are captured between two
operations of the ranks and by steps that hold some. Then NCCL fails, and then the last rank hangs while NCCL waits.
"""

import sys
import time
from functools import partial

import cupy
from cupy._cublas import Cublas
from cupy.stand_in import watch
from equal import BOUND, OPTIMIZERS, arguments, compare, mlp, normed
from nccl.core import FAILURES

import xpnn as nn
from xpnn.backend import device_ranks
from xpnn.backend.cuda import cublas

cublas.load = Cublas


def trained(ranks: nn.Ranks, way: str) -> None:
    """Print on what the ranks run, and how many of the steps, of one process and of ranks, were replayed."""
    with watch() as seen:
        captured = compare(ranks, mlp, OPTIMIZERS["sgd"], partial(arguments, "mlp", "in order", 6))
    launches = sum(what[0] == "launch" for what in seen.order)
    eager = compare(ranks, normed, OPTIMIZERS["adam"], partial(arguments, "normed", "weights", 7))
    assert max(captured, eager) < BOUND, (way, captured, eager)
    told = ranks.gather((str(ranks), cupy.cuda.Device().id, launches))
    if ranks.rank == 0:
        print(way, *told, sep=" | ", flush=True)


def failed(ranks: nn.Ranks) -> nn.RankError:
    """The error of an Allreduce, with which the communicator was aborted."""
    link = ranks._link
    communicator = link.communicator
    try:
        ranks.allreduce(nn.asarray([1.0]))
    except nn.RankError as error:
        assert communicator.aborted
        assert link.communicator is None
        link.communicator, link._lost, communicator.aborted = communicator, 0.0, False  # for the next test
        return error
    raise AssertionError("no error")


def main() -> None:
    ranks = nn.mpi(timeout=20)
    link = ranks._link
    communicator = link.communicator
    trained(ranks, "NCCL")
    link.communicator, link.why = None, "as a test wants it"
    trained(ranks, "pinned")
    link.communicator, link.why = communicator, ""

    device_ranks._GRACE = 0.1
    FAILURES.append(6)
    told = ranks.gather(str(failed(ranks)))
    FAILURES.clear()
    again = nn.mpi(timeout=1)
    assert again._link is link
    sys.modules["nccl.core"] = None
    if ranks.rank == ranks.size - 1:
        time.sleep(1000)
    print("failed", *told, failed(again), device_ranks._nccl()[1], sep=" | ", flush=True)
    raise ArithmeticError("the first rank's own")


if __name__ == "__main__":
    sys.exit(main())
