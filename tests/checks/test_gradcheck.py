"""gradcheck: that it passes what is right, fails what is wrong, and says so when it cannot tell."""

import copy

import numpy as np
import pytest
from border import AS_USED, dev, host

import xpnn as nn
from xpnn.checks import cases
from xpnn.checks.gradcheck import _Function, in_float64
from xpnn.cli import gradcheck as command

CASES = list(cases.layer_cases(seed=0))
IDS = [f"{number} {case.layer}" for number, case in enumerate(CASES)]


class Scale(nn.Layer):
    """y = w x with a backward that a test can spoil; w has the shape of one sample."""

    def __init__(self, w, spoil_w=lambda dw: dw, spoil_x=lambda dx: dx):
        super().__init__(w=np.asarray(w, dtype="float32"))
        self.spoil_w, self.spoil_x = spoil_w, spoil_x

    def forward(self, x, needs_dx=True):
        w = self.params["w"]

        def backward(dy):
            self.grads["w"] += self.spoil_w((dy * x).sum(0))
            return self.spoil_x(dy * w)

        return w * x, backward


def verdicts(report):
    return {row.parameter: row.verdict for row in report.rows}


def change_element(index, change):
    """A copy with one element changed."""

    def spoil(array):
        array = array.copy()
        array[index] = change(array[index])
        return array

    return spoil


# what is right passes


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_every_layer_and_loss_agrees(case):
    report = nn.gradcheck(case.layer, case.x, **case.options)
    assert {row.verdict for row in report.rows} == {"ok"}, report
    # central differences, extrapolated, reach 1e-10 where nothing is ill-conditioned; a wrong term is far above
    assert all(row.error < 1e-9 for row in report.rows), report


@pytest.mark.skipif(not AS_USED, reason="their layers are checked one by one, their steps compared with NumPy's")
@pytest.mark.parametrize("model", ["mlp", "lenet5", "rnn", "charrnn"])
def test_every_network_agrees(model):
    for case in cases.model_cases(model, seed=0):
        report = nn.gradcheck(case.layer, case.x, **case.options)
        assert {row.verdict for row in report.rows} == {"ok"}, report


def test_every_exported_layer_and_loss_has_a_case():
    bases = (nn.Layer, nn.Composite, nn.Loss)
    exported = {
        value
        for value in vars(nn).values()
        if isinstance(value, type) and issubclass(value, bases) and value not in bases
    }
    networks = {type(case.layer) for model in command.MODELS for case in cases.model_cases(model, 0)}
    assert exported - networks == {type(case.layer) for case in CASES}


def test_a_network_is_reported_by_layer_and_parameter():
    model = nn.Sequential(nn.Dense(3, 2, rng=0), nn.Tanh(), nn.Residual(nn.Dense(2, 2, rng=1)))
    report = nn.gradcheck(model, np.ones((1, 3)))
    assert [(row.path, row.layer, row.parameter, row.probes) for row in report.rows] == [
        ("0", "Dense(3, 2)", "W", "6 elements"),
        ("0", "Dense(3, 2)", "b", "2 elements"),
        ("2.body", "Dense(2, 2)", "W", "4 elements"),
        ("2.body", "Dense(2, 2)", "b", "2 elements"),
        ("", "Sequential", "input", "3 elements"),
    ]


def test_large_arrays_are_compared_along_directions(rng):
    report = nn.gradcheck(nn.Dense(20, 6, rng=0), rng.standard_normal((2, 20)), directions=3, max_elements=100)
    assert [row.probes for row in report.rows] == ["3 directions", "6 elements", "40 elements"]
    report = nn.gradcheck(nn.Dense(20, 6, rng=0), rng.standard_normal((2, 20)), max_elements=0)
    assert {row.probes for row in report.rows} == {"4 directions"}
    assert report.ok


def test_a_layer_that_stands_twice_has_one_row_and_both_contributions(rng):
    twice = nn.Dense(3, 3, rng=0)
    report = nn.gradcheck(nn.Sequential(twice, nn.Tanh(), twice), rng.standard_normal((2, 3)))
    assert report.ok
    assert [row.path for row in report.rows] == ["0", "0", ""]


def test_symbols_have_no_gradient_to_check():
    report = nn.gradcheck(nn.Embedding(5, 2, rng=0), np.array([[1, 1, 4]]))
    assert verdicts(report) == {"W": "ok"}


def test_a_loss_on_top(rng):
    model, x = nn.Dense(3, 4, rng=0), rng.standard_normal((2, 3))
    assert nn.gradcheck(model, x, loss=nn.SoftmaxCrossEntropy(), targets=[3, 0]).ok
    report = nn.gradcheck(model, x, loss=nn.HalfSquaredError(), targets=rng.standard_normal((2, 4)))
    assert report.ok
    # dE/db = 1/N sum (o - y), by hand
    y = host(model(dev(x, "float32")))
    report = nn.gradcheck(model, x, loss=nn.HalfSquaredError(), targets=y - 1.0)
    assert report.rows[1].analytic == pytest.approx(1.0, rel=1e-5)


def test_options_reach_forward(rng):
    x = rng.standard_normal((2, 4, 3))
    report = nn.gradcheck(nn.RNN(3, 3, rng=0), x, lengths=[2, 4])
    assert report.ok
    with pytest.raises(TypeError, match="lenghts"):
        nn.gradcheck(nn.RNN(3, 3, rng=0), x, lenghts=[2, 4])


@pytest.mark.parametrize("as_given", [dev, lambda x: dev(x, "float32"), list, np.asfortranarray])
def test_input_from_host_or_backend(as_given, rng):
    assert nn.gradcheck(nn.Dense(3, 2, rng=0, dtype="float64"), as_given(rng.standard_normal((4, 3)))).ok


def test_the_same_seed_gives_the_same_report(rng):
    layer, x = nn.Dense(20, 6, rng=0), rng.standard_normal((2, 20))
    assert str(nn.gradcheck(layer, x, rng=3)) == str(nn.gradcheck(layer, x, rng=3))
    assert nn.gradcheck(layer, x, rng=3).rows[0].numeric != nn.gradcheck(layer, x, rng=4).rows[0].numeric


# nothing is changed


def test_layer_input_and_generators_stay_as_they_were(rng):
    model = nn.Sequential(nn.Dense(4, 4, rng=0), nn.BatchNorm1D(4), nn.Dropout(0.5, rng=1))
    model.flat_grads[...] = 3.0
    x = dev(rng.standard_normal((6, 4)))
    kept = copy.deepcopy(model)
    x_kept = host(x).copy()
    assert nn.gradcheck(model, x).ok
    np.testing.assert_array_equal(host(x), x_kept)
    for group in ("params", "grads", "buffers"):
        for key, value in getattr(kept, group).items():
            assert getattr(model, group)[key].dtype == "float32"
            np.testing.assert_array_equal(host(getattr(model, group)[key]), host(value), err_msg=f"{group} {key}")
    single = dev(rng.standard_normal((6, 4)), "float32")
    np.testing.assert_array_equal(host(model.forward(single)[0]), host(kept.forward(single)[0]))  # dropout's mask too


def test_an_interrupted_check_leaves_the_input_too(rng):
    class Fails(nn.Layer):
        calls = 0

        def forward(self, x, needs_dx=True):
            type(self).calls += 1
            if self.calls == 5:  # amid the differences
                raise FloatingPointError
            return x, lambda dy: dy

    x = dev(rng.standard_normal((2, 3)))
    kept = host(x).copy()
    with pytest.raises(FloatingPointError):
        nn.gradcheck(Fails(), x)
    np.testing.assert_array_equal(host(x), kept)


def test_float32_parameters_are_checked_at_their_own_values():
    report = nn.gradcheck(Scale([0.1, 0.2]), [[1.0, 2.0]], loss=nn.HalfSquaredError(), targets=[[0.0, 0.0]])
    # dE/dx = w * w x, where w is 0.1 rounded to float32
    w = float(np.float32(0.2))
    assert report.rows[-1].analytic in (float(np.float32(0.1)) ** 2, w * (w * 2.0))


def test_an_array_beside_the_parameters_is_in_float64_too():
    layer = nn.Flatten()
    layer.scale = dev(np.ones(3), "float32")
    assert (in_float64(layer).scale.dtype, layer.scale.dtype) == ("float64", "float32")


# what is wrong fails


@pytest.mark.parametrize("max_elements", [0, 100], ids=["directions", "elements"])
def test_one_wrong_element_of_sixty_fails(max_elements, rng):
    x = rng.standard_normal((3, 60))
    spoil = change_element((17,), lambda value: 1.001 * value)
    report = nn.gradcheck(Scale(np.ones(60), spoil_w=spoil), x, max_elements=max_elements)
    assert verdicts(report) == {"w": "wrong", "input": "ok"}
    spoil = change_element((1, 17), lambda value: -value)
    report = nn.gradcheck(Scale(np.ones(60), spoil_x=spoil), x, max_elements=max_elements)
    assert verdicts(report) == {"w": "ok", "input": "wrong"}


def test_the_row_shows_the_worst_element():
    spoil = change_element((2,), lambda value: value + 1)
    row = nn.gradcheck(Scale([1, 1, 1, 1], spoil_w=spoil), np.ones((1, 4))).rows[0]
    assert row.analytic - row.numeric == pytest.approx(1)


def test_the_tolerance_is_what_it_says(rng):
    x = rng.standard_normal((3, 5))
    layer = Scale(np.ones(5), spoil_w=lambda dw: (1 + 1e-5) * dw)
    report = nn.gradcheck(layer, x)
    assert verdicts(report)["w"] == "wrong"
    assert report.rows[0].error == pytest.approx(1e-5, rel=1e-3)
    assert nn.gradcheck(layer, x, tolerance=1.1e-5).ok
    assert not nn.gradcheck(layer, x, tolerance=0.9e-5).ok


def test_a_backward_that_overwrites_instead_of_adding_fails(rng):
    class Overwrites(Scale):
        def forward(self, x, needs_dx=True):
            def backward(dy):
                self.grads["w"] = (dy * x).sum(0)
                return dy * self.params["w"]

            return self.params["w"] * x, backward

    assert verdicts(nn.gradcheck(Overwrites(np.ones(3)), rng.standard_normal((2, 3)))) == {"w": "wrong", "input": "ok"}


@pytest.mark.parametrize("spoilt", [True, False])
def test_both_passes_are_checked(spoilt, rng):
    class Careless(Scale):
        def forward(self, x, needs_dx=True):
            self.spoil_w = (lambda dw: 0 * dw) if needs_dx is spoilt else (lambda dw: dw)
            return super().forward(x, needs_dx)

    assert verdicts(nn.gradcheck(Careless(np.ones(3)), rng.standard_normal((2, 3)))) == {"w": "wrong", "input": "ok"}


@pytest.mark.parametrize(
    ("spoil", "verdict"),
    [
        (lambda dx: None, "wrong"),
        (lambda dx: dx.reshape(-1), "shape (12,)"),
        (lambda dx: dx * np.nan, "not finite"),
        (lambda dx: dx + np.inf, "not finite"),
        (lambda dx: 1e12 * dx, "wrong"),
        (lambda dx: 0 * dx, "wrong"),
        (lambda dx: dx.astype("float32"), "ok"),  # rounding alone, 6e-8, is no wrong formula
    ],
)
def test_what_comes_back_for_the_input(spoil, verdict, rng):
    report = nn.gradcheck(Scale(np.ones(3), spoil_x=spoil), rng.standard_normal((4, 3)))
    assert verdicts(report) == {"w": "ok", "input": verdict}
    assert report.ok == (verdict == "ok")


def test_a_backward_that_writes_into_its_argument_fails(rng):
    class Greedy(Scale):
        def forward(self, x, needs_dx=True):
            y, _ = super().forward(x)

            def backward(dy):
                self.grads["w"] += (dy * x).sum(0)
                dy *= self.params["w"]
                return dy

            return y, backward

    assert not nn.gradcheck(Greedy([2.0, 3.0]), rng.standard_normal((2, 2))).ok


# where differences cannot tell


def test_at_a_kink_nothing_is_claimed():
    report = nn.gradcheck(nn.ReLU(), np.zeros((2, 3)))
    assert verdicts(report) == {"input": "unresolved"}
    assert not report.ok
    assert report.rows[0].probes == "0 of 6 elements"
    assert "unresolved: differences cannot determine the derivative" in str(report)


def test_elements_at_a_kink_are_left_out_while_most_are_not():
    x = np.array([[0.0, 0.0, 0.3, -0.2, 1.0, -4.0]])
    report = nn.gradcheck(nn.ReLU(), x)
    assert verdicts(report) == {"input": "ok"}
    assert report.rows[0].probes == "4 of 6 elements"
    x[0, 2:4] = 0
    assert verdicts(nn.gradcheck(nn.ReLU(), x)) == {"input": "unresolved"}


def test_a_tie_under_max_pooling_is_a_kink():
    x = np.array([5.0, 5.0, 1.0, 2.0, 3.0, 4.0, 0.0, 1.5]).reshape(1, 1, 2, 4)  # two windows; the left one has 5, 5
    report = nn.gradcheck(nn.MaxPool2D(2), x[..., [0, 1, 2, 3]])
    assert report.rows[0].probes == "6 of 8 elements"
    assert report.ok


@pytest.mark.parametrize("distance", [3e-4, 3e-5, 3e-6, 3e-7])
def test_near_a_kink_the_step_shrinks_and_the_tolerance_does_not(distance):
    """Any of the first steps reaches past the kink, where the quotient is wrong by up to the whole slope."""
    x = np.array([[distance, -distance, 0.5, 1.0]])
    report = nn.gradcheck(nn.LeakyReLU(0.1), x)
    assert verdicts(report) == {"input": "ok"}
    assert report.rows[0].probes == "4 elements"
    assert report.rows[0].error < 1e-7  # rounding at the smallest step: 2e-16 / 1e-7, and then some


def test_a_direction_across_a_kink_is_replaced_by_another():
    """2e-7 from the kink a direction crosses it, with the smallest step, if it goes that way by more than 1."""
    x = np.array([[2e-7, 0.5, 1.0, -1.0]])
    report = nn.gradcheck(nn.ReLU(), x, max_elements=0)
    rng = np.random.default_rng(0)
    rng.standard_normal((1, 4))  # the upstream gradient
    crossing = np.abs(rng.standard_normal((8, 4))[:, 0]) > 1
    assert crossing[:4].any()
    assert (~crossing).sum() >= 4
    assert report.rows[0].probes == "4 directions"
    assert report.ok


@pytest.mark.parametrize("place", np.linspace(-2, 2, 61))  # 2/3 among them, where the fourth difference sees nothing
def test_the_bound_is_at_least_the_error_for_a_kink_anywhere(place):
    """A hinge at ``place`` steps from the point, slope 0.25 left of it and 1 right of it."""
    h, slope = 1e-3, 0.25
    phi = _Function(nn.LeakyReLU(slope), np.array([-place * h]), None, (None, None), np.random.default_rng(0), {})
    value, bound = phi.derivative(phi.x, np.ones(1), h)
    g = float(host(phi.upstream[0])[0])
    one_sided = (g, slope * g) if place == 0 else (g,) if place < 0 else (slope * g,)
    rounding = 1e-12  # 2e-16 / h, a few times
    assert all(abs(value - derivative) <= bound + rounding for derivative in one_sided)
    assert (bound > 0.05 * abs(g)) == (abs(place) < 1.95)  # and it sees each kink but one at the very edge


def test_a_gradient_of_0_agrees_with_0():
    """A bias before batch normalisation has no effect; there is no relative error to speak of."""
    x = np.random.default_rng(0).standard_normal((6, 3))
    report = nn.gradcheck(nn.Sequential(nn.Dense(3, 3, rng=0), nn.BatchNorm1D(3)), x)
    assert [row.verdict for row in report.rows] == ["ok", "zero", "ok", "ok", "ok"]
    assert report.ok
    assert "zero: both sides are 0 up to rounding" in str(report)


def test_a_gradient_below_rounding_is_not_waved_through():
    """1e-12 of the output: differences see some digits of it, too few for the tolerance."""

    class Tiny(nn.Layer):
        def forward(self, x, needs_dx=True):
            return 1 + 1e-10 * x, lambda dy: 2e-10 * dy

    assert verdicts(nn.gradcheck(Tiny(), np.full((1, 3), 0.3))) == {"input": "unresolved"}


def test_an_output_that_differs_from_call_to_call_is_not_waved_through(rng):
    class Noisy(nn.Layer):
        def forward(self, x, needs_dx=True):
            return x + float(rng.standard_normal()), lambda dy: dy

    assert verdicts(nn.gradcheck(Noisy(), np.ones((1, 3)))) == {"input": "unresolved"}


# wrong input


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.gradcheck(np.tanh, [1.0]), TypeError, "expected a layer or a loss, got ufunc"),
        (lambda: nn.gradcheck(nn.Tanh, [1.0]), TypeError, "expected a layer or a loss, got type"),
        (lambda: nn.gradcheck(nn.Tanh(), [1.0], loss=nn.Tanh(), targets=[1]), TypeError, "a loss, got Tanh"),
        (lambda: nn.gradcheck(nn.Tanh(), "text"), TypeError, "expected numbers"),
        (lambda: nn.gradcheck(nn.Tanh(), [[]]), ValueError, r"x is empty, of shape \(1, 0\)"),
        (lambda: nn.gradcheck(nn.Tanh(), [1.0, np.nan]), ValueError, "x holds NaN or infinity"),
        (lambda: nn.gradcheck(nn.Tanh(), [1.0, np.inf]), ValueError, "x holds NaN or infinity"),
        (lambda: nn.gradcheck(nn.Tanh(), [1, 2]), TypeError, "floating-point, got int"),
        (
            lambda: nn.gradcheck(nn.Dense(3, 2), np.ones((2, 4))),
            ValueError,
            r"expected input of shape \(N, \.\.\., 3\)",
        ),
        (lambda: nn.gradcheck(Scale([np.nan]), [[1.0]]), ValueError, "parameter 'w' of Scale.* holds NaN"),
        (lambda: nn.gradcheck(Scale([1e30]), [[1e300]]), ValueError, "the output holds NaN or infinity"),
        (lambda: nn.gradcheck(nn.HalfSquaredError(), [1.0]), ValueError, "a loss and its targets, or neither"),
        (lambda: nn.gradcheck(nn.Tanh(), [1.0], targets=[1.0]), ValueError, "a loss and its targets, or neither"),
        (lambda: nn.gradcheck(nn.HalfSquaredError(), [1.0], targets=[np.nan]), ValueError, "targets holds NaN"),
        (lambda: nn.gradcheck(nn.Tanh(), [1.0], tolerance=0), ValueError, "0 < tolerance < 1"),
        (lambda: nn.gradcheck(nn.Tanh(), [1.0], tolerance=np.nan), ValueError, "0 < tolerance < 1"),
        (lambda: nn.gradcheck(nn.Tanh(), [1.0], directions=0), ValueError, "directions >= 1"),
        (lambda: nn.gradcheck(nn.Tanh(), [1.0], max_elements=-1), ValueError, "max_elements >= 0"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_wrong_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_function_of_symbols_without_parameters_has_nothing_to_check():
    class Half(nn.Layer):
        def forward(self, x, needs_dx=True):
            return x * 0.5, lambda dy: None

    with pytest.raises(ValueError, match="has no parameters, and an input of dtype int64 has no gradient"):
        nn.gradcheck(Half(), np.array([1, 2]))


# the report


def test_the_report_is_a_table():
    model = nn.Sequential(nn.Dense(2, 2, rng=0), Scale([1.0, 1.0], spoil_w=lambda dw: -dw))
    lines = str(nn.gradcheck(model, np.ones((1, 2)))).splitlines()
    assert lines[0] == f"gradcheck of Sequential, x (1, 2), float64 on {nn.xp.__name__}, tolerance 1e-06"
    assert lines[1].split() == ["layer", "parameter", "checked", "backward", "difference", "rel.", "error", "verdict"]
    assert lines[2].startswith("0 Dense(2, 2)  W          4 elements")
    assert lines[2].endswith("  ok")
    assert lines[4].split()[:5] == ["1", "Scale()", "w", "2", "elements"]
    assert lines[4].endswith("2.0e+00  wrong")
    assert lines[5].startswith("Sequential     input")
    assert lines[6] == "1 of 4 gradients fail"
    verdict = lines[1].index("verdict")
    assert all(line[verdict - 2 : verdict] == "  " and line[verdict] != " " for line in lines[1:6])
