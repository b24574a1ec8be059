"""Weights from PyTorch and back: ``from_state_dict(model, state_dict)`` and ``to_state_dict(model)``.

    from xpnn.interop import torch as bridge

    bridge.from_state_dict(model, net.state_dict())        # or a path: .safetensors, or .pt if torch is installed
    net.load_state_dict(bridge.to_state_dict(model, like=net.state_dict()))

docs/torch.md lists the layers that correspond, and how arrays that the two libraries store differently are converted.
"""

from .bridge import Loaded, from_state_dict, to_state_dict

__all__ = ["Loaded", "from_state_dict", "to_state_dict"]
