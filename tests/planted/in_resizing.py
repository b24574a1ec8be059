"""The errors that are planted in the equations of ``layers/modern`` that resize images and signals."""

from .planting import Mutation

SIGNALS, POOL, UP = "layers.modern.signals", "layers.modern.global_pool", "layers.modern.conv_transpose"

# fmt: off
RESIZING = [
    Mutation(
        "layers.conv.Convolution", "(m, 0), (n, 0)", "(0, m), (0, n)", "zeros behind the gradient", "W input", "Conv2D",
    ),
    Mutation(f"{SIGNALS}.on_signals", "dx[:, :, 0]", "dx[:, ::-1, 0]", "channels in reverse", "input", "Conv1D"),
    Mutation(f"{SIGNALS}.Conv1D", "backward(dy, self", "backward(dy[::-1], self", "another sample's", "W input"),
    Mutation(f"{POOL}.GlobalMaxPool2D", "== winner", "== winner[::-1]", "another sample's maximum", "input"),
    Mutation("layers.modern.upsample.Upsample2D", "H, s1, W, s2).sum((3, 5))", "s1, H, s2, W).sum((2, 4))",
             "other pixels' copies", "input"),
    Mutation("layers.modern.reshape.Reshape", "dy.reshape(shape)", "dy[::-1].reshape(shape)", "another's", "input"),
    Mutation("layers.modern.permute.Permute", "dy.transpose(back)", "dy.transpose(0, *self.axes)", "onward", "input"),
    Mutation("layers.modern.slice.Slice", "dx[section] = dy", "dx[section] += 2 * dy", "doubled", "input"),
    Mutation("layers.modern.affine.Affine", "_summed(dy * x, scale", "_summed(dy, scale", "missing factor", "scale"),
    Mutation(
        f"{UP}.conv_transpose2d", "K.mT @ pixels", "K[:, ::-1].mT @ pixels", "another kernel", "W input",
        "ConvTranspose2D",
    ),
    Mutation(
        f"{UP}.conv_transpose2d", "pixels @ col.mT", "pixels[::-1] @ col.mT", "another group's gradient", "W",
        "ConvTranspose2D",
    ),
    Mutation(f"{UP}.conv_transpose2d", '["W"] +=', '["W"][...] =', "overwrites the gradient", "W", "ConvTranspose2D"),
    Mutation(f"{UP}.conv_transpose2d", "delta.sum((0", "delta.mean((0", "mean for a sum", "b", "ConvTranspose2D"),
    Mutation(f"{UP}.ConvTranspose2D", "backward(dy, with", "backward(dy[::-1], with", "another sample's", "W input"),
]
# fmt: on
