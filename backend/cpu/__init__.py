"""Forms for NumPy: BLAS, threads, memory, tiles."""
