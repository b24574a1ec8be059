"""Forms for CuPy: kernels, cuBLAS, captured steps, streams."""
