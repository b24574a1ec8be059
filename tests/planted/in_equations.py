"""The errors that are planted in equations: in ``layers``, ``models`` and ``training``."""

from planted.in_modern import MODERN
from planted.in_resizing import RESIZING
from planted.planting import Mutation

RNN = "W_x W_h b input"
GRU = "W_x W_h b b_h input"
OF_A_GRU = "W_x", "W_h", "b", "b_h", "h_0"
ENCODER = " ".join(f"encoder.{way}.{key}" for way in ("forward", "reverse") for key in OF_A_GRU)

LAYERS = [
    # dense
    Mutation("layers.dense.dense", "W.T @ delta", "W @ delta", "dropped transpose", "input", "Dense"),
    Mutation("layers.dense.dense", "delta @ a.T", "delta @ a.T[:, ::-1]", "features in reverse", "W", "Dense"),
    Mutation("layers.dense.dense", '["W"] +=', '["W"][...] =', "overwrites the gradient", "W", "Dense"),
    Mutation("layers.dense.dense", "delta.sum(1)", "delta.mean(1)", "mean for a sum", "b", "Dense"),
    Mutation("layers.dense.dense", 'grads["b"] += delta', "delta", "forgotten bias", "b", "Dense"),
    Mutation(
        "layers.dense.dense",
        "delta @ a.T",
        "needs_dx * (delta @ a.T)",
        "no gradient for W in a network's first layer",
        "W",
        "Dense",
    ),
    Mutation("layers.dense.Dense", "da.T.reshape", "da.reshape", "features for samples", "input"),
    Mutation(
        "layers.dense.Dense", "z_backward(dy.reshape", "z_backward(dy[::-1].reshape", "another sample's", "W input"
    ),
    Mutation(
        "layers.dense.dense_activated", "f_backward(dy)", "dy", "activation left out", "W b input", "ActivatedDense"
    ),
    # convolution
    Mutation("layers.conv.conv2d", "K.mT @ delta", "K[:, ::-1].mT @ delta", "another kernel", "input", "Conv2D"),
    Mutation("layers.conv.conv2d", "K.mT @ delta", "K[::-1].mT @ delta", "another group's kernels", "input", "Conv2D"),
    Mutation("layers.conv.conv2d", "delta @ col.mT", "delta[::-1] @ col.mT", "another group's gradient", "W", "Conv2D"),
    Mutation(
        "layers.conv.conv2d",
        "K = W.reshape(G, D, -1)",
        "K = W.reshape(D, G, -1).swapaxes(0, 1)",
        "kernels dealt out to the groups in turn",
        "W",
        "Conv2D",
    ),
    Mutation(
        "layers.conv.conv2d",
        "delta.swapaxes(0, 1).reshape(G, D, -1)",
        "delta.reshape(G, D, -1)",
        "samples for kernels",
        "W input",
        "Conv2D",
    ),
    Mutation(
        "layers.conv.conv2d",
        ".reshape(C, k1, k2, N, rows, cols)",
        ".reshape(C, k2, k1, N, rows, cols).swapaxes(1, 2)",
        "kernel's columns for its rows",
        "input",
        "Conv2D",
    ),
    Mutation("layers.conv.conv2d", '["W"] +=', '["W"][...] =', "overwrites the gradient", "W", "Conv2D"),
    Mutation("layers.conv.conv2d", "delta.sum((0", "delta.mean((0", "mean for a sum", "b", "Conv2D"),
    Mutation("layers.conv.conv2d", 'grads["b"] += delta', "delta", "forgotten bias", "b", "Conv2D"),
    Mutation("layers.conv.Conv2D", "backward(dy, self", "backward(dy[::-1], self", "another sample's", "W input"),
    Mutation("layers.im2col.im2col", "col[:, m, n]", "col[:, n, m]", "kernel transposed", "input", "Conv2D"),
    Mutation(
        "layers.im2col.im2col",
        "col[:, m, n]",
        "col[:, k1 - 1 - m, k2 - 1 - n]",
        "kernel turned in the forward pass",
        "input",
        "Conv2D",
    ),
    Mutation(
        "layers.im2col.im2col",
        "p1 : p1 + H, p2 : p2 + W",
        ":H, :W",
        "image in the corner of its padding",
        "input",
        "Conv2D",
    ),
    Mutation(
        "layers.im2col.im2col",
        "i : i + rows * s1 : s1",
        "i : i + rows",
        "stride forgotten in height",
        "input",
        "Conv2D",
    ),
    Mutation("layers.im2col.im2col", "m * d1, n * d2", "m, n", "dilation forgotten", "input", "Conv2D"),
    Mutation(
        "layers.im2col.col2im",
        "dcol[:, m, n]",
        "dcol[:, k1 - 1 - m, k2 - 1 - n]",
        "kernel not turned",
        "input",
        "Conv2D",
    ),
    Mutation(
        "layers.im2col.col2im", "dcol[:, m, n]", "dcol[:, m, k2 - 1 - n]", "kernel turned by half", "input", "Conv2D"
    ),
    Mutation("layers.im2col.col2im", "] += dcol", "] = dcol", "overlapping windows not summed", "input", "Conv2D"),
    Mutation("layers.im2col.col2im", "] += dcol", "] = dcol", "windows not summed in pooling", "input", "AvgPool2D"),
    Mutation("layers.im2col.col2im", "p1 : p1 + H, p2 : p2 + W", ":H, :W", "padding not cut off", "input", "Conv2D"),
    Mutation(
        "layers.im2col.col2im",
        "p1 : p1 + H, p2 : p2 + W",
        "p2 : p2 + H, p1 : p1 + W",
        "axes of the padding swapped",
        "input",
        "AvgPool2D",
    ),
    Mutation(
        "layers.im2col.col2im",
        "j : j + cols * s2 : s2",
        "j : j + cols",
        "stride forgotten in width",
        "input",
        "MaxPool2D",
    ),
    Mutation(
        "layers.im2col.col2im",
        "i : i + rows * s1 : s1",
        "i : i + rows",
        "stride forgotten in height",
        "input",
        "Conv2D",
    ),
    Mutation("layers.im2col.col2im", "m * d1, n * d2", "m, n", "dilation forgotten", "input", "Conv2D"),
    Mutation("layers.im2col.col2im", "n * d2", "n * d1", "dilation of the other axis", "input", "Conv2D"),
    Mutation(
        "layers.mapped_conv.MappedConv2D",
        "size)[self._places]",
        "size)[: len(self._places)]",
        "other connections' gradients",
        "W",
    ),
    Mutation("layers.mapped_conv.MappedConv2D", ': self.grads["b"]', ': 0 * self.grads["b"]', "forgotten bias", "b"),
    Mutation(
        "layers.mapped_conv.MappedConv2D", "return dx\n", "return dx if dx is None else -dx\n", "wrong sign", "input"
    ),
    # pooling
    Mutation("layers.pool.max_pool", "won * dy", "(won | True) * dy", "to all elements", "input", "MaxPool2D"),
    Mutation("layers.pool.max_pool", "== winner", "!= winner", "to all but the largest", "input", "MaxPool2D"),
    Mutation(
        "layers.pool.max_pool",
        "xp.arange(k1 * k2)",
        "xp.arange(k1 * k2)[::-1]",
        "places in reverse",
        "input",
        "MaxPool2D",
    ),
    Mutation(
        "layers.pool.max_pool",
        "dtaps.reshape(C, k1, k2, N, rows, cols)",
        "dtaps.reshape(C, k2, k1, N, rows, cols).swapaxes(1, 2)",
        "window's columns for its rows",
        "input",
        "MaxPool2D",
    ),
    Mutation(
        "layers.pool.max_pool",
        "dy.swapaxes(0, 1)",
        "dy.reshape(C, N, rows, cols)",
        "samples for channels",
        "input",
        "MaxPool2D",
    ),
    Mutation("layers.pool.mean_pool", " / (k1 * k2)", "", "not divided by the size", "input", "AvgPool2D"),
    Mutation("layers.pool.mean_pool", "/ (k1 * k2)", "/ (k1 * k1)", "a square window's size", "input", "AvgPool2D"),
    Mutation("layers.pool.mean_pool", "dy.swapaxes", "dy[::-1].swapaxes", "another sample's", "input", "AvgPool2D"),
    Mutation("layers.pool.GlobalAvgPool2D", "1 / size * dy", "1 / x.shape[2] * dy", "width forgotten", "input"),
    Mutation("layers.subsample.Subsample2D", "area * (dy * mean)", "(dy * mean)", "mean for a sum", "W"),
    Mutation("layers.subsample.Subsample2D", "dy.sum((0, 2, 3))", "dy.sum((0, 2, 3))[::-1]", "maps in reverse", "b"),
    Mutation(
        "layers.subsample.Subsample2D",
        "mean_backward(area * W * dy)",
        "mean_backward(area * dy)",
        "coefficient forgotten",
        "input",
    ),
    # normalisation
    Mutation(
        "layers.batchnorm.batch_norm", " - dbeta / M", "", "gradient through the mean forgotten", "input", "BatchNorm1D"
    ),
    Mutation(
        "layers.batchnorm.batch_norm",
        " - xhat * (dgamma / M)",
        "",
        "gradient through the variance forgotten",
        "input",
        "BatchNorm1D",
    ),
    Mutation(
        "layers.batchnorm.batch_norm", "dgamma / M", "dgamma / len(x)", "batch for all values", "input", "BatchNorm2D"
    ),
    Mutation("layers.batchnorm.batch_norm", "(gamma * invstd)", "invstd", "scale forgotten", "input", "BatchNorm2D"),
    Mutation(
        "layers.batchnorm.batch_norm",
        "(dy * xhat)",
        "(dy * x)",
        "input for its normal form",
        "gamma input",
        "BatchNorm1D",
    ),
    Mutation(
        "layers.batchnorm.batch_norm", "+= dbeta.ravel()", "+= dgamma.ravel()", "the other sum", "beta", "BatchNorm1D"
    ),
    Mutation(
        "layers.batchnorm.fixed_norm",
        "dy * (gamma * invstd)",
        "dy * invstd",
        "scale forgotten",
        "input",
        "BatchNorm1D in inference",
    ),
    Mutation(
        "layers.batchnorm.fixed_norm",
        "(dy * (x - mean) * invstd)",
        "(dy * (x - mean))",
        "deviation forgotten",
        "gamma",
        "BatchNorm1D in inference",
    ),
    Mutation(
        "layers.batchnorm.fixed_norm",
        '["beta"] += dy.sum',
        '["beta"] -= dy.sum',
        "wrong sign",
        "beta",
        "BatchNorm1D in inference",
    ),
    Mutation(
        "layers.batchnorm._BatchNorm",
        "None else None\n        return y, lambda dy: backward(dy,",
        "None else None\n        return y, lambda dy: backward(dy[::-1],",
        "another sample's",
        "gamma input",
        "BatchNorm1D",
    ),
    Mutation(
        "layers.batchnorm._BatchNorm",
        "self.eps, needs_dx)\n            return y, lambda dy: backward(dy,",
        "self.eps, needs_dx)\n            return y, lambda dy: backward(dy[::-1],",
        "another sample's in inference",
        "gamma input",
        "BatchNorm1D in inference",
    ),
    # activations
    Mutation("layers.activations.sigmoid", "(a * (1 - a))", "(1 - a)", "missing factor", "input", "Sigmoid"),
    Mutation("layers.activations.tanh", "xp.square(a)", "a", "square forgotten", "input", "Tanh"),
    Mutation(
        "layers.activations.scaled_tanh", "(slope * (amplitude", "((amplitude", "slope forgotten", "input", "ScaledTanh"
    ),
    Mutation(
        "layers.activations.scaled_tanh", "a * a / amplitude", "a * a", "amplitude forgotten", "input", "ScaledTanh"
    ),
    Mutation(
        "layers.activations.relu", "(z > 0)", "(da > 0)", "sign of the gradient, not of the input", "input", "ReLU"
    ),
    Mutation("layers.activations.leaky_relu", "da, slope * da", "da, 0 * da", "slope forgotten", "input", "LeakyReLU"),
    Mutation(
        "layers.activations.leaky_relu",
        "where(z > 0, da",
        "where(z < 0, da",
        "slope on the other side",
        "input",
        "LeakyReLU",
    ),
    Mutation("layers.activations.Softmax", "(dy - (dy * a).sum(-1, keepdims=True))", "dy", "missing term", "input"),
    # others
    Mutation(
        "layers.embedding.embedding",
        "onehot.T @",
        "(onehot * (onehot.cumsum(0) == 1)).T @",
        "a symbol that recurs counts once",
        "W",
        "Embedding",
    ),
    Mutation(
        "layers.embedding.embedding", "xp.arange(len(W))", "xp.arange(1, len(W) + 1)", "off by one", "W", "Embedding"
    ),
    Mutation("layers.embedding.Embedding", "backward(dy, self", "backward(dy[::-1], self", "another sample's", "W"),
    Mutation("layers.flatten.Flatten", "return dy.reshape(shape)", "return dy", "shape not restored", "input"),
    Mutation("layers.flatten.Flatten", "dy.reshape(shape)", "dy.reshape(shape[::-1]).T", "axes in reverse", "input"),
    Mutation("layers.dropout.Dropout", "return mask * dy", "return dy", "mask forgotten", "input"),
    Mutation("layers.dropout.Dropout", "return mask * dy", "return (mask > 0) * dy", "scale forgotten", "input"),
    Mutation("layers.rbf.RBF", "-2 * (dy[:, :, None]", "-(dy[:, :, None]", "missing factor", "input"),
    Mutation("layers.rbf.RBF", "-2 * (dy[:, :, None]", "2 * (dy[:, :, None]", "wrong sign", "input"),
    Mutation("layers.rbf.RBFLoss", "backward()[..., :-1]", "backward()[..., 1:]", "off by one class", "input"),
    Mutation(
        "layers.losses.cross_entropy.softmax_cross_entropy",
        "dz -= t",
        "dz += t",
        "wrong sign",
        "input",
        "SoftmaxCrossEntropy",
    ),
    Mutation(
        "layers.losses.cross_entropy.softmax_cross_entropy",
        "dz *= w * scale",
        "dz *= w / len(logits)",
        "samples for labels",
        "input",
        "SoftmaxCrossEntropy",
    ),
    Mutation(
        "layers.losses.cross_entropy.softmax_cross_entropy",
        "dz *= w * scale",
        "dz *= scale",
        "weights and ignored labels forgotten",
        "input",
        "SoftmaxCrossEntropy",
    ),
    Mutation(
        "layers.losses.cross_entropy.softmax_cross_entropy",
        "dz = e / total",
        "dz = e.copy()",
        "exponentials for probabilities",
        "input",
        "SoftmaxCrossEntropy",
    ),
    Mutation(
        "layers.losses.cross_entropy.softmax_cross_entropy",
        "dz.T.reshape",
        "dz.reshape",
        "classes for samples",
        "input",
        "SoftmaxCrossEntropy",
    ),
    Mutation(
        "layers.losses.cross_entropy.soft_cross_entropy",
        "dz -= p",
        "dz += p",
        "wrong sign",
        "input",
        "SoftmaxCrossEntropy",
    ),
    Mutation(
        "layers.losses.cross_entropy.soft_cross_entropy",
        " * p.sum(-1, keepdims=True)",
        "",
        "probabilities that sum to 1",
        "input",
        "SoftmaxCrossEntropy",
    ),
    Mutation(
        "layers.losses.cross_entropy.soft_cross_entropy",
        "dz *= scale",
        "dz *= 1 / len(logits)",
        "samples for labels",
        "input",
        "SoftmaxCrossEntropy",
    ),
    Mutation(
        "layers.losses.half_squared_error.HalfSquaredError",
        "return difference * scale",
        "return 2 * difference * scale",
        "factor 2",
        "input",
    ),
    Mutation(
        "layers.losses.elementwise.ElementwiseLoss",
        "slope() * scale",
        "slope() / outputs.size",
        "weights forgotten",
        "input",
        "MeanSquaredError",
    ),
    Mutation("layers.losses.elementwise.MeanSquaredError", "2 * difference", "difference", "missing factor", "input"),
    Mutation(
        "layers.losses.elementwise.MeanAbsoluteError", "xp.sign(difference)", "abs(difference)", "no sign", "input"
    ),
    Mutation("layers.losses.elementwise.Huber", "lambda: slope", "lambda: difference", "not clipped", "input"),
    Mutation("layers.losses.elementwise.PoissonNLL", "lambda: rate - y", "lambda: rate", "missing term", "input"),
    Mutation("layers.losses.elementwise.PoissonNLL", "1 - y / rate", "1 + y / rate", "wrong sign", "input"),
    Mutation(
        "layers.losses.elementwise.BinaryCrossEntropy",
        "positive * xp.where(yes,",
        "y * xp.where(yes,",
        "pos_weight forgotten",
        "input",
    ),
    Mutation("layers.losses.elementwise.BinaryCrossEntropy", "yes = o > 0", "yes = o < 0", "the other answer", "input"),
    # several arrays
    Mutation("layers.modern.joins._summed", "dy.sum(axes", "dy.mean(axes", "mean for a sum", "input[1]", "Add"),
    Mutation("layers.modern.joins.Add", "for x_k in x)", "for x_k in x[:1] * len(x))", "the first's shape", "input[1]"),
    Mutation("layers.modern.joins.Multiply", "x[k + 1 :]", "x[k + 2 :]", "a factor left out", "input[0] input[1]"),
    Mutation(
        "layers.modern.joins.Concat",
        "xp.split(dy, ends",
        "xp.split(dy[::-1], ends",
        "another sample's",
        "input[0] input[1] input[2]",
    ),
    # layers made of layers
    Mutation(
        "layers.residual.Residual",
        "return gradients[0] + gradients[1]",
        "return gradients[0]",
        "shortcut forgotten",
        "input",
    ),
    Mutation(
        "layers.residual.Residual",
        " or (part is not None and part.learns)",
        "",
        "no gradients as the first layer in training",
        "body.0.W body.0.b body.W body.b shortcut.W shortcut.b",
    ),
    Mutation(
        "models.graph.in_order",
        "gradients[read] + d if read in gradients else d",
        "d",
        "the gradient of one reader for that of all",
        "a.W a.b input input[0]",
        "Graph",
    ),
    Mutation(
        "models.graph.in_order",
        "reversed(steps)",
        "steps",
        "not in reverse",
        f"a.W a.b c.W c.b r.W_x r.W_h r.b input input[0] input[1] {ENCODER}",
        "Graph",
    ),
    Mutation(
        "models.graph.in_order",
        " or layer.learns",
        "",
        "no gradients in training",
        f"a.W a.b c.W c.b r.W_x r.W_h r.b decoder.W_x decoder.W_h decoder.b decoder.c_0 {ENCODER}",
        "Graph",
    ),
    Mutation(
        "models.sequential.in_a_row",
        "reversed(steps)",
        "reversed(steps[1:])",
        "first layer left out",
        "0.W 0.W_x 0.W_h 0.b input",
        "Sequential",
    ),
    Mutation(
        "models.sequential.in_a_row",
        "return dy if steps else None",
        "return dy if dy is None or not steps else dy[::-1]",
        "another sample's",
        "input",
        "Sequential",
    ),
    Mutation(
        "models.sequential.in_a_row",
        "            needs_dx = True",
        "",
        "activation left out in training",
        "0.W 0.b",
        "Sequential",
    ),
    Mutation(
        "models.sequential.Sequential",
        "self._checked(y, backward)",
        "self._checked(y, lambda dy: backward(dy[::-1]))",
        "another sample's",
        "0.W 0.W_x 0.W_h 0.b 1.W 1.b 2.W 2.b input",
    ),
    Mutation(
        "models.sequential.in_a_row",
        'dy = without_padding("Sequential", dy, lengths)',
        "pass",
        "gradient of the padding",
        "1.b",
        "Sequential",
    ),
]

RECURRENT = [
    # the loop over time
    Mutation("layers.recurrent.through_time", "reversed(range(T))", "range(T)", "not in reverse", RNN, "RNN"),
    Mutation("layers.recurrent.through_time", "dlast[0] + dy,", "dlast[0],", "last output's gradient lost", RNN, "RNN"),
    Mutation("layers.recurrent.through_time", "dstate[0] + dh,", "dh,", "later steps lost", RNN, "RNN"),
    Mutation(
        "layers.recurrent.through_time", "dx[:, t], dstate", "dx[:, T - 1 - t], dstate", "time reversed", "input", "RNN"
    ),
    Mutation(
        "layers.recurrent.through_time",
        "dstate = _chosen(alive[t], before, dstate)",
        "dstate = before",
        "gradient of a state that is held past its end lost",
        RNN,
        "RNN",
    ),
    Mutation(
        "layers.recurrent.through_time",
        "xp.where(alive[t], d, 0) for d in dstate",
        "d for d in dstate",
        "a step past the end differentiated",
        "W_h b input",
        "RNN",
    ),
    Mutation(
        "layers.recurrent.through_time",
        "dy[:, t] if alive is None else xp.where(alive[t], dy[:, t], 0)",
        "dy[:, t]",
        "gradient of outputs past the end",
        RNN,
        "RNN",
    ),
    Mutation(
        "layers.recurrent.through_time",
        "following if alive is None else _chosen(alive[t], following, state)",
        "following",
        "state not held past the end",
        RNN,
        "RNN",
    ),
    Mutation(
        "layers.recurrent.through_time",
        "state[0] if alive is None else xp.where(alive[t], state[0], 0)",
        "state[0]",
        "output not 0 past the end",
        RNN,
        "RNN",
    ),
    Mutation(
        "layers.recurrent.through_time",
        "else None), dstate",
        "else None), dlast",
        "last state's gradient for the first's",
        "input",
        "RNN from a state",
    ),
    Mutation(
        "layers.recurrent._chosen",
        "xp.where(alive, one, other)",
        "xp.where(alive, other, one)",
        "the wrong state held",
        RNN,
        "LSTM",
    ),
    Mutation(
        "layers.recurrent.Recurrent",
        "backward(dy, tuple(dlast) or None)",
        "backward(dy[::-1], tuple(dlast) or None)",
        "another sample's",
        RNN,
        "RNN",
    ),
    Mutation(
        "layers.recurrent.Recurrent",
        "self._components(dlast, N)",
        "self._components(None, N)",
        "last state's gradient lost",
        RNN,
        "LSTM from a state",
    ),
    Mutation(
        "layers.recurrent.Recurrent",
        "return dx, of_several(dstate)",
        "return dx, of_several(dstate[::-1])",
        "the cell's gradient for the output's",
        "input",
        "LSTM from a state",
    ),
    Mutation(
        "layers.modern.bidirectional.Bidirectional",
        "R(dy_g) if sequences else dy_g",
        "dy_g",
        "steps in their first order",
        "reverse.W_x reverse.W_h reverse.b input",
    ),
    Mutation("layers.modern.bidirectional.Bidirectional", "R(dx_g)", "dx_g", "steps in reverse", "input"),
    Mutation(
        "layers.modern.bidirectional.Bidirectional",
        "dy[..., :H], dy[..., H:]",
        "dy[..., H:], dy[..., :H]",
        "the other direction's",
        "forward.W_x forward.W_h forward.b reverse.W_x reverse.W_h reverse.b input",
    ),
    # Elman's step
    Mutation("layers.rnn.elman_step", " * (1 - h_t * h_t)", "", "1 - h^2 forgotten", RNN, "RNN in three steps"),
    Mutation("layers.rnn.elman_step", "h_t * h_t", "h_t", "square forgotten", RNN, "RNN in three steps"),
    Mutation(
        "layers.rnn.elman_step", "delta.T @ x", "delta.T @ x[::-1]", "another sample's", "W_x", "RNN in three steps"
    ),
    Mutation("layers.rnn.elman_step", "delta.T @ h ", "delta.T @ h_t ", "h_t for h_{t-1}", "W_h", "RNN in three steps"),
    Mutation(
        "layers.rnn.elman_step",
        '["W_h"] +=',
        '["W_h"][...] =',
        "the last step to be added only",
        "W_h",
        "RNN in three steps",
    ),
    Mutation("layers.rnn.elman_step", "delta.sum(0)", "delta.mean(0)", "mean for a sum", "b", "RNN in three steps"),
    Mutation(
        "layers.rnn.elman_step",
        "delta @ W_x",
        "delta @ W_x.T",
        "dropped transpose of W_x",
        "input",
        "RNN in three steps",
    ),
    Mutation(
        "layers.rnn.elman_step", "delta @ W_h,", "delta @ W_h.T,", "dropped transpose of W_h", RNN, "RNN in three steps"
    ),
    Mutation("layers.rnn.elman_step", "delta @ W_h,", "0 * h,", "earlier steps forgotten", RNN, "RNN in three steps"),
    Mutation("layers.rnn.elman_step", "delta @ W_h,", "delta @ W_h[::-1],", "another unit's", RNN, "RNN from a state"),
    # LSTM's step
    Mutation("layers.lstm.lstm_step", "di * i * (1 - i)", "di * i", "input gate's slope", RNN, "LSTM in three steps"),
    Mutation(
        "layers.lstm.lstm_step", "df * f * (1 - f)", "df * (1 - f)", "forget gate's slope", RNN, "LSTM in three steps"
    ),
    Mutation("layers.lstm.lstm_step", "(1 - g * g)", "(1 - g)", "square forgotten", RNN, "LSTM in three steps"),
    Mutation("layers.lstm.lstm_step", "do * o * (1 - o)", "do", "output gate's slope", RNN, "LSTM in three steps"),
    Mutation("layers.lstm.lstm_step", "dc_t * c,", "dc_t * c_t,", "c_t for c_{t-1}", RNN, "LSTM in three steps"),
    Mutation("layers.lstm.lstm_step", "dc_t * g,", "dc_t,", "candidate forgotten", RNN, "LSTM in three steps"),
    Mutation("layers.lstm.lstm_step", "dc_t * i,", "dc_t,", "input gate forgotten", RNN, "LSTM in three steps"),
    Mutation("layers.lstm.lstm_step", "dh_t * tanh_c\n", "dh_t * c_t\n", "tanh forgotten", RNN, "LSTM in three steps"),
    Mutation(
        "layers.lstm.lstm_step", " * (1 - tanh_c * tanh_c)", "", "slope of tanh c forgotten", RNN, "LSTM in three steps"
    ),
    Mutation(
        "layers.lstm.lstm_step", "dc_t + dh_t * o", "dh_t * o", "the cell's own way lost", RNN, "LSTM in three steps"
    ),
    Mutation("layers.lstm.lstm_step", "dc_t * f)", "dc_t)", "forget gate forgotten", RNN, "LSTM in three steps"),
    Mutation("layers.lstm.lstm_step", "delta @ W_h,", "0 * h,", "the output's way lost", RNN, "LSTM in three steps"),
    Mutation(
        "layers.lstm.lstm_step",
        "delta @ W_x,",
        "delta[:, ::-1] @ W_x,",
        "gates in reverse",
        "input",
        "LSTM in three steps",
    ),
    Mutation(
        "layers.lstm.lstm_step", "delta.T @ x", "delta.T @ x[::-1]", "another sample's", "W_x", "LSTM in three steps"
    ),
    Mutation(
        "layers.lstm.lstm_step", "delta.T @ h ", "delta.T @ h_t ", "h_t for h_{t-1}", "W_h", "LSTM in three steps"
    ),
    Mutation("layers.lstm.lstm_step", "delta.sum(0)", "delta.mean(0)", "mean for a sum", "b", "LSTM in three steps"),
    Mutation(
        "layers.lstm.lstm_step",
        "(delta @ W_h, dc_t * f)",
        "(dc_t * f, delta @ W_h)",
        "the state's components exchanged",
        RNN,
        "LSTM from a state",
    ),
    # GRU's step
    Mutation(
        "layers.gru.gru_step", "dn * m * r * (1 - r)", "dn * r * (1 - r)", "m forgotten", GRU, "GRU in three steps"
    ),
    Mutation(
        "layers.gru.gru_step", "dn * m * r * (1 - r)", "dn * m * r", "reset gate's slope", GRU, "GRU in three steps"
    ),
    Mutation(
        "layers.gru.gru_step", "(h - n) * z * (1 - z)", "(h - n) * z", "update gate's slope", GRU, "GRU in three steps"
    ),
    Mutation("layers.gru.gru_step", "(h - n)", "(n - h)", "wrong sign", GRU, "GRU in three steps"),
    Mutation("layers.gru.gru_step", "dh_t * (1 - z) *", "dh_t *", "update gate forgotten", GRU, "GRU in three steps"),
    Mutation("layers.gru.gru_step", "(1 - n * n)", "(1 - n)", "square forgotten", GRU, "GRU in three steps"),
    Mutation(
        "layers.gru.gru_step", "[dr, dz, dn * r]", "[dr, dz, dn]", "reset gate forgotten", GRU, "GRU in three steps"
    ),
    Mutation(
        "layers.gru.gru_step",
        "[dr, dz, dn]",
        "[dr, dz, dn * r]",
        "reset gate in W_x x",
        "W_x b input",
        "GRU in three steps",
    ),
    Mutation("layers.gru.gru_step", "dh_t * z + delta", "delta", "the state's own way lost", GRU, "GRU in three steps"),
    Mutation(
        "layers.gru.gru_step",
        "dh_t * z + delta",
        "dh_t * (1 - z) + delta",
        "the other side of the update gate",
        GRU,
        "GRU from a state",
    ),
    Mutation("layers.gru.gru_step", " + delta @ W_h,", ",", "the gates' way lost", GRU, "GRU in three steps"),
    Mutation("layers.gru.gru_step", "eps @ W_x,", "delta @ W_x,", "delta for eps", "input", "GRU in three steps"),
    Mutation("layers.gru.gru_step", "eps.T @ x", "delta.T @ x", "delta for eps, for W_x", "W_x", "GRU in three steps"),
    Mutation("layers.gru.gru_step", "delta.T @ h", "eps.T @ h", "eps for delta", "W_h", "GRU in three steps"),
    Mutation("layers.gru.gru_step", "eps.sum(0)", "delta.sum(0)", "delta for eps, for b", "b", "GRU in three steps"),
    Mutation(
        "layers.gru.gru_step", "(dn * r).sum(0)", "dn.sum(0)", "b's gradient for b_h's", "b_h", "GRU in three steps"
    ),
]

EQUATIONS = [*LAYERS, *MODERN, *RESIZING, *RECURRENT]
"""Found by gradcheck."""

SLICES = [
    Mutation("models.plan.in_slices", "concatenate(dx)", "concatenate(dx[::-1])", "slices in reverse", "input"),
    Mutation(
        "models.plan.in_slices", "concatenate(outputs)", "concatenate(outputs[::-1])", "outputs in reverse", "output"
    ),
    Mutation(
        "models.plan.in_slices",
        "step(dy[s])",
        "step(dy[-len(dy[s]) :])",
        "the last slice's for all",
        "0.W 0.b 5.W 5.b input",
    ),
    Mutation(
        "models.plan.in_slices",
        "zip(steps, slices, strict=True)",
        "zip(steps[:1], slices)",
        "one slice",
        "0.W 0.b 5.W 5.b input",
    ),
]
"""Found by a comparison with the whole batch."""

UPDATES = [
    Mutation("training.sgd.sgd", "v *= momentum", "pass", "momentum forgotten", "p v"),
    Mutation("training.sgd.sgd", "v += g", "v += (1 - momentum) * g", "mean for a sum", "p v"),
    Mutation("training.sgd.sgd", "g + momentum * v", "momentum * v", "gradient forgotten by Nesterov", "p"),
    Mutation("training.sgd.sgd", "g + momentum * v", "g + v", "momentum forgotten by Nesterov", "p"),
    Mutation("training.sgd.sgd", "p -= lr", "p += lr", "wrong sign", "p v"),
    Mutation("training.sgd.sgd", "g += weight_decay * p", "g += weight_decay", "decay by a constant", "p v"),
    Mutation("training.sgd.sgd", "g.fill(0)", "pass", "gradient kept", "g"),
    Mutation("training.adam.adam", "(1 - beta1) * g ", "g ", "sum for a mean", "p m v"),
    Mutation("training.adam.adam", "m *= beta1", "m *= beta2", "the other rate", "p m v"),
    Mutation("training.adam.adam", "(g * g)", "abs(g)", "square forgotten", "p m v"),
    Mutation("training.adam.adam", "xp.sqrt(v) + eps", "xp.sqrt(v + eps)", "eps under the root", "p m v"),
    Mutation("training.adam.adam", "g += weight_decay * p", "pass", "decay forgotten", "p m v"),
    Mutation("training.adam.adam", "g.fill(0)", "pass", "gradient kept", "g"),
    Mutation("training.adam.adam", "p *= shrink", "pass", "decay of AdamW forgotten", "p"),
    Mutation("training.adam.adam", "p *= shrink", "p *= 2 - shrink", "growth for decay", "p"),
    Mutation("training.rmsprop.rmsprop", "v - m * m", "v", "mean not subtracted", "p v m b"),
    Mutation("training.rmsprop.rmsprop", "b *= momentum", "b *= alpha", "the other rate", "p v m b"),
    Mutation(
        "training.rmsprop.rmsprop", "xp.sqrt(spread) + eps", "xp.sqrt(spread + eps)", "eps under the root", "p v m b"
    ),
]
"""Found by a comparison with loops over single elements."""
