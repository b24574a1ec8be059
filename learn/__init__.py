"""Exercises in back-propagation: a forward is given, the backward is to be written, and a grader says what is wrong."""

from .exercise import Exercise, exercises
from .grader import check
from .verdict import Finding, Verdict

__all__ = ["Exercise", "Finding", "Verdict", "check", "exercises"]
