"""RNN, LSTM and GRU: values from scalar loops, derivatives, lengths, states."""

import copy
import inspect
import math

import numpy as np
import pytest
from border import ELEMENTS, dev, host, learns

import xpnn as nn

KINDS = pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
SEQUENCES = pytest.mark.parametrize("return_sequences", [False, True], ids=["last", "sequences"])
LENGTHS = pytest.mark.parametrize("lengths", [None, [3, 6, 1, 6, 2]], ids=["full", "ragged"])
N, T, I, H = 5, 6, 3, 4


def make(kind, return_sequences=False, *, rng):
    """A float64 layer with all parameters, biases too, drawn at random."""
    layer = kind(I, H, return_sequences, dtype="float64")
    for key, value in layer.params.items():
        layer.params[key] = 0.7 * rng.standard_normal(value.shape)
    return layer


def draw_state(layer, rng, batch=N):
    """The parts of a state of the layer's kind, on the host."""
    return [rng.standard_normal((batch, H)) for _ in layer.state_names]


def as_state(parts):
    """Host arrays as the argument that forward_from takes."""
    return tuple(map(dev, parts)) if len(parts) > 1 else dev(parts[0])


def as_parts(state):
    """The inverse of :func:`as_state`, copies."""
    return [host(part).copy() for part in (state if isinstance(state, tuple) else (state,))]


def run(layer, x, parts=None, lengths=None, dy=None, dlast=None):
    """Forward and backward: every result and gradient by name, on the host."""
    layer.flat_grads[...] = 0
    y, last, backward = layer.forward_from(dev(x), None if parts is None else as_state(parts), True, lengths)
    dx, dstate = backward(dev(np.ones(y.shape) if dy is None else dy), None if dlast is None else as_state(dlast))
    results = {"y": host(y).copy(), "dx": host(dx).copy()}
    for name, part, dpart in zip(layer.state_names, as_parts(last), as_parts(dstate), strict=True):
        results |= {f"last {name}": part, f"dE/d{name}": dpart}
    return results | {f"dE/d{key}": host(value).copy() for key, value in layer.grads.items()}


def assert_same_bits(results, expected):
    assert results.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(results[key], value, err_msg=key)


# values


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def scalar_step(kind, params, x, state):
    """One step of one sample, unit by unit, from the equations that the docstrings state."""
    h = state[0]

    def product(W, row, vector):
        return sum(W[row, j] * vector[j] for j in range(len(vector)))

    def gate(k, j):
        row = k * H + j
        return product(params["W_x"], row, x), product(params["W_h"], row, h), params["b"][row]

    new = [np.empty(H) for _ in state]
    for j in range(H):
        if kind is nn.RNN:
            new[0][j] = math.tanh(sum(gate(0, j)))
        elif kind is nn.LSTM:
            i, f, g, o = (sum(gate(k, j)) for k in range(4))
            new[1][j] = sigmoid(f) * state[1][j] + sigmoid(i) * math.tanh(g)
            new[0][j] = sigmoid(o) * math.tanh(new[1][j])
        else:
            r, z = sigmoid(sum(gate(0, j))), sigmoid(sum(gate(1, j)))
            x_part, h_part, b = gate(2, j)
            n = math.tanh(x_part + b + r * (h_part + params["b_h"][j]))
            new[0][j] = (1 - z) * n + z * h[j]
    return new


@KINDS
@SEQUENCES
@LENGTHS
@pytest.mark.parametrize("given_state", [False, True], ids=["from zero", "from a state"])
def test_values_are_those_of_scalar_loops(kind, return_sequences, lengths, given_state, rng):
    layer = make(kind, return_sequences, rng=rng)
    params = {key: host(value) for key, value in layer.params.items()}
    x, parts = rng.standard_normal((N, T, I)), draw_state(layer, rng)
    if not given_state:
        parts = [np.zeros((N, H)) for _ in parts]
    y, last, _ = layer.forward_from(dev(x), as_state(parts) if given_state else None, lengths=lengths)

    steps, ends = np.zeros((N, T, H)), [part.copy() for part in parts]
    for n in range(N):
        state = [part[n] for part in parts]
        for t in range(T if lengths is None else lengths[n]):
            state = scalar_step(kind, params, x[n, t], state)
            steps[n, t] = state[0]
        for end, part in zip(ends, state, strict=True):
            end[n] = part
    np.testing.assert_allclose(host(y), steps if return_sequences else ends[0], rtol=1e-12, atol=1e-14)
    for part, end in zip(as_parts(last), ends, strict=True):
        np.testing.assert_allclose(part, end, rtol=1e-12, atol=1e-14)


@KINDS
@SEQUENCES
@LENGTHS
def test_directional_derivative_in_everything_at_once(kind, return_sequences, lengths, rng):
    """E = <y, dy> + <last, dlast>, along one random unit vector in x, the initial state and all parameters."""
    layer = make(kind, return_sequences, rng=rng)
    x, parts = rng.standard_normal((N, T, I)), draw_state(layer, rng)
    dy = rng.standard_normal((N, T, H) if return_sequences else (N, H))
    dlast = draw_state(layer, rng)
    point = {"dx": x, **{f"dE/d{name}": part for name, part in zip(layer.state_names, parts, strict=True)}}
    point |= {f"dE/d{key}": host(value).copy() for key, value in layer.params.items()}
    direction = {key: rng.standard_normal(value.shape) for key, value in point.items()}
    norm = math.sqrt(sum((value**2).sum() for value in direction.values()))
    direction = {key: value / norm for key, value in direction.items()}

    def energy(h):
        moved = {key: value + h * direction[key] for key, value in point.items()}
        for key in layer.params:
            layer.params[key] = moved[f"dE/d{key}"]
        state = as_state([moved[f"dE/d{name}"] for name in layer.state_names])
        y, last, _ = layer.forward_from(dev(moved["dx"]), state, lengths=lengths)
        return (host(y) * dy).sum() + sum((a * b).sum() for a, b in zip(as_parts(last), dlast, strict=True))

    results = run(layer, x, parts, lengths, dy, dlast)
    slope = sum((results[key] * direction[key]).sum() for key in point)
    h = 1e-3
    central, wide = ((energy(k * h) - energy(-k * h)) / (2 * k * h) for k in (1, 2))
    # Richardson's rule takes away the error in h^2; the rest, in h^4 = 1e-12, and the rounding, 1e-16 |E| / h, are
    # far below the bound, and a term forgotten in any backward is far above
    assert abs(slope - (4 * central - wide) / 3) <= 1e-9


@KINDS
@SEQUENCES
@LENGTHS
def test_gradcheck(kind, return_sequences, lengths, rng):
    options = {"max_elements": ELEMENTS} | ({} if lengths is None else {"lengths": lengths})
    report = nn.gradcheck(make(kind, return_sequences, rng=rng), rng.standard_normal((N, T, I)), **options)
    assert report.ok, report


@KINDS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_overflow_where_gates_saturate(kind, dtype, rng):
    layer = kind(I, H, True, rng=0, dtype=dtype)
    x = dev(1e4 * rng.standard_normal((N, T, I)), dtype)
    y, backward = layer.forward(x)
    assert abs(host(y)).max() <= 1
    assert np.isfinite(host(backward(y))).all()


# lengths


@KINDS
@SEQUENCES
@pytest.mark.parametrize("garbage", [1e30, -1e300, np.inf, np.nan])
def test_padding_changes_nothing(kind, return_sequences, garbage, rng):
    layer = make(kind, return_sequences, rng=rng)
    lengths = [3, 6, 1, 6, 2]
    x, parts, dlast = rng.standard_normal((N, T, I)), draw_state(layer, rng), draw_state(layer, rng)
    dy = rng.standard_normal((N, T, H) if return_sequences else (N, H))
    clean = run(layer, x, parts, lengths, dy, dlast)
    padding = np.arange(T) >= np.array(lengths)[:, None]
    x[padding] = garbage
    if return_sequences:
        dy[padding] = garbage
        assert (clean["y"][padding] == 0).all()
    assert (clean["dx"][padding] == 0).all()
    assert_same_bits(run(layer, x, parts, lengths, dy, dlast), clean)


@KINDS
@SEQUENCES
def test_more_padding_changes_nothing(kind, return_sequences, rng):
    layer = make(kind, return_sequences, rng=rng)
    lengths = np.array([3, 4, 1, 4, 2], "uint8")
    x, parts = rng.standard_normal((N, 4, I)), draw_state(layer, rng)
    short = run(layer, x, parts, lengths)
    long = run(layer, np.concatenate([x, rng.standard_normal((N, 3, I))], 1), parts, lengths)
    assert (long["dx"][:, 4:] == 0).all()
    long["dx"] = long["dx"][:, :4]
    if return_sequences:
        assert (long["y"][:, 4:] == 0).all()
        long["y"] = long["y"][:, :4]
    assert_same_bits(long, short)


@KINDS
@SEQUENCES
def test_lengths_of_the_whole_sequence_are_as_none(kind, return_sequences, rng):
    layer = make(kind, return_sequences, rng=rng)
    x, parts = rng.standard_normal((N, T, I)), draw_state(layer, rng)
    assert_same_bits(run(layer, x, parts, [T] * N), run(layer, x, parts))


@KINDS
def test_a_sample_is_alone_what_it_is_in_a_batch(kind, rng):
    layer = make(kind, True, rng=rng)
    lengths = [3, 6, 1, 6, 2]
    x, parts, dlast = rng.standard_normal((N, T, I)), draw_state(layer, rng), draw_state(layer, rng)
    dy = rng.standard_normal((N, T, H))
    batch = run(layer, x, parts, lengths, dy, dlast)
    sums = {key: 0.0 for key in batch if key.removeprefix("dE/d") in layer.params}
    for n, length in enumerate(lengths):
        one = slice(n, n + 1)
        alone = run(layer, x[one, :length], [p[one] for p in parts], None, dy[one, :length], [p[one] for p in dlast])
        for key in batch.keys() - sums.keys():
            part = batch[key][one, :length] if key in ("y", "dx") else batch[key][one]
            np.testing.assert_allclose(part, alone[key], rtol=1e-12, atol=1e-14, err_msg=key)
        for key in sums:
            sums[key] = sums[key] + alone[key]
    for key, value in sums.items():
        np.testing.assert_allclose(batch[key], value, rtol=1e-12, atol=1e-13, err_msg=key)


@KINDS
def test_forward_and_inference_take_lengths(kind, rng):
    layer = make(kind, True, rng=rng)
    x, lengths = dev(rng.standard_normal((N, T, I))), (3, 6, 1, 6, 2)
    y, _, backward_from = layer.forward_from(x, None, lengths=lengths)
    np.testing.assert_array_equal(host(layer(x, lengths=lengths)), host(y))
    again, backward = layer.forward(x, lengths=lengths)
    np.testing.assert_array_equal(host(again), host(y))
    np.testing.assert_array_equal(host(backward(y)), host(backward_from(y)[0]))


# states


@KINDS
@SEQUENCES
def test_a_sequence_in_two_calls_is_as_in_one(kind, return_sequences, rng):
    layer = make(kind, return_sequences, rng=rng)
    x, parts, dlast = rng.standard_normal((N, T, I)), draw_state(layer, rng), draw_state(layer, rng)
    dy = rng.standard_normal((N, T, H) if return_sequences else (N, H))
    whole = run(layer, x, parts, None, dy, dlast)

    layer.flat_grads[...] = 0
    y1, middle, backward1 = layer.forward_from(dev(x[:, :2]), as_state(parts))
    y2, last, backward2 = layer.forward_from(dev(x[:, 2:]), middle)
    dy1, dy2 = (dy[:, :2], dy[:, 2:]) if return_sequences else (np.zeros((N, H)), dy)
    dx2, dmiddle = backward2(dev(dy2), as_state(dlast))
    dx1, dstate = backward1(dev(dy1), dmiddle)

    if return_sequences:
        np.testing.assert_allclose(np.concatenate([host(y1), host(y2)], 1), whole["y"], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(np.concatenate([host(dx1), host(dx2)], 1), whole["dx"], rtol=1e-12, atol=1e-14)
    for name, part, dpart in zip(layer.state_names, as_parts(last), as_parts(dstate), strict=True):
        np.testing.assert_allclose(part, whole[f"last {name}"], rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(dpart, whole[f"dE/d{name}"], rtol=1e-12, atol=1e-14)
    for key, value in layer.grads.items():
        np.testing.assert_allclose(host(value), whole[f"dE/d{key}"], rtol=1e-12, atol=1e-13)


@KINDS
@SEQUENCES
@LENGTHS
def test_last_state_is_the_last_output(kind, return_sequences, lengths, rng):
    layer = make(kind, return_sequences, rng=rng)
    y, last, _ = layer.forward_from(dev(rng.standard_normal((N, T, I))), None, lengths=lengths)
    y, ends = host(y), np.array(lengths or [T] * N) - 1
    np.testing.assert_array_equal(as_parts(last)[0], y[np.arange(N), ends] if return_sequences else y)


@KINDS
@SEQUENCES
@LENGTHS
def test_no_state_is_zeros_and_no_gradient_is_zeros(kind, return_sequences, lengths, rng):
    layer = make(kind, return_sequences, rng=rng)
    x, zeros = rng.standard_normal((N, T, I)), [np.zeros((N, H)) for _ in layer.state_names]
    assert_same_bits(run(layer, x, zeros, lengths, dlast=zeros), run(layer, x, None, lengths))


@KINDS
@SEQUENCES
@LENGTHS
def test_what_was_given_and_what_came_out_stay_as_they_were(kind, return_sequences, lengths, rng):
    layer = make(kind, return_sequences, rng=rng)
    given = [rng.standard_normal((N, T, I)), *draw_state(layer, rng)]
    x, *parts = map(dev, given)
    state = tuple(parts) if len(parts) > 1 else parts[0]
    y, last, backward = layer.forward_from(x, state, lengths=lengths)
    outputs = [host(y).copy(), *as_parts(last)]
    dy, dlast = dev(rng.standard_normal(y.shape)), as_state(draw_state(layer, rng))
    dy_before, dlast_before = host(dy).copy(), as_parts(dlast)
    first = host(backward(dy, dlast)[0]).copy()
    np.testing.assert_array_equal(host(backward(dy, dlast)[0]), first)
    for before, after in zip(
        [*given, *outputs, dy_before, *dlast_before], [x, *parts, y, *as_parts(last), dy, *as_parts(dlast)], strict=True
    ):
        np.testing.assert_array_equal(host(after), before)


@KINDS
def test_the_last_state_may_be_changed(kind, rng):
    """To restart some samples of a stream: the pass that it came from must not notice."""
    layer = make(kind, True, rng=rng)
    x = rng.standard_normal((N, T, I))
    expected = run(layer, x)
    layer.flat_grads[...] = 0
    y, last, backward = layer.forward_from(dev(x), None)
    for part in last if isinstance(last, tuple) else (last,):
        part[...] = 7
    np.testing.assert_array_equal(host(y), expected["y"])
    np.testing.assert_array_equal(host(backward(dev(np.ones(y.shape)))[0]), expected["dx"])


@KINDS
@SEQUENCES
@LENGTHS
def test_without_need_for_dx_all_other_gradients_stay(kind, return_sequences, lengths, rng):
    layer = make(kind, return_sequences, rng=rng)
    x, parts = rng.standard_normal((N, T, I)), draw_state(layer, rng)
    expected = run(layer, x, parts, lengths)
    layer.flat_grads[...] = 0
    y, _, backward = layer.forward_from(dev(x), as_state(parts), needs_dx=False, lengths=lengths)
    dx, dstate = backward(dev(np.ones(y.shape)))
    assert dx is None
    for name, part in zip(layer.state_names, as_parts(dstate), strict=True):
        np.testing.assert_array_equal(part, expected[f"dE/d{name}"])
    for key, value in layer.grads.items():
        np.testing.assert_array_equal(host(value), expected[f"dE/d{key}"])


@KINDS
@LENGTHS
def test_float32_stays_float32(kind, lengths, rng):
    layer = kind(I, H, True, rng=0)
    state = tuple(dev(part, "float32") for part in draw_state(layer, rng))
    state = state if len(state) > 1 else state[0]
    y, last, backward = layer.forward_from(dev(rng.standard_normal((N, T, I)), "float32"), state, lengths=lengths)
    dx, dstate = backward(y, last)
    arrays = [y, dx, *layer.params.values(), *layer.grads.values()]
    for parts in (last, dstate):
        arrays += parts if isinstance(parts, tuple) else [parts]
    assert {str(array.dtype) for array in arrays} == {"float32"}


# parameters


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        (nn.RNN, {"W_x": (4, 3), "W_h": (4, 4), "b": (4,)}),
        (nn.LSTM, {"W_x": (16, 3), "W_h": (16, 4), "b": (16,)}),
        (nn.GRU, {"W_x": (12, 3), "W_h": (12, 4), "b": (12,), "b_h": (4,)}),
    ],
)
def test_parameters_names_shapes_and_order(kind, shapes):
    assert [(key, value.shape) for key, value in kind(3, 4).params.items()] == list(shapes.items())


@KINDS
def test_initial_parameters(kind):
    layer = kind(5, 6, rng=3, dtype="float64")
    for block in host(layer.params["W_h"]).reshape(-1, 6, 6):
        np.testing.assert_allclose(block @ block.T, np.eye(6), atol=1e-14)
    assert abs(host(layer.params["W_x"])).max() <= (6 / 11) ** 0.5  # Glorot's bound, fan-in and fan-out
    b = host(layer.params["b"]).reshape(-1, 6)
    want = np.zeros_like(b)
    if kind is nn.LSTM:
        want[1] = 1  # the forget gate starts open
    np.testing.assert_array_equal(b, want)
    np.testing.assert_array_equal(host(layer.flat_params), host(kind(5, 6, rng=3, dtype="float64").flat_params))
    assert (host(layer.flat_params) != host(kind(5, 6, rng=4, dtype="float64").flat_params)).any()


@KINDS
def test_repr_builds_the_layer(kind):
    assert repr(kind(3, 4, True)) == f"{kind.__name__}(3, 4, return_sequences=True)"
    assert repr(kind(3, 4)) == f"{kind.__name__}(3, 4)"


@learns
@KINDS
def test_learns_to_recall_the_first_input(kind):
    """Two classes told by the first of 3 to 10 inputs; the others are noise, and so is the padding."""
    rng = np.random.default_rng(1)
    layer, head = kind(1, 16, rng=0), nn.Dense(16, 2, rng=1)
    optimizers, loss = [nn.Adam(0.01), nn.Adam(0.01)], nn.SoftmaxCrossEntropy()
    for _ in range(300):
        x, labels, lengths = rng.standard_normal((64, 10, 1)), rng.integers(0, 2, 64), rng.integers(3, 11, 64)
        x[:, 0, 0] = 2 * labels - 1
        h, backward = layer.forward(dev(x, "float32"), False, lengths)
        logits, head_backward = head.forward(h)
        _, loss_backward = loss.forward(logits, nn.asarray(labels))
        backward(head_backward(loss_backward()))
        for optimizer, part in zip(optimizers, (layer, head), strict=True):
            optimizer.step(part)
    assert (host(logits).argmax(1) == labels).mean() >= 0.95


# the border


@KINDS
@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        ([3, 6, 1, 6], ValueError, "expected 5 lengths from 1 to 6, got"),
        ([[3, 6, 1, 6, 2]], ValueError, "expected 5 lengths"),
        (3, TypeError, "whole numbers in a list or NumPy array, got 3"),
        ([3, 6, 0, 6, 2], ValueError, "from 1 to 6"),
        ([3, 7, 1, 6, 2], ValueError, "from 1 to 6"),
        ([3, -1, 1, 6, 2], ValueError, "from 1 to 6"),
        ([3, 6, 1, 6, 2.0], TypeError, "whole numbers"),
        ([True] * 5, TypeError, "whole numbers"),
        ("36162", TypeError, "whole numbers"),
        ([], TypeError, "whole numbers"),
    ],
)
def test_wrong_lengths(kind, lengths, error, message):
    with pytest.raises(error, match=message) as caught:
        kind(I, H, dtype="float64").forward(dev(np.ones((N, T, I))), lengths=lengths)
    assert kind.__name__ in str(caught.value)


@KINDS
def test_wrong_state(kind):
    layer = kind(I, H, dtype="float64")
    x, count = dev(np.ones((N, T, I))), len(layer.state_names)

    def state(shape, dtype="float64", parts=count):
        arrays = tuple(nn.xp.zeros(shape, dtype=dtype) for _ in range(parts))
        return arrays if len(arrays) > 1 else arrays[0]

    names = ", ".join(layer.state_names)
    for wrong in (state((N + 1, H)), state((N, H + 1)), state((H,)), state((N, H), parts=3 - count)):
        with pytest.raises(ValueError, match=rf"expected a state \({names}\) of shape \(5, 4\) each, got \("):
            layer.forward_from(x, wrong)
    with pytest.raises(TypeError, match=r"dtype float64, got .* of dtype float32"):
        layer.forward_from(x, state((N, H), "float32"))
    with pytest.raises(TypeError, match=r"expected a state of .* arrays .* got builtins.list"):
        layer.forward_from(x, [[0.0] * H] * N)
    _, _, backward = layer.forward_from(x, None)
    with pytest.raises(ValueError, match="expected a state"):
        backward(dev(np.ones((N, H))), state((N + 1, H)))


@KINDS
def test_wrong_sizes(kind):
    for arguments, what in (((0, 3), "input_size"), ((3, 0), "hidden_size"), ((3, 2.5), "hidden_size")):
        with pytest.raises(ValueError, match=f"{what}: expected a whole number of at least 1"):
            kind(*arguments)


@KINDS
def test_two_passes_at_once_and_copies_do_not_meet(kind, rng):
    layer = make(kind, True, rng=rng)
    x = rng.standard_normal((2, N, T, I))
    expected = [run(layer, x[0], None, [3, 6, 1, 6, 2]), run(layer, x[1])]
    layer.flat_grads[...] = 0
    first = layer.forward(dev(x[0]), lengths=[3, 6, 1, 6, 2])
    second = copy.deepcopy(layer).forward(dev(x[1]))
    for (y, backward), want in ((second, expected[1]), (first, expected[0])):
        np.testing.assert_array_equal(host(backward(dev(np.ones(y.shape)))), want["dx"])
    for key, value in layer.grads.items():
        np.testing.assert_array_equal(host(value), expected[0][f"dE/d{key}"])


def test_the_three_share_one_interface():
    signatures = {
        (inspect.signature(kind), inspect.signature(kind.forward), inspect.signature(kind.forward_from))
        for kind in (nn.RNN, nn.LSTM, nn.GRU)
    }
    assert len(signatures) == 1


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_pass_leaves_the_parameters_as_they_are(kind, size, rng):
    """With one unit a transposed matrix is no other array in memory: nothing may be scaled in place."""
    layer = kind(size, size, rng=0, dtype="float64")
    before = host(layer.flat_params).copy()
    y, backward = layer.forward(dev(rng.standard_normal((3, 4, size))))
    backward(y)
    np.testing.assert_array_equal(host(layer.flat_params), before)


def test_a_step_of_one_s_own_is_run_through_time(rng):
    """Whatever its name: no form of another step takes its place."""

    def elman_step(x, state, params):
        (h,), W_x, W_h = state, params["W_x"], params["W_h"]
        new = x @ W_x.T + h @ W_h.T + params["b"]

        def backward(dstate, grads):
            (delta,) = dstate
            grads["W_x"] += delta.T @ x
            grads["W_h"] += delta.T @ h
            grads["b"] += delta.sum(0)
            return delta @ W_x, (delta @ W_h,)

        return (new,), backward

    class Linear(nn.layers.recurrent.Recurrent):
        step = staticmethod(elman_step)

    layer, x = Linear(I, H, True, rng=0, dtype="float64"), rng.standard_normal((N, T, I))
    h, W_x, W_h = np.zeros((N, H)), host(layer.params["W_x"]), host(layer.params["W_h"])
    for t, y_t in enumerate(host(layer(dev(x))).swapaxes(0, 1)):
        h = x[:, t] @ W_x.T + h @ W_h.T
        np.testing.assert_allclose(y_t, h, rtol=1e-12, atol=1e-14)
    assert nn.gradcheck(layer, x, lengths=[1, 2, T] + [1] * (N - 3), max_elements=ELEMENTS).ok


# initial and last states in a network


@KINDS
@LENGTHS
@pytest.mark.parametrize("how", ["learned", "given"])
def test_a_network_learns_the_initial_state_or_gives_it(kind, how, lengths, rng):
    layer = kind(I, H, True, return_state=True, initial_state=how, dtype="float64")
    layer.flat_params[...] = dev(0.7 * rng.standard_normal(layer.flat_params.shape))
    x, dy, dlast = rng.standard_normal((N, T, I)), rng.standard_normal((N, T, H)), draw_state(layer, rng)
    starts = [f"{name}_0" for name in layer.state_names]
    parts = draw_state(layer, rng) if how == "given" else [np.tile(host(layer.params[key]), (N, 1)) for key in starts]
    expected = run(layer, x, parts, lengths, dy, dlast)
    layer.flat_grads[...] = 0
    (y, *last), backward = layer.forward((dev(x), *map(dev, parts)) if how == "given" else dev(x), lengths=lengths)
    dx, *dstart = grads if isinstance(grads := backward((dev(dy), *map(dev, dlast))), tuple) else (grads,)
    results = dict(zip(["y", *(f"last {name}" for name in layer.state_names)], map(host, (y, *last)), strict=True))
    results |= {"dx": host(dx)} | {f"dE/d{key}": host(grad) for key, grad in layer.grads.items()}
    for name, key, part in zip(layer.state_names, starts, dstart or [None] * len(starts), strict=True):
        if how == "given":
            results[f"dE/d{name}"] = host(part)
        else:
            expected[f"dE/d{key}"] = expected[f"dE/d{name}"].sum(0)  # of all samples, which begin with it
            expected.pop(f"dE/d{name}")
    assert results.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(results[key], value, rtol=1e-12, atol=1e-14, err_msg=key)


def test_each_state_component_starts_in_its_own_way(rng):
    layer = nn.LSTM(I, H, initial_state=("given", "learned"), dtype="float64")
    layer.params["c_0"] = rng.standard_normal(H)
    x, h = dev(rng.standard_normal((N, T, I))), dev(rng.standard_normal((N, H)))
    c = dev(np.tile(host(layer.params["c_0"]), (N, 1)))
    np.testing.assert_array_equal(host(layer((x, h))), host(layer.forward_from(x, (h, c))[0]))
    assert "initial_state=('given', 'learned')" in repr(layer)
    assert nn.LSTM(I, H, initial_state=("zeros", "zeros")).initial_state == "zeros"


def test_initial_states_that_do_not_fit(rng):
    x, h = dev(rng.standard_normal((N, T, I))), dev(rng.standard_normal((N, H)))
    layer = nn.LSTM(I, H, initial_state="given", dtype="float64")
    with pytest.raises(TypeError, match="expected a tuple of x and h_0, c_0, got 2 in a tuple"):
        layer((x, h))
    with pytest.raises(ValueError, match=r"expected a state \(h, c\) of shape \(5, 4\) each, got \(5, 4\), \(5, 3\)"):
        layer((x, h, x[:, 0]))
    with pytest.raises(TypeError, match="expected x, got 2 in a tuple"):
        nn.GRU(I, H, dtype="float64")((x, h))
    with pytest.raises(
        ValueError, match="expected initial_state 'zeros', 'learned', 'given', or a tuple of one for each"
    ):
        nn.LSTM(I, H, initial_state="random")
    with pytest.raises(ValueError, match="of h, c, got"):
        nn.LSTM(I, H, initial_state=("given",))
    both = nn.Bidirectional(nn.GRU(I, H, initial_state="given", dtype="float64"))
    with pytest.raises(ValueError, match=r"expected input of shape \(N, 8\), got \(5, 4\)"):
        both((x, h))
