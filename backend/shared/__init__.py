"""Code that the forms for NumPy and those for CuPy share."""
