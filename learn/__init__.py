"""Exercises in back-propagation: the forward is given, students write the backward, and a grader explains mistakes."""

from .exercise import Exercise, exercises
from .grader import check
from .verdict import Finding, Verdict

__all__ = ["Exercise", "Finding", "Verdict", "check", "exercises"]
