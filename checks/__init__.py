"""The gradient check: backward against central differences of forward."""

from .gradcheck import gradcheck
from .report import GradientReport, GradientRow

__all__ = ["GradientReport", "GradientRow", "gradcheck"]
