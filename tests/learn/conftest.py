"""Which tests run where, and what they share."""

from border import ONCE

collect_ignore = [] if ONCE else ["test_exercises.py", "test_planted.py", "test_recognised.py", "test_student.py"]
"""Exercises are NumPy's, in every run."""
