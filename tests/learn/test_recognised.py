"""The grader says what is wrong, from the wrong gradient itself."""

import re

import numpy as np
import pytest
from learn.grading import CASES, KNOWN, SLIPS, graded, remember_effects, said, written

from xpnn.learn.matching import same
from xpnn.learn.transforms import Known, Seen, known
from xpnn.learn.words import SAID


@pytest.fixture(autouse=True)
def effects(monkeypatch):
    remember_effects(monkeypatch)


@pytest.mark.parametrize("name", KNOWN)
def test_each_slip_is_recognised_as_what_it_is(name):
    for slip in KNOWN[name].slips:
        assert said(name, KNOWN[name].solution(slip)) == {slip.id}, slip.id


@pytest.mark.parametrize(
    ("name", "right", "wrong", "sentence"),
    [
        ("dense", "dz.T @ x", "x.T @ dz", "dE/dW is the transpose of what it should be"),
        ("dense", "dz.sum(0)", "dz", "dE/db is not summed over the batch"),
        ("tanh", "a * a", "np.tanh(a) ** 2", "The slope is taken at the output a, not at the input z"),
        ("conv-loops", "left + k2] +=", "left + k2] =", "Windows that overlap are assigned, not added"),
        ("rnn", "h[:, t]\n", "h[:, t + 1]\n", "h_{t-1} is off by one step"),
    ],
)
def test_it_says_so_in_words(name, right, wrong, sentence):
    (found,) = (one for one in graded(name, written(name, (right, wrong))) if one.slip != "fault")
    assert found.says["en"].startswith(sentence)
    assert re.search("[一-鿿]", found.says["zh"])


GENERAL = [
    ("dense", "return dz @ W", "return -(dz @ W)", {"sign"}),
    ("dense", "return dz @ W", "return 3 * (dz @ W)", {"factor"}),
    ("dense", "return dz @ W", "return 0 * x", {"zero"}),
    ("dense", "return dz @ W", "pass", {"missing"}),
    ("dense", "return dz @ W", "return [dz, None]", {"missing"}),
    ("dense", "return dz @ W", "return (dz @ W).tolist()", set()),
    ("dense", "return dz @ W", "return (dz @ W) / 0", {"not_finite"}),
    ("dense", "return dz @ W", "return (dz @ W)[::-1]", {"flipped"}),
    ("dense", "return dz @ W", "return np.roll(dz @ W, 1, 1)", {"shifted"}),
    ("dense", "return dz @ W", "return (W.T @ dz.T)", {"transposed"}),
    ("dense", "return dz @ W", "return (W.T @ dz.T).reshape(x.shape)", {"reshaped"}),
    ("dense", "return dz @ W", "return (dz @ W).sum(0)", {"oversummed"}),
    ("dense", "return dz @ W", "return (dz @ W) / len(x)", {"mean"}),
    ("dense", "return dz @ W", "return np.sort(dz @ W)", {"reordered"}),
    ("dense", "return dz @ W", "return dz @ W + x", {"variant_too_many"}),
    ("dense", "dz.sum(0)", "z.sum(0)", {"variant_other"}),
    ("dense", "dz.sum(0)", "dz.max(0)", {"variant_sum"}),
    ("dense", "dz.T @ x", "dz[1:].T @ x[1:]", {"variant_some"}),
    ("tanh", "(1 - a * a)", "(1 - np.abs(a))", {"variant_power"}),
    ("leaky-relu", "slope * da)", "slope + da)", {"variant_operation"}),
    ("leaky-relu", "slope * da)", "-slope * da)", {"variant_sign"}),
    ("scaled-tanh", "a * a / amplitude", "a / amplitude", {"variant_missing"}),
    ("sgd-momentum", "p -= lr * v", "p *= 1 - lr * v", {"variant_too_many"}),
    ("dense", "return dz @ W", "dz *= 1.5; return dz @ W / 1.5", {"moved"}),
    ("dense", "return dz @ W", "dx = dz @ W; params['W'][...] = 0; return dx", {"moved"}),
    ("dense", "return dz @ W", "dx = dz @ W; x[...] = 0; return dx", {"moved"}),
    ("dense", "return dz @ W", "return -(dz @ W.T)", {"W_not_transposed", "sign"}),
    ("dense", 'grads["W"] +=', 'grads["W"] =', {"overwritten"}),
    ("dense", 'grads["W"] += dz.T @ x', 'grads["W"] = x.T @ dz', {"overwritten", "transposed"}),
    ("dense", 'grads["W"] += dz.T @ x', 'grads["W"] += np.einsum("no,ni->noi", dz, x)', {"not_summed"}),
    ("dense", 'grads["W"] += dz.T @ x', 'grads["W"] += dz.T @ x / len(x)', {"mean"}),
    ("dense", 'grads["b"] += dz.sum(0)', 'grads["b"] += dz.sum()', {"oversummed"}),
    ("dense", 'grads["b"] += dz.sum(0)', "pass", {"zero"}),
    ("dense", 'grads["b"] += dz.sum(0)', 'grads["b"] -= dz.sum(0)', {"sign"}),
    ("tanh", "return da * (1 - a * a)", "return da", {"passed_on"}),
    ("conv-loops", 'grads["b"] += delta.sum((0, 2, 3))', 'grads["b"] += delta.sum(0)', {"not_summed"}),
    ("tanh", "return da * (1 - a * a)", "return da * (1 - a * a) ** 2", {"slope_twice"}),
    ("tanh", "return da * (1 - a * a)", "return da / (1 - a * a)", {"slope_divided"}),
    ("tanh", "return da * (1 - a * a)", "return da + (1 - a * a)", {"slope_added"}),
    ("rnn", "return dx", "return dx.swapaxes(0, 1)", {"swapped"}),
    ("rnn", "dh[:, t]", "dh[:, t - 1]", {"variant_index"}),
    ("conv-loops", "range(rows)", "range(0, rows, 2)", {"variant_steps"}),
    ("sgd-momentum", "p -= lr * v", "p = p - lr * v", {"unchanged"}),
    ("sgd-momentum", "v *= momentum\nv += g", "v = momentum * v + g", {"unchanged"}),
    ("sgd-momentum", "g.fill(0)", "return p", {"gradient_kept"}),
    ("adam", "m *= beta1\nm += (1 - beta1) * g", "m = beta1 * m + (1 - beta1) * g", {"unchanged"}),
]


@pytest.mark.parametrize(("name", "right", "wrong", "slips"), GENERAL)
def test_general_slips(name, right, wrong, slips):
    assert said(name, written(name, (right, wrong))) == slips


def test_a_sum_left_out_over_an_axis_that_stays():
    got = np.random.default_rng(0).standard_normal((3, 4))
    assert known([Seen(got, got.sum(0, keepdims=True), None, None, {})], ["M", "K"]) == Known("not_summed", (0,))


def test_values_beside_an_infinity_are_compared_by_their_own_size():
    assert same([np.inf, 5.0], [np.inf, 5.0])
    assert not same([np.inf, 5.0], [np.inf, 99.0])
    assert not same([1.0, 5.0], [np.inf, 5.0])


def test_several_at_once_are_each_named():
    function = written("dense", ("dz.T @ x", "x.T @ dz"), ("dz.sum(0)", "dz.mean(0)"), ("dz @ W", "dz @ W.T"))
    assert said("dense", function) == {"W_transposed", "bias_mean", "W_not_transposed"}


def test_two_in_one_gradient_are_both_named():
    function = written("softmax", ("da - (da", "da + (da"), (".sum(1, keep", ".mean(1, keep"))
    assert said("softmax", function) == {"plus", "mean_for_sum"}


def test_two_in_one_gradient_are_named_where_others_are_wrong_in_other_ways():
    function = written("adam", ("v *= beta2", "v *= beta1"), ("p -= lr * (m", "p += lr * (m"), ("g.fill(0)", "pass"))
    assert said("adam", function) == {"rates_exchanged_v", "ascent", "gradient_kept"}


def test_one_that_nobody_has_written_down_is_named_beside_a_slip_that_stands_in_the_next_gradient():
    function = written("adam", ("v *= beta2", "v *= beta1"), ("1 - beta1**t", "1 + beta1**t"))
    found = {(finding.gradients, finding.slip) for finding in graded("adam", function)}
    assert found == {(("p", "v"), "rates_exchanged_v"), (("p",), "variant_sign")}


def test_other_words_for_the_same_slip_are_recognised():
    def dense(x, params):
        def backward(dz, grads):
            for n in range(len(x)):
                for i in range(dz.shape[1]):
                    grads["b"][i] += dz[n, i] / len(x)
                    for j in range(x.shape[1]):
                        grads["W"][i, j] += dz[n, i] * x[n, j]
            return np.einsum("ni,ij->nj", dz, params["W"])

        return x @ params["W"].T + params["b"], backward

    assert said("dense", dense) == {"bias_mean"}


def test_of_a_gradient_that_is_unknown_it_says_where_it_is_wrong():
    def changed(z):
        y, backward = KNOWN["softmax"].solution()(z)
        return y, lambda da: backward(da) + (np.arange(z.shape[1]) == 1) * np.cos(z)

    (found,) = graded("softmax", changed)
    assert (found.slip, found.gradients) == ("unknown", ("dE/dz",))
    assert "only at K = 1" in found.says["en"]
    assert len(CASES["softmax"]) == 2


def test_warnings_are_as_they_were():
    with np.errstate(all="raise"):
        before = np.geterr()
        assert said("dense", written("dense", ("return dz @ W", "return (dz @ W).T"))) == {"transposed"}
        assert np.geterr() == before


def test_a_changed_forward_is_told():
    assert said("tanh", lambda z: (z, lambda da: da)) == {"forward"}
    assert said("tanh", lambda z: z) == {"forward"}


def test_each_sentence_is_in_both_languages_and_takes_the_same_values():
    fields = re.compile(r"\{(\w+)")
    for key, words in SAID.items():
        assert words.keys() == {"en", "zh"}, key
        assert set(fields.findall(words["en"])) == set(fields.findall(words["zh"])), key
    for name, slip in SLIPS:
        assert slip.says.keys() == {"en", "zh"}, (name, slip.id)
