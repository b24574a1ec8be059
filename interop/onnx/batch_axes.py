"""Find the batch axis of inputs that recurrent nodes read."""

from .graph import Graph
from .layers import CELLS

SEQUENCES = {"Cast", "Dropout", "Identity"}
STATES = {"Cast", "Gather", "Identity", "Slice", "Split", "Squeeze", "Unsqueeze"}
"""Operators that keep the batch axis, between an input and the node that reads it as sequences, or as states."""


def batch_axes(graph: Graph) -> dict[str, int]:
    """For each input whose batch is not its first axis, the batch's axis: 1 for (T, N, ...), and the last but one for a
    state (layers, N, H)."""
    ranks = {name: len(shape or ()) for name, (_, shape) in graph.types.items()}
    sequences = {name: name for name in graph.inputs}
    states, axes = dict(sequences), dict[str, int]()
    for node in graph.nodes:
        first = node.inputs[0] if node.inputs else ""
        if node.op in CELLS and not node.attributes.get("layout"):
            if first in sequences:
                axes.setdefault(sequences[first], 1)
            axes |= {states[name]: ranks[states[name]] - 2 for name in node.inputs[5:7] if name in states}
        if node.op in STATES and first in states:
            states |= dict.fromkeys(node.outputs, states[first])
        if node.op in SEQUENCES and first in sequences:
            sequences |= dict.fromkeys(node.outputs, sequences[first])
        if node.op == "Gather" and node.inputs[1] in sequences:  # gathers rows of an embedding
            sequences |= dict.fromkeys(node.outputs, sequences[node.inputs[1]])
    return {name: axis for name, axis in axes.items() if 0 < axis < ranks[name]}
