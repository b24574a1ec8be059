"""The errors that are planted in the forms for a CPU, in ``backend/cpu`` and ``backend/shared``.

The device's kernels have theirs in ``stand_in/checks/check_kernels.py``.
"""

from planted.planting import Mutation

RNN = "W_x W_h b input"
GRU = "W_x W_h b b_h input"

CONVOLUTION = [
    Mutation(
        "backend.shared.convolution.conv2d",
        "rows_first(dy)",
        "rows_first(dy[::-1])",
        "another sample's",
        "W input",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.convolution.conv2d",
        'grads["W"], grads["b"])',
        'grads["W"], 0 * grads["b"])',
        "forgotten bias",
        "b",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.convolution.Correlation",
        "do[p1 : H - p1, :",
        "do[: H - 2 * p1, :",
        "padding not cut off",
        "input",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.convolution.Correlation",
        "padding)  # computing",
        "padding, 1)  # computing",
        "a border of ones",
        "W",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.convolution.Correlation",
        "[..., ::-1, ::-1]",
        "[..., ::-1]",
        "kernel turned by half",
        "input",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.convolution.Correlation",
        "border, self.dilation)",
        "border, (1, 1))",
        "dilation forgotten",
        "input",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.convolution.Correlation", "W[..., ::-1, :]", "W", "kernel's rows not turned", "input", "Conv2D"
    ),
    Mutation(
        "backend.shared.convolution.Correlation", "dW += rows", "dW[...] = rows", "only the last tile", "W", "Conv2D"
    ),
    Mutation(
        "backend.shared.convolution.Correlation",
        "dK[:, j, -1, j]",
        "dK[:, j, 0, j]",
        "a pixel for the bias",
        "b",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.convolution.Correlation",
        "dK[:, j : j + self.k1, :-1, j]",
        "dK[:, : self.k1, :-1, j]",
        "row j's kernels not lowered",
        "W",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.convolution.Correlation",
        "self._column(rows_first(x, *self.padding)).T)",
        "rows_first(x, *self.padding).reshape(-1, delta.shape[1]).T)",
        "pixels in another order",
        "W",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.convolution.Correlation",
        "db += delta.sum(1)",
        "db += delta.mean(1)",
        "mean for a sum",
        "b",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.convolution.Correlation",
        "kept = columns",
        "kept = columns[..., ::-1, :]",
        "kept columns in reverse",
        "W b",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.convolution.Correlation",
        ".transpose(0, 2, 4, 3, 1)",
        "[::-1].transpose(0, 2, 4, 3, 1)",
        "another group's kernels",
        "input",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.im2col.turned_windows",
        "rows.start - margin, tile.shape[1]",
        "rows.start - (kernel - 1), tile.shape[1]",
        "one margin",
        "input",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.im2col.turned_windows",
        "size - margin, 1, dilation)",
        "size - margin)",
        "dilation forgotten",
        "input",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.im2col.turned_windows",
        "first * stride - top",
        "max(first * stride - top - 1, 0)",
        "row off by one",
        "input",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.im2col.col2im",
        "tile.cols.start * stride",
        "tile.cols.start",
        "stride forgotten in width",
        "input",
        "Conv2D",
    ),
    Mutation(
        "backend.shared.im2col.im2col", "w * d2, w * s2", "w * s2, w * d2", "stride for dilation", "input", "Conv2D"
    ),
    Mutation(
        "backend.shared.im2col.im2col",
        "tile.cols.start * s2 * w",
        "tile.cols.start * w",
        "stride forgotten in width",
        "input",
        "Conv2D",
    ),
    Mutation("backend.shared.im2col.windows", "h * dilation, k", "h, k", "dilation forgotten", "input", "Conv2D"),
    Mutation("backend.cpu.products.gather_columns", "n * dilation", "n", "dilation forgotten", "input", "Conv2D"),
    Mutation(
        "backend.cpu.products.gather_columns",
        "lines[:, :, :, n]",
        "lines[:, :, :, kernel - 1 - n]",
        "columns in reverse",
        "input",
        "Conv2D",
    ),
    Mutation(
        "backend.cpu.products.gather_columns",
        ": stride] += lines",
        ": stride] = lines",
        "overlapping windows not summed",
        "input",
        "Conv2D",
    ),
    Mutation(
        "backend.cpu.products.sum_of_products",
        "D).sum(1)\n    height",
        "D)[:, -1]\n    height",
        "only the last row",
        "W b",
        "Conv2D",
    ),
]

PIECES = [
    Mutation(
        "backend.cpu.products.sum_of_products",
        "b.reshape(G, P, n, D, -1, length)",
        "b[:, :, :, ::-1].reshape(G, P, n, D, -1, length)",
        "kernels in reverse",
        "W b",
        "Conv2D",
    ),
    Mutation(
        "backend.cpu.products.matmul",
        "second = b.reshape",
        "second = b[..., ::-1, :].reshape",
        "inner axis in reverse",
        "W b input",
        "Conv2D",
    ),
    Mutation(
        "backend.cpu.products._by_halves",
        "matmul(a[half:]",
        "matmul(a[half:][::-1]",
        "rows of the second half in reverse",
        "W_h",
        "RNN from a state",
    ),
    Mutation(
        "backend.cpu.products._by_halves", "a.reshape(2, -1", "a[::-1].reshape(2, -1", "rows in reverse", "W_h", "RNN"
    ),
]
"""In what only some machines, or products of some sizes, run by."""

BLAS = [
    Mutation(
        "backend.cpu.blas.gemm", "1.0, address(out)", "0.0, address(out)", "overwrites the gradient", "W", "Dense"
    ),
    Mutation("backend.cpu.blas.gemm", "m, n, k, 1.0", "m, n, k, 2.0", "factor 2", "W", "Dense"),
]
"""In the calls of BLAS, where its functions are found."""

POOLING = [
    Mutation(
        "backend.cpu.pooling._winners", "append(first)", "append(first | 1)", "to all, not one", "input", "MaxPool2D"
    ),
    Mutation(
        "backend.cpu.pooling._winners", "element == y", "element < y", "to all but the largest", "input", "MaxPool2D"
    ),
    Mutation(
        "backend.cpu.pooling.max_pool",
        "dy), winners)",
        "dy), winners[::-1])",
        "places in reverse",
        "input",
        "MaxPool2D",
    ),
    Mutation(
        "backend.cpu.pooling.mean_pool", "repeat(scale,", "repeat(1.0,", "not divided by the size", "input", "AvgPool2D"
    ),
    Mutation(
        "backend.cpu.pooling._Windows",
        "element += dy",
        "element[...] = dy",
        "overlapping windows not summed",
        "input",
        "AvgPool2D",
    ),
    Mutation(
        "backend.cpu.pooling._Windows",
        "multiply(dy, factor,",
        "multiply(0 * dy, factor,",
        "side by side lost",
        "input",
        "MaxPool2D",
    ),
    Mutation(
        "backend.cpu.pooling._Windows",
        "slice(p1, p1 + H), slice(None), slice(p2, p2 + W)",
        "slice(p2, p2 + H), slice(None), slice(p1, p1 + W)",
        "axes of the padding swapped",
        "input",
        "AvgPool2D",
    ),
    Mutation(
        "backend.cpu.pooling._Windows",
        "function(total, image[lines(place)], out=total)",
        "pass",
        "the window's third row left out",
        "input",
        "AvgPool2D",
    ),
]

OTHERS = [
    Mutation(
        "backend.cpu.dense.dense", "matmul(W.T, delta)", "matmul(W, delta)", "dropped transpose", "input", "Dense"
    ),
    Mutation("backend.cpu.dense.dense", "delta, a.T)", "delta, a.T[:, ::-1])", "features in reverse", "W", "Dense"),
    Mutation("backend.cpu.dense.dense", "np.add.reduce(delta, 1)", "delta.mean(1)", "mean for a sum", "b", "Dense"),
    Mutation("backend.cpu.dense.dense", "db += np.add.reduce(delta, 1)", "pass", "forgotten bias", "b", "Dense"),
    Mutation(
        "backend.cpu.dense.dense",
        "add_product(grads",
        'grads["W"][...] = 0; add_product(grads',
        "overwrites the gradient",
        "W",
        "Dense",
    ),
    Mutation("backend.cpu.products.add_product", "[key], a,", "[key], a[:, ::-1],", "columns in reverse", "W", "Dense"),
    Mutation("backend.cpu.blas.gemm", "out += in_turn", "out[...] = in_turn", "overwrites the gradient", "W", "Dense"),
    Mutation("backend.cpu.activations.tanh", "np.subtract(1, slope, out=slope)", "pass", "1 - a^2", "input", "Tanh"),
    Mutation(
        "backend.cpu.activations.relu", "(a > 0)", "(da > 0)", "sign of the gradient, not of the input", "input", "ReLU"
    ),
    Mutation(
        "backend.cpu.activations.leaky_relu",
        "z.dtype.type(slope)",
        "z.dtype.type(0)",
        "slope forgotten",
        "input",
        "LeakyReLU",
    ),
    Mutation(
        "backend.cpu.activations.leaky_relu",
        "np.where(z > 0, da, slope * da)",
        "da * np.maximum(z > 0, slope)",
        "slope above 1 for all",
        "input",
        "LeakyReLU",
    ),
    Mutation(
        "backend.cpu.losses.equally_weighted",
        "dz[t, places] -= 1",
        "dz[t, places] += 1",
        "wrong sign",
        "input",
        "SoftmaxCrossEntropy",
    ),
    Mutation(
        "backend.cpu.embedding.embedding",
        "np.add.reduceat(dy.reshape(-1, dy.shape[-1])[order], starts)",
        "dy.reshape(-1, dy.shape[-1])[order][starts]",
        "a symbol that recurs counts once",
        "W",
        "Embedding",
    ),
    Mutation("backend.cpu.embedding.embedding", "[order], starts", ", starts", "not sorted", "W", "Embedding"),
    Mutation(
        "backend.cpu.embedding.embedding",
        "dW[ordered[starts]]",
        "dW[ordered[starts] - 1]",
        "off by one",
        "W",
        "Embedding",
    ),
    Mutation(
        "backend.shared.batchnorm.batch_norm",
        "dx -= dbeta / M",
        "pass",
        "gradient through the mean forgotten",
        "input",
        "BatchNorm1D",
    ),
    Mutation(
        "backend.shared.batchnorm.batch_norm",
        "dgamma / -M",
        "dgamma / -len(x)",
        "batch for all values",
        "input",
        "BatchNorm2D",
    ),
    Mutation(
        "backend.shared.batchnorm.batch_norm",
        "dx *= gamma * invstd",
        "dx *= invstd",
        "scale forgotten",
        "input",
        "BatchNorm2D",
    ),
    Mutation(
        "backend.shared.batchnorm.batch_norm",
        "(dy * xhat)",
        "(dy * x)",
        "input for its normal form",
        "gamma input",
        "BatchNorm1D",
    ),
    Mutation(
        "backend.shared.batchnorm.batch_norm",
        "+= dbeta.ravel()",
        "+= dgamma.ravel()",
        "the other sum",
        "beta",
        "BatchNorm1D",
    ),
    Mutation(
        "backend.shared.batchnorm.fixed_norm",
        "xp.multiply(dy, gamma * invstd",
        "xp.multiply(dy, invstd",
        "scale forgotten",
        "input",
        "BatchNorm1D in inference",
    ),
    Mutation(
        "backend.shared.batchnorm.fixed_norm",
        "(dy * (x - mean) * invstd)",
        "(dy * x * invstd)",
        "mean forgotten",
        "gamma",
        "BatchNorm1D in inference",
    ),
    Mutation(
        "backend.shared.batchnorm.fixed_norm",
        '["beta"] += dy.sum(axes)',
        '["beta"] += dy.mean(axes)',
        "mean for a sum",
        "beta",
        "BatchNorm1D in inference",
    ),
]

RECURRENT = [
    Mutation(
        "backend.shared.recurrent.recurrence",
        "delta.T, x_rows)",
        "delta.T, x_rows[::-1])",
        "time reversed",
        "W_x",
        "RNN",
    ),
    Mutation("backend.shared.recurrent.recurrence", "dW[:, I]", "delta[-N:].sum(0)", "last step only", "b", "LSTM"),
    Mutation(
        "backend.shared.recurrent.recurrence",
        "matmul(delta, W_x)",
        "matmul(delta, W_x.T)",
        "dropped transpose",
        "input",
        "RNN",
    ),
    Mutation("backend.shared.recurrent.recurrence", "+= steps.sort(dy)", "+= dy", "not sorted by length", RNN, "RNN"),
    Mutation(
        "backend.shared.recurrent.recurrence",
        "steps.unsort(component) for component in dstates",
        "component for component in dstates",
        "order of the rows kept",
        "input",
        "RNN from a state",
    ),
    Mutation(
        "backend.shared.recurrent.recurrence",
        "steps.sort(component).copy() for",
        "0 * steps.sort(component).copy() for",
        "last state's gradient lost",
        RNN,
        "LSTM from a state",
    ),
    Mutation(
        "backend.shared.recurrent.recurrence",
        "steps.sort(initial)",
        "initial",
        "first state not sorted by length",
        "input",
        "GRU from a state",
    ),
    Mutation(
        "backend.shared.sequences.Steps",
        "transpose(1, 0, 2)\n\n    def last",
        "reshape(self.N, self.T, -1)\n\n    def last",
        "steps for samples",
        RNN,
        "RNN",
    ),
    Mutation(
        "backend.shared.sequences.RaggedSteps",
        "unsorted[self._order] = state",
        "unsorted[...] = state[self._order]",
        "not the inverse permutation",
        "input",
        "GRU from a state",
    ),
    Mutation("backend.cpu.products.add_rows", "x.sum(0)", "x.mean(0)", "mean for a sum", "b_h", "GRU"),
    Mutation(
        "backend.shared.recurrent.elman_scan",
        "xp.subtract(1, delta, out=delta)",
        "delta[...] = 1",
        "1 - h^2 forgotten",
        RNN,
        "RNN",
    ),
    Mutation(
        "backend.shared.recurrent.elman_scan",
        "product(d, straight, ",
        "product(d, straight.T, ",
        "dropped transpose",
        RNN,
        "RNN",
    ),
    Mutation(
        "backend.shared.recurrent.elman_scan",
        "dh_now += dh_rows[now]",
        "dh_now[...] = dh_rows[now]",
        "later steps lost",
        RNN,
        "RNN",
    ),
    Mutation(
        "backend.shared.recurrent.elman_scan",
        "delta.T, h[steps.before])",
        "delta.T, h[steps.N :])",
        "h_t for h_{t-1}",
        "W_h",
        "RNN",
    ),
    Mutation("backend.shared.recurrent.lstm_scan", "g * (i * (1 - i))", "g * i", "input gate's slope", RNN, "LSTM"),
    Mutation(
        "backend.shared.recurrent.lstm_scan", "c[steps.before] * (f", "c_rows * (f", "c_t for c_{t-1}", RNN, "LSTM"
    ),
    Mutation("backend.shared.recurrent.lstm_scan", "i * (1 - g * g)", "i * (1 - g)", "square forgotten", RNN, "LSTM"),
    Mutation(
        "backend.shared.recurrent.lstm_scan", "o * (1 - tanh_c * tanh_c)", "o", "slope of tanh c forgotten", RNN, "LSTM"
    ),
    Mutation(
        "backend.shared.recurrent.lstm_scan",
        "dc_now += dh_now",
        "dc_now[...] = dh_now",
        "the cell's own way lost",
        RNN,
        "LSTM",
    ),
    Mutation("backend.shared.recurrent.lstm_scan", "dc_now *= f[now]", "pass", "forget gate forgotten", RNN, "LSTM"),
    Mutation(
        "backend.shared.recurrent.lstm_scan",
        "delta.T, h[steps.before])",
        "delta.T, h_rows)",
        "h_t for h_{t-1}",
        "W_h",
        "LSTM",
    ),
    Mutation(
        "backend.shared.recurrent.lstm_scan", "dh_now += dh_rows[now]", "pass", "outputs' gradient lost", RNN, "LSTM"
    ),
    Mutation(
        "backend.shared.recurrent.gru_scan",
        "dn * m * (r * (1 - r))",
        "dn * (r * (1 - r))",
        "missing factor",
        GRU,
        "GRU",
    ),
    Mutation("backend.shared.recurrent.gru_scan", "(h_before - n)", "(n - h_before)", "wrong sign", GRU, "GRU"),
    Mutation(
        "backend.shared.recurrent.gru_scan",
        "delta[:, 2] = dn * r",
        "delta[:, 2] = dn",
        "reset gate forgotten",
        GRU,
        "GRU",
    ),
    Mutation(
        "backend.shared.recurrent.gru_scan", "dh_now *= z[now]", "dh_now *= 0", "the state's own way lost", GRU, "GRU"
    ),
    Mutation(
        "backend.shared.recurrent.gru_scan",
        '["b_h"], delta[:, 2])',
        '["b_h"], dn)',
        "b's gradient for b_h's",
        "b_h",
        "GRU",
    ),
    Mutation(
        "backend.shared.recurrent.gru_scan",
        "        delta[:, 2] = dn\n",
        "",
        "b_h's gradient for b's",
        "W_x b input",
        "GRU",
    ),
]

FORMS = [*CONVOLUTION, *PIECES, *POOLING, *OTHERS, *RECURRENT]
"""Found by gradcheck."""

SLICES = [
    Mutation("backend.cpu.slices.in_slices", "concatenate(dx)", "concatenate(dx[::-1])", "slices in reverse", "input"),
    Mutation(
        "backend.cpu.slices.in_slices",
        "concatenate(outputs)",
        "concatenate(outputs[::-1])",
        "outputs in reverse",
        "output",
    ),
    Mutation(
        "backend.cpu.slices.in_slices",
        "partial(step, dy[s])",
        "partial(step, dy[-len(dy[s]) :])",
        "the last slice's for all",
        "0.W 0.b 5.W 5.b input",
    ),
    Mutation("backend.cpu.slices.in_slices", "_collect(shares)", "pass", "shares not collected", "0.W 0.b 5.W 5.b"),
    Mutation(
        "backend.cpu.slices._twin",
        "if leaf not in shares:",
        "if True:",
        "only the last place of a layer in the network",
        "0.W 0.b",
    ),
    Mutation(
        "backend.cpu.slices._collect", "total += array", "total[...] = array", "only the last thread's", "0.W 0.b 5.b"
    ),
    Mutation(
        "backend.cpu.slices._collect", "for share in own:", "for share in own[:-1]:", "a thread left out", "0.W 0.b 5.b"
    ),
    Mutation(
        "backend.cpu.slices._collect",
        "share.arrays = {}",
        "pass",
        "shares added again by the next backward",
        "0.W 0.b 5.b",
    ),
    Mutation(
        "backend.cpu.slices._collect",
        "concatenate(right)",
        "concatenate(right[::-1])",
        "factors of other slices",
        "5.W",
    ),
    Mutation(
        "backend.cpu.slices._collect",
        "products.pop(key, ())",
        "products.get(key, ())",
        "products added again by the next backward",
        "5.W",
    ),
    Mutation("backend.cpu.shares.Share", ".append((a, b))", "[:] = [(a, b)]", "only the last product", "5.W"),
    Mutation("backend.cpu.shares.Share", "np.zeros_like", "np.ones_like", "not from 0", "0.W 0.b 5.b"),
    Mutation("backend.cpu.products.add_product", "key, a, b)", "key, a[:, ::-1], b)", "columns in reverse", "5.W"),
    Mutation(
        "backend.cpu.threads._in_order",
        "for turn in range(len(shares[0])) for share in shares if turn < len(share)",
        "for share in shares for turn in range(len(share))",
        "slices in the threads' order",
        "output 0.W 0.b 5.W input",
    ),
]
"""Found by a comparison with the whole batch."""

UPDATES = [
    Mutation(
        "backend.cpu.optimizers.sgd",
        "axpby(weight_decay, params, 1, grads)",
        "axpby(weight_decay, params, 0, grads)",
        "gradient forgotten",
        "p v",
    ),
    Mutation(
        "backend.cpu.optimizers.sgd",
        "axpby(1, grads, momentum",
        "axpby(1 - momentum, grads, momentum",
        "mean for a sum",
        "p v",
    ),
    Mutation(
        "backend.cpu.optimizers.sgd",
        "axpby(momentum, velocity, 1",
        "axpby(1, velocity, 1",
        "momentum forgotten by Nesterov",
        "p",
    ),
    Mutation("backend.cpu.optimizers.sgd", "direction = velocity", "pass", "velocity not used", "p v"),
    Mutation("backend.cpu.optimizers.sgd", "axpby(-lr", "axpby(lr", "wrong sign", "p v"),
    Mutation("backend.cpu.optimizers.sgd", "grads.fill(0)", "pass", "gradient kept", "g"),
    Mutation(
        "backend.cpu.optimizers.adam", "axpby(weight_decay, params, 1, grads)", "pass", "decay forgotten", "p m v"
    ),
    Mutation(
        "backend.cpu.optimizers.adam", "grads, shrink, params", "grads, 1, params", "decay of AdamW forgotten", "p"
    ),
    Mutation(
        "backend.cpu.optimizers.adam",
        "axpby(1 - beta1, grads, beta1",
        "axpby(1 - beta1, grads, beta2",
        "the other rate",
        "p m v",
    ),
    Mutation("backend.cpu.optimizers.adam", "grads *= grads", "np.abs(grads, out=grads)", "square forgotten", "p m v"),
    Mutation(
        "backend.cpu.optimizers.adam",
        "np.sqrt(square, out=grads)\n        grads += eps",
        "np.sqrt(square + eps, out=grads)",
        "eps under the root",
        "p m v",
    ),
    Mutation(
        "backend.cpu.optimizers.adam",
        "axpby(-rate, grads, shrink",
        "axpby(-rate * shrink, grads, shrink",
        "decay of the step too",
        "p",
    ),
    Mutation("backend.cpu.optimizers.adam", "grads.fill(0)", "pass", "gradient kept", "g"),
    Mutation(
        "backend.cpu.memory.cache_blocks",
        "min(start + _BLOCK, size)",
        "min(start + _BLOCK - 1, size)",
        "an element between the blocks left out",
        "p v g",
        "sgd",
    ),
]
"""Found by a comparison with the equations."""
