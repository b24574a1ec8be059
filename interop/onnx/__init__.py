"""ONNX, the exchange format for networks: ``export(model, path)``, ``load(path)``, and xpnn as an ONNX ``Backend``.

    from xpnn.interop import onnx

    onnx.export(model, "lenet.onnx")        # for onnxruntime and other readers of ONNX
    model = onnx.load("lenet.onnx")         # an xpnn network again, which can be trained further

docs/onnx.md lists the operators that are read and written, and what is not supported and why.
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
