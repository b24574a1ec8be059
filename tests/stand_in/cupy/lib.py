"""``cupy.lib``."""

from types import SimpleNamespace

from ._functions import as_strided, sliding_window_view

stride_tricks = SimpleNamespace(as_strided=as_strided, sliding_window_view=sliding_window_view)
