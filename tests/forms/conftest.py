"""Which tests run where."""

from border import PLAIN

collect_ignore = ["test_forms.py"] if PLAIN else []
"""What it compares is the same with and without ``NN_PLAIN=1``, so once is enough."""
