"""The gradient check: every backward against central differences of its forward."""

from .gradcheck import gradcheck
from .report import GradientReport, GradientRow

__all__ = ["GradientReport", "GradientRow", "gradcheck"]
