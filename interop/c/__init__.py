"""A trained network as one C file, for a chip without Python: ``export(model, path)``.

    from xpnn.interop import c

    print(c.export(model, "model.c"))               # void xpnn_predict(const float *x, float *y); prints its memory
    print(c.export(model, "small.c", int8=True))    # weights of one byte; c.quantised(model) computes the same

docs/c.md describes how to use the file, and lists the layers.
"""

from .export import Exported, export
from .int8 import quantised

__all__ = ["Exported", "export", "quantised"]
