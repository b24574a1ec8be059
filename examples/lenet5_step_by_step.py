"""LeNet-5, step by step
=====================

LeNet-5, one layer at a time, forward and backward; then trained on digits: python examples/lenet5_step_by_step.py.
"""

import sys

import numpy as np

import xpnn as nn


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """scikit-learn's digits, 8x8, enlarged to LeNet-5's 28x28: pixels are repeated three times, with a border of 2."""
    data = nn.load_images("digits")
    x, x_test = (
        np.pad(images.repeat(3, 2).repeat(3, 3), ((0, 0), (0, 0), (2, 2), (2, 2))).astype(np.float32) / 255
        for images in (data.x_train, data.x_test)
    )
    return x, data.y_train, x_test, data.y_test


def norm(array: np.ndarray) -> float:
    return float(nn.xp.sqrt((array * array).sum()))


def one_step(model: nn.Sequential, x: np.ndarray, y: np.ndarray) -> float:
    """Run a forward and a backward pass layer by layer, as model.forward and its backward do; return the loss."""
    out = nn.asarray(x)
    print(f"forward: o, the input, has the shape {out.shape}")
    backwards = []
    for index, layer in enumerate(model):
        out, backward = layer.forward(out)
        backwards.append((index, layer, backward))
        print(f"  {index:2} {type(layer).__name__:10} -> {out.shape}")

    value, loss_backward = nn.SoftmaxCrossEntropy().forward(out, nn.asarray(y))
    delta = loss_backward()
    print(f"loss: E = {float(value):.4f}; guessing would give ln 10 = {np.log(10):.4f}; dE/dlogits {delta.shape}")

    print("backward: each layer takes dE/d(output), adds to its gradients, returns dE/d(input)")
    for index, layer, backward in reversed(backwards):
        delta = backward(delta)
        added = [f"dE/d{key} {grad.shape}, norm {norm(grad):.2g}" for key, grad in layer.grads.items()]
        print(f"  {index:2} {type(layer).__name__:10} -> {delta.shape!s:18} {'; '.join(added)}".rstrip())
    return float(value)


def main(epochs: int = 10) -> float:
    """Make one step layer by layer, then train with fit; return the accuracy on the digits' test part."""
    model = nn.LeNet5(rng=0)
    x, y, x_test, y_test = digits()
    one_step(model, x[:64], y[:64])
    nn.SGD(lr=0.1).step(model)  # p = p - 0.1 dE/dp, and the gradients are 0 again
    print(model.plan(batch_size=64))  # the form that computes each layer
    nn.fit(model, x, y, optimizer=nn.Adam(0.002), epochs=epochs, verbose=False)
    accuracy = nn.evaluate(model, x_test, y_test).accuracy or 0.0
    print(f"test accuracy {accuracy:.4f}")
    return accuracy


if __name__ == "__main__":
    main(3 if "--short" in sys.argv else 10)
