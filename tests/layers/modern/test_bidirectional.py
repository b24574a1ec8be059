"""Bidirectional: by its two layers, each sequence alone and turned round by hand; merging; wrong arguments."""

import numpy as np
import pytest
from border import dev, host, randomise

import xpnn as nn

KINDS = pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
N, T, I, H = 4, 5, 3, 2


@KINDS
@pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequences"])
@pytest.mark.parametrize("merge", ["concat", "sum"])
@pytest.mark.parametrize("lengths", [None, [2, 5, 1, 3]], ids=["full", "ragged"])
def test_each_sequence_is_read_from_both_of_its_ends(kind, sequences, merge, lengths, rng):
    model = nn.Bidirectional(kind(I, H, sequences, rng=0, dtype="float64"), merge=merge, rng=1)
    randomise(model, rng)
    x = rng.standard_normal((N, T, I))
    y, backward = model.forward(dev(x), lengths=lengths)
    dy = rng.standard_normal(y.shape)
    dx = host(backward(dev(dy))).copy()
    grads = host(model.flat_grads).copy()
    np.testing.assert_array_equal(host(model(dev(x), lengths=lengths)), host(y))

    want_y, want_dx = np.zeros(y.shape), np.zeros(x.shape)
    model.zero_grad()
    for n, length in enumerate(lengths or [T] * N):
        part = (n, slice(length)) if sequences else (n,)  # of y
        one = x[n : n + 1, :length]
        ahead, ahead_backward = model.layer.forward(dev(one))
        back, back_backward = model.reverse.forward(dev(one[:, ::-1]))
        turn = (slice(None), slice(None, None, -1)) if sequences else ()
        both = [host(ahead)[0], host(back)[turn][0]]
        want_y[part] = sum(both) if merge == "sum" else np.concatenate(both, axis=-1)
        first, second = (dy[part], dy[part]) if merge == "sum" else (dy[part][..., :H], dy[part][..., H:])
        want_dx[n, :length] = host(ahead_backward(dev(first[None])))[0]
        want_dx[n, :length] += host(back_backward(dev(second[None][turn])))[0, ::-1]
    np.testing.assert_allclose(host(y), want_y, rtol=0, atol=1e-12)
    np.testing.assert_allclose(dx, want_dx, rtol=0, atol=1e-12)
    np.testing.assert_allclose(grads, host(model.flat_grads), rtol=0, atol=1e-12)


def test_the_padding_is_not_read(rng):
    model = nn.Bidirectional(nn.GRU(I, H, True, rng=0, dtype="float64"), rng=1)
    lengths, padding = [2, 5, 1, 3], np.arange(T) >= np.array([2, 5, 1, 3])[:, None]
    x, dy = rng.standard_normal((N, T, I)), rng.standard_normal((N, T, 2 * H))
    results = []
    for garbage in 1.0, np.nan:
        x[padding], dy[padding] = garbage, garbage
        y, backward = model.forward(dev(x), lengths=lengths)
        results.append([host(y).copy(), host(backward(dev(dy))).copy(), host(model.flat_grads).copy()])
        model.zero_grad()
    for clean, with_nan in zip(*results, strict=True):
        np.testing.assert_array_equal(with_nan, clean)
    assert not any(host(array)[padding].any() for array in results[0][:2])


def test_the_reverse_layer_is_like_the_first_one_with_weights_of_its_own():
    first = nn.LSTM(I, H, True, bias=False, rng=0, dtype="float64")
    model = nn.Bidirectional(first, rng=1)
    assert repr(model.reverse) == repr(first)
    assert model.dtype == model.reverse.dtype == "float64"
    assert list(model.params) == ["forward.W_x", "forward.W_h", "reverse.W_x", "reverse.W_h"]
    assert not (host(model.params["forward.W_x"]) == host(model.params["reverse.W_x"])).any()
    assert repr(nn.Bidirectional(first, merge="sum")) == f"Bidirectional({first}, merge='sum')"
    given = nn.LSTM(I, H, True, bias=False, rng=2, dtype="float64")
    assert nn.Bidirectional(first, given).reverse is given


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((nn.Dense(3, 3),), TypeError, r"expected a recurrent layer such as LSTM, got Dense\(3, 3\)"),
        ((nn.RNN(3, 3), nn.Tanh()), TypeError, "got Tanh"),
        ((nn.RNN(3, 3), nn.RNN(3, 4)), ValueError, r"the same settings and dtype, got RNN\(3, 3\) and RNN\(3, 4\)"),
        ((nn.RNN(3, 3), nn.RNN(3, 3, dtype="float64")), ValueError, "the same settings and dtype"),
        ((nn.RNN(3, 3), nn.GRU(3, 3)), ValueError, "the same settings and dtype"),
        ((nn.RNN(3, 3), nn.RNN(3, 3, True)), ValueError, "the same settings and dtype"),
    ],
)
def test_wrong_layers(arguments, error, message):
    with pytest.raises(error, match=f"Bidirectional: .*{message}"):
        nn.Bidirectional(*arguments)


def test_wrong_merge_and_wrong_input():
    with pytest.raises(ValueError, match="expected merge 'concat' or 'sum', got 'mean'"):
        nn.Bidirectional(nn.RNN(3, 3), merge="mean")
    with pytest.raises(ValueError, match=r"expected input of shape \(N, T, 3\), got \(2, 3\)"):
        nn.Bidirectional(nn.RNN(3, 3))(dev(np.ones((2, 3)), "float32"))
