"""The errors that are planted in the equations of ``layers/modern``."""

from .planting import Mutation

SMOOTH, PIECEWISE, NORM = "layers.modern.smooth", "layers.modern.piecewise", "layers.modern.layernorm"

# fmt: off
MODERN = [
    Mutation(f"{SMOOTH}.elu", "(a + alpha)", "a", "alpha forgotten", "input", "ELU"),
    Mutation(f"{SMOOTH}.silu", " * (1 - s)", "", "missing factor", "input", "SiLU"),
    Mutation(f"{SMOOTH}.gelu", "P + z * p", "P + p", "factor forgotten", "input", "GELU"),
    Mutation(f"{SMOOTH}.gelu", "-0.5 * xp.square", "-xp.square", "another density", "input", "GELU"),
    Mutation(f"{SMOOTH}.gelu_tanh", "3 * k", "k", "slope of the cube", "input", "GELU"),
    Mutation(f"{SMOOTH}.softplus", "logistic(beta * z)", "logistic(z)", "beta forgotten", "input", "Softplus"),
    Mutation(
        f"{SMOOTH}.softplus", "(linear, da, da", "(linear, 0, da", "no slope past the threshold", "input", "Softplus",
    ),
    Mutation(f"{PIECEWISE}.clip", " & (z < high)", "", "slope past the upper bound", "input", "Clip"),
    Mutation(f"{PIECEWISE}.hard_sigmoid", "slope * backward", "backward", "slope forgotten", "input", "HardSigmoid"),
    Mutation(f"{PIECEWISE}.hard_swish", "da * h + ", "", "half of the product rule", "input", "HardSwish"),
    Mutation(f"{PIECEWISE}.prelu", "where(z > 0, 0, z)", "where(z > 0, z, 0)", "the other side", "alpha", "PReLU"),
    Mutation(f"{PIECEWISE}.prelu", "da, alpha", "da, alpha.mean()", "mean over the channels", "input", "PReLU"),
    Mutation(f"{PIECEWISE}.PReLU", "backward(dy, self", "backward(dy[::-1], self", "another sample's", "alpha input"),
    Mutation(
        f"{NORM}.layer_norm", " - dxhat.mean(axes, keepdims=True)", "", "gradient through the mean forgotten", "input",
        "LayerNorm",
    ),
    Mutation(
        f"{NORM}.layer_norm", " - through_var", "", "gradient through the variance forgotten", "input", "LayerNorm",
    ),
    Mutation(f"{NORM}.layer_norm", "dxhat = dy * gamma", "dxhat = dy", "scale forgotten", "input", "LayerNorm"),
    Mutation(f"{NORM}.layer_norm", "(dy * xhat)", "(dy * x)", "input for its normal form", "gamma", "LayerNorm"),
    Mutation(f"{NORM}.layer_norm", "dy.sum(others)", "dy.sum(others)[::-1]", "reversed", "beta", "LayerNorm"),
    Mutation(f"{NORM}.LayerNorm", "backward(dy, self", "backward(dy[::-1], self", "another sample's", "gamma input"),
    Mutation("layers.modern.log_softmax.LogSoftmax", "xp.exp(a) * dy", "a * dy", "logarithms", "input"),
]
# fmt: on
