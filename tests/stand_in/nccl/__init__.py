"""A stand-in for nccl4py, beside the one for CuPy: the same by MPI, between processes on a machine without a GPU."""
