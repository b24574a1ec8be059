"""Networks that branch and join."""

import copy
import pickle

import numpy as np
import pytest
from border import dev, host

import xpnn as nn

F64 = {"dtype": "float64"}


def dense(n, m, seed=0, **options):
    return nn.Dense(n, m, rng=seed, **{**F64, **options})


def branched():
    """x is read twice, "a" three times and by two layers; a layer stands at two places."""
    twice = dense(3, 3, 1)
    return nn.Graph(
        {
            "a": dense(3, 3),
            "b": nn.Tanh(),
            "c": (twice, "a"),
            "sum": (nn.Add(), "a", "b", "c", "x"),
            "d": (twice, "x"),
            "y": (nn.Sequential(nn.Concat(), dense(6, 2, 2)), "sum", "d"),
        },
        input_shape=(3,),
    )


def two_by_two():
    """Symbols and a table; one of the outputs is read by the other."""
    return nn.Graph(
        {
            "words": (nn.Embedding(5, 3, rng=0, **F64), "text"),
            "flat": nn.Flatten(),
            "both": (nn.Concat(), "flat", "table"),
            "hidden": dense(8, 4, 1),
            "label": dense(4, 3, 2),
        },
        inputs=("text", "table"),
        outputs=("label", "hidden"),
        input_shape=((2,), (2,)),
    )


def test_a_fork_sums_the_gradients_of_all_that_read_it(rng):
    model, x = branched(), rng.standard_normal((4, 3))
    y, backward = model.forward(dev(x))
    dy = rng.standard_normal(y.shape)
    dx = host(backward(dev(dy)))
    Wa, Wc, Wy = (host(model.params[key]) for key in ("a.W", "c.W", "y.1.W"))
    ba, bc, by = (host(model.params[key]) for key in ("a.b", "c.b", "y.1.b"))
    a = x @ Wa.T + ba
    total = a + np.tanh(a) + (a @ Wc.T + bc) + x
    joined = np.concatenate([total, x @ Wc.T + bc], 1)
    np.testing.assert_allclose(host(y), joined @ Wy.T + by, rtol=1e-12)
    np.testing.assert_array_equal(host(model(dev(x))), host(y))
    dtotal, dd = np.split(dy @ Wy, 2, 1)
    da = dtotal + dtotal * (1 - np.tanh(a) ** 2) + dtotal @ Wc
    expected = {"a.W": da.T @ x, "a.b": da.sum(0), "c.W": dtotal.T @ a + dd.T @ x, "c.b": (dtotal + dd).sum(0)}
    expected |= {"y.1.W": dy.T @ joined, "y.1.b": dy.sum(0)}
    assert list(model.grads) == list(expected)  # the layer that stands twice has its parameters once
    for key, value in expected.items():
        np.testing.assert_allclose(host(model.grads[key]), value, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(dx, da @ Wa + dtotal + dd @ Wc, rtol=1e-11)


def encoder_decoder(rng):
    encoder = nn.Sequential(nn.Embedding(5, 3, rng=0, **F64), nn.LSTM(3, 4, return_state=True, rng=1, **F64))
    decoder = nn.LSTM(2, 4, return_sequences=True, initial_state="given", rng=2, **F64)
    nodes = {"encoder": (encoder, "text"), "decoder": (decoder, "z", "encoder.h", "encoder.c"), "y": dense(4, 2)}
    return nn.Graph(nodes, inputs=("text", "z"), outputs=("y", "encoder.c"), input_shape=((6,), (3, 2)))


def test_a_last_state_is_read_under_its_name(rng):
    model, text, z = encoder_decoder(rng), rng.integers(0, 5, (3, 6)), dev(rng.standard_normal((3, 4, 2)))
    encoder, decoder = model["encoder"], model["decoder"]
    lengths = [6, 2, 3]
    (y, c), backward = model.forward((dev(text), z), lengths=(lengths, None))
    x, x_backward = encoder[0].forward(dev(text))
    _, state, encoder_backward = encoder[1].forward_from(x, None, lengths=lengths)
    h, _, decoder_backward = decoder.forward_from(z, state)
    np.testing.assert_array_equal(host(c), host(state[1]))
    np.testing.assert_array_equal(host(y), host(model["y"](h)))
    dy, dc = dev(rng.standard_normal(y.shape)), dev(rng.standard_normal(c.shape))
    backward((dy, dc))
    got = {key: host(value).copy() for key, value in model.grads.items()}
    model.zero_grad()
    _, (dh_0, dc_0) = decoder_backward(model["y"].forward(h)[1](dy))
    x_backward(encoder_backward(dev(np.zeros((3, 4))), (dh_0, dc_0 + dc))[0])  # c is an output, too
    for key, value in model.grads.items():
        np.testing.assert_allclose(got[key], host(value), rtol=1e-12, atol=1e-14, err_msg=key)
    assert "(N, 4), (N, 4), (N, 4)" in model.summary()


def test_names_of_last_states_are_checked():
    gru = nn.GRU(2, 3, return_state=True, **F64)
    with pytest.raises(ValueError, match=r"'b' reads 'a\.c', which is not one of"):
        nn.Graph({"a": gru, "b": (dense(3, 3), "a.c")})
    with pytest.raises(ValueError, match="nothing reads 'a'"):
        nn.Graph({"a": gru, "b": (dense(2, 3), "x")})
    nn.Graph({"a": gru, "b": (dense(3, 3), "a.h")})


def test_several_inputs_and_outputs_are_tuples(rng):
    model, text, table = two_by_two(), rng.integers(0, 5, (4, 2)), rng.standard_normal((4, 2))
    x = dev(text), dev(table)
    y, backward = model.forward(x)
    dy = tuple(dev(rng.standard_normal(output.shape)) for output in y)
    dtext, dtable = backward(dy)
    whole = nn.Sequential(*(model[name] for name in ("hidden", "label")))
    joined = np.concatenate([host(model["words"](x[0])).reshape(4, 6), table], 1)
    hidden = host(whole[0](dev(joined)))
    np.testing.assert_allclose(host(y[0]), host(whole(dev(joined))), rtol=1e-12)
    np.testing.assert_allclose(host(y[1]), hidden, rtol=1e-12)
    dhidden = host(dy[1]) + host(dy[0]) @ host(model.params["label.W"])
    np.testing.assert_allclose(host(dtable), (dhidden @ host(model.params["hidden.W"]))[:, 6:], rtol=1e-11)
    assert dtext is None  # of integers
    for given in (list(x), {"table": x[1], "text": x[0]}):
        for one, other in zip(model(given), y, strict=True):
            np.testing.assert_array_equal(host(one), host(other))


def test_training_computes_no_gradient_before_the_first_parameters(rng):
    class Watched(nn.Tanh):
        def forward(self, x, needs_dx=True):
            y, backward = super().forward(x, needs_dx)

            def watched(dy):
                seen.append(needs_dx)
                return backward(dy)

            return y, watched

    seen = []
    model = nn.Graph(
        {"free": Watched(), "a": dense(3, 3), "late": Watched(), "sum": (nn.Add(), "free", "late"), "b": dense(3, 2)}
    )
    x, dy = dev(rng.standard_normal((4, 3))), dev(rng.standard_normal((4, 2)))
    assert model.forward(x, needs_dx=False)[1](dy) is None
    assert seen == [True]  # of "late" alone
    without = {key: host(value).copy() for key, value in model.grads.items()}
    model.zero_grad()
    assert model.forward(x)[1](dy).shape == x.shape
    for key, value in without.items():
        np.testing.assert_array_equal(host(model.grads[key]), value)


def test_a_layer_may_stop_the_gradient(rng):
    class Stopped(nn.Layer):
        def forward(self, x, needs_dx=True):
            return x, lambda dy: None

    model = nn.Graph({"a": dense(3, 3), "stop": Stopped(), "b": (dense(3, 3, 1), "x"), "y": (nn.Add(), "stop", "b")})
    y, backward = model.forward(dev(rng.standard_normal((2, 3))))
    backward(y)
    assert not host(model.grads["a.W"]).any()
    assert host(model.grads["b.W"]).any()


def test_inference_asks_the_layers_own_and_keeps_what_is_read_later():
    class Silent(nn.Tanh):
        def __call__(self, x):
            return 0 * x

    x = dev(np.ones((2, 3)))
    model = nn.Graph({"a": Silent(), "b": nn.Dropout(0.5, rng=0), "y": (nn.Add(), "a", "b", "x")}, outputs=("a", "y"))
    a, y = model(x)
    assert not host(a).any()
    np.testing.assert_array_equal(host(y), host(x))


def test_a_graph_is_a_layer_with_one_input_or_several(rng):
    inner = nn.Graph({"a": (dense(3, 3), "p"), "y": (nn.Multiply(), "a", "q")}, inputs=("p", "q"))
    model = nn.Sequential(nn.Graph({"l": nn.Tanh(), "r": (nn.Sigmoid(), "x"), "in": (inner, "l", "r")}), dense(3, 2, 1))
    assert list(model.params) == ["0.in.a.W", "0.in.a.b", "1.W", "1.b"]
    report = nn.gradcheck(model, rng.standard_normal((3, 3)))
    assert report.ok, report


def test_lengths_go_along_every_branch(rng):
    """Each sequence of a padded batch gives what it gives alone."""
    rnn = nn.RNN(3, 3, return_sequences=True, rng=0, **F64)
    model = nn.Graph(
        {"r": rnn, "d": (dense(3, 3), "x"), "mix": (nn.Multiply(), "r", "d"), "both": (nn.Concat(-1), "mix", "x")},
        outputs=("both", "d"),
    )
    x, lengths = rng.standard_normal((3, 4, 3)), [2, 4, 1]
    for n, length in enumerate(lengths):
        x[n, length:] = 0
    y, backward = model.forward(dev(x), lengths=lengths)
    dy = tuple(rng.standard_normal(output.shape) for output in y)
    dx, grads = host(backward(tuple(map(dev, dy)))), host(model.flat_grads).copy()
    model.zero_grad()
    for n, length in enumerate(lengths):
        alone, one_backward = model.forward(dev(x[n : n + 1, :length]))
        np.testing.assert_allclose(dx[n, :length], host(one_backward(tuple(dev(d[n : n + 1, :length]) for d in dy)))[0])
        for one, whole, inferred in zip(alone, y, model(dev(x), lengths), strict=True):
            np.testing.assert_allclose(host(whole)[n, :length], host(one)[0], rtol=1e-12)
            np.testing.assert_array_equal(host(inferred), host(whole))
            assert not host(whole)[n, length:].any()
    np.testing.assert_allclose(grads, host(model.flat_grads), rtol=1e-11, atol=1e-13)


def test_lengths_of_several_inputs(rng):
    model = nn.Graph(
        {"r": (nn.RNN(3, 4, rng=0, **F64), "steps"), "t": (dense(2, 4), "table"), "y": (nn.Add(), "r", "t")},
        inputs=("steps", "table"),
    )
    x = dev(rng.standard_normal((2, 5, 3))), dev(rng.standard_normal((2, 2)))
    short = host(model((x[0][:1, :3], x[1][:1])))
    np.testing.assert_allclose(host(model(x, ([3, 5], None)))[:1], short, rtol=1e-12)
    np.testing.assert_array_equal(host(model(x, [3, 5])), host(model(x, ([3, 5], None))))  # a table has no steps
    with pytest.raises(ValueError, match="Graph: expected sequences of the same lengths in 's'"):
        nn.Graph({"s": nn.Add()}, ("a", "b"))((x[0], x[0]), ([3, 5], [4, 5]))
    with pytest.raises(ValueError, match=r"Concat\(\): would mix the padding"):
        nn.Graph({"c": (nn.Concat(), "x", "x")})(x[0], [3, 5])


def test_it_trains_saves_and_copies(tmp_path, rng):
    x = rng.standard_normal((60, 3)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype(int)

    def make(seed):
        return nn.Graph(
            {
                **{"l": (dense(3, 8, seed, dtype="float32"), "x"), "r": (dense(3, 8, seed + 1, dtype="float32"), "x")},
                **{"mix": (nn.Multiply(), "l", "r"), "y": dense(8, 2, seed + 2, dtype="float32")},
            }
        )

    model, other = make(0), make(5)
    nn.fit(model, x, y, optimizer=nn.Adam(0.05), epochs=30, verbose=False)
    assert nn.evaluate(model, x, y).accuracy > 0.95
    nn.save(model, tmp_path / "graph.safetensors")
    nn.load(other, tmp_path / "graph.safetensors")
    expected = nn.predict(model, x)
    for same in (other, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(nn.predict(same, x), expected)


def test_several_inputs_are_trained_on_as_a_tuple(rng):
    model = nn.Graph(
        {"l": (dense(3, 8), "p"), "r": (dense(2, 8, 1), "q"), "mix": (nn.Multiply(), "l", "r"), "y": dense(8, 2, 2)},
        inputs=("p", "q"),
    )
    x = rng.standard_normal((60, 3)), rng.standard_normal((60, 2))
    y = (x[0][:, 0] * x[1][:, 1] > 0).astype(int)
    nn.fit(model, x, y, optimizer=nn.Adam(0.05), epochs=30, verbose=False)
    assert nn.evaluate(model, x, y).accuracy > 0.95
    assert nn.predict(model, x).shape == (60, 2)


def test_a_divided_batch_gives_what_the_whole_gives(rng, monkeypatch):
    conv = [nn.Conv2D(2, 2, 3, padding=1, rng=seed, **F64) for seed in range(2)]
    model = nn.Graph(
        {"a": conv[0], "b": conv[1], "y": (nn.Add(), "b", "a", "x"), "out": nn.Sequential(nn.Flatten(), dense(32, 2))},
        input_shape=(2, 4, 4),
    )
    x, dy = dev(rng.standard_normal((6, 2, 4, 4))), dev(rng.standard_normal((6, 2)))

    def passed():
        model.zero_grad()
        y, backward = model.forward(x)
        return [host(a).copy() for a in (y, backward(dy), model.flat_grads, model(x))]

    whole = passed()
    monkeypatch.setattr(
        "xpnn.models.plan.batch_slices", lambda n, _: [slice(i, i + 2) for i in range(0, 6, 2)] * (n == 6)
    )
    assert model.plan(6).splitlines()[0].endswith("batch of 6 in slices: 3")
    for one, other in zip(whole, passed(), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-11, atol=1e-13)
    assert not two_by_two().separable


def test_the_summary_says_what_each_node_reads():
    lines = [line.split() for line in branched().summary().splitlines()]
    assert lines[0] == ["layer", "reads", "output", "shape", "parameters"]
    assert lines[4] == ["sum", "Add()", "a,", "b,", "c,", "x", "(N,", "3)", "0"]
    assert [line[-1] for line in lines[1:]] == ["12", "0", "12", "0", "0", "14", "38"]  # the second place counts 0
    shapes = [line.split("(N, ")[1].split(")")[0] for line in two_by_two().summary().splitlines()[1:-1]]
    assert shapes == ["2, 3", "6", "8", "4", "3"]
    assert "(N" not in nn.Graph({"a": dense(2, 2)}).summary()


def test_a_frozen_node_is_not_differentiated(monkeypatch):
    model = nn.Graph({"a": dense(3, 3), "b": nn.Tanh(), "c": (dense(3, 3), "a"), "sum": (nn.Add(), "b", "c")})
    model["a"].trainable = False
    monkeypatch.setattr(nn.Tanh, "forward", lambda self, x, needs_dx: (x, None))  # a backward of None would fail
    y, backward = model.forward(dev(np.ones((2, 3))), needs_dx=False)
    backward(y)
    assert host(model["c"].grads["W"]).any()
    assert not host(model["a"].grads["W"]).any()
    assert model.summary().splitlines()[-1].split() == ["frozen", "12"]


def test_the_plan_and_the_repr_show_the_nodes():
    lines = branched().plan().splitlines()
    assert lines[0].startswith("plan of Graph on ")
    assert [line.split("(")[0].split("  runs")[0].rstrip() for line in lines[2:]] == [
        *("a Dense", "b Tanh", "c Dense", "sum Add", "d Dense", "y Sequential", "  0 Concat", "  1 Dense")
    ]
    model = nn.Graph({"a": nn.ReLU(), "b": (nn.Add(), "a", "x")})
    assert repr(model) == "Graph({'a': (ReLU(), 'x'), 'b': (Add(), 'a', 'x')}, inputs=('x',), outputs=('b',))"


D = dense(3, 3)


@pytest.mark.parametrize(
    ("nodes", "options", "wrong"),
    [
        ({}, {}, "at least one node"),
        ({"a": "x"}, {}, "expected a layer in the node 'a', got str"),
        ({"a": (D, "z")}, {}, r"'a' reads 'z', which is not one of \['x'\]"),
        ({"a": (D, "b"), "b": (D, "a")}, {}, "'a' reads 'b', which is not above it: .* no cycle is possible"),
        ({"a": (D, "a")}, {}, "'a' reads 'a', which is not above it"),
        ({"a": D, "b": (D, "x")}, {}, "nothing reads 'a', and it is not an output"),
        ({"a": D, "b": D}, {"outputs": "a"}, "nothing reads 'b'"),
        ({"a": (nn.Add(), "x", "x")}, {"inputs": ("x", "z")}, "nothing reads 'z'"),
        ({"a": (D, "x", "x")}, {}, r"'a' reads 2 \(x, x\), but Dense\(3, 3\) takes one"),
        ({"a": nn.Concat()}, {}, r"'a' reads 1 \(x\), but Concat\(\) takes two or more"),
        ({"a": (D,)}, {}, r"reads 0 \(\)"),
        ({"a": D}, {"inputs": ("x", "z")}, r"'a' reads 2 \(x, z\)"),
        ({"a.b": D}, {}, "names without '.' and '/'.*got 'a.b'"),
        ({"": D}, {}, "got ''"),
        ({"x": D}, {}, "got 'x' twice"),
        ({"a": D}, {"outputs": ("a", "a")}, "different names of outputs, got 'a' twice"),
        ({"a": D}, {"outputs": "b"}, r"outputs among the nodes \['a'\], got 'b'"),
        ({"a": D}, {"outputs": ("a", "x")}, "got 'x'"),
        ({"a": nn.Graph({"l": D, "r": D}, outputs=("l", "r"))}, {}, "expected one output of the node 'a'"),
        ({"a": (nn.Graph({"s": nn.Add()}, ("p", "q")), "x", "x", "x")}, {}, "takes 2"),
    ],
)
def test_a_graph_that_cannot_be_is_refused(nodes, options, wrong):
    with pytest.raises((ValueError, TypeError), match=f"Graph: .*{wrong}"):
        nn.Graph(nodes, **options)


def test_other_arrays_than_its_inputs_are_refused():
    x = dev(np.ones((2, 3)))
    for given, wrong in (
        (x, "expected 2 arrays, of text, table, got 1"),
        ((x, x, x), "got 3"),
        ({"text": x, "tabel": x}, "got 'text', 'tabel'"),
    ):
        with pytest.raises(ValueError, match=f"Graph: .*{wrong}"):
            two_by_two()(given)
    model = nn.Graph({"a": D, "b": (D, "x")}, outputs=("a", "b"))
    with pytest.raises(ValueError, match="Graph: expected one array, got 2"):
        model((x, x))
    y, backward = model.forward(x)
    with pytest.raises(
        ValueError, match=r"dE/dy of y's shape \(2, 3\) and float64, \(2, 3\) and float64, got \(2, 3\)"
    ):
        backward(y[0])
