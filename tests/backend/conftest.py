"""Which tests run where."""

from border import ONCE, PLAIN

collect_ignore = ["test_agreement.py", "test_im2col.py", "test_products.py", "test_threads.py"] if PLAIN else []
"""They are about the forms: their results, their memory, their products, their threads."""

if not ONCE:
    collect_ignore.append("test_accelerate.py")  # in interpreters and on backends of its own
