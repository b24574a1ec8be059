"""Which tests run where."""

from border import PLAIN

collect_ignore = ["test_im2col.py", "test_products.py", "test_threads.py"] if PLAIN else []
"""They are about the forms: their memory, their products, their threads."""
