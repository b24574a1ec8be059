"""ONNX, the exchange format for networks: ``export(model, path)``, ``load(path)``, and xpnn as an ONNX ``Backend``.

    from xpnn.interop import onnx

    onnx.export(model, "lenet.onnx")        # runs in onnxruntime and wherever else ONNX is read
    model = onnx.load("lenet.onnx")         # an xpnn network again, ready to train on

Which operators are read and written, and what is not supported and why: docs/onnx.md.
"""

try:
    import onnx as _onnx  # noqa: F401
except ImportError as error:
    raise ImportError("xpnn.interop.onnx needs the onnx package: install xpnn's extra [onnx]") from error

from .backend import Backend
from .export import export
from .load import load
from .node import UnsupportedNodeError

__all__ = ["Backend", "UnsupportedNodeError", "export", "load"]
