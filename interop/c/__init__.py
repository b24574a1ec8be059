"""A trained network as one C file, for a chip without Python: ``export(model, path)``.

    from xpnn.interop import c

    print(c.export(model, "model.c"))               # void xpnn_predict(const float *x, float *y), and what it takes
    print(c.export(model, "small.c", int8=True))    # weights of one byte; c.quantised(model) computes as it does

docs/c.md says how to use the file, and which layers there are.
"""

from .export import Exported, export
from .int8 import quantised

__all__ = ["Exported", "export", "quantised"]
