"""The table of docs/torch.md: `python tests/peers/table_of_torch.py`, with tests/ on the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from peers.test_torch_state_dict import CASES, outputs

import xpnn as nn
from xpnn.interop.torch import from_state_dict, to_state_dict


def row(name, net, model, shape):
    x = np.random.default_rng(0).standard_normal((3, *shape), dtype="f")
    from_state_dict(model, net.state_dict())
    difference = np.abs(nn.predict(model, x) - outputs(net, x)).max()
    there = to_state_dict(model, like=net.state_dict())
    same = all(
        torch.equal(there[key], value) for key, value in net.state_dict().items() if value.ndim and "bias_" not in key
    )
    return f"| {name} | {model.flat_params.size:,} | {difference:.0e} | {'yes' if same else 'no'} |"


if __name__ == "__main__":
    torch.manual_seed(0)
    print("| network | parameters | largest difference | the same there and back |\n|---|---|---|---|")
    print("\n".join(row(name, *case) for name, case in CASES.items()))
