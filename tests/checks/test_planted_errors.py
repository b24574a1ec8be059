"""A planted error is found: by gradcheck, in the rows that it spoils and in no other, or by a comparison.

``planted/in_equations.py`` and ``planted/in_forms.py`` say what is planted, ``planted/planting.py`` how. Without an
error the same checks pass, so it is the error that fails. The forms' part needs the forms: NumPy and no ``NN_PLAIN=1``.
"""

import inspect
import math
import re
import sys

import numpy as np
import pytest
from border import dev, host
from planted import in_equations, in_forms
from planted.planting import Mutation, cases_of, found, package, plant, run_plain, wrong_rows

import xpnn as nn
from xpnn.backend.accelerate import EQUATIONS, forms, runs_by
from xpnn.backend.select import plain

FORMS_RUN = nn.xp is np and not plain


@pytest.fixture
def equations(monkeypatch):
    """Every layer runs by its equation."""
    run_plain(monkeypatch)


def assert_found(mutation: Mutation, failing: set[str]) -> None:
    assert failing == set(mutation.fails.split())


# gradcheck, on equations


@pytest.mark.parametrize("mutation", in_equations.EQUATIONS, ids=str)
def test_an_error_in_an_equation_is_found(mutation, equations, monkeypatch):
    plant(monkeypatch, found(mutation.place), mutation.right, mutation.wrong)
    failing, verdicts = wrong_rows(mutation.run_on)
    assert_found(mutation, failing)
    assert all(verdict == "wrong" or verdict.startswith("shape") for verdict in verdicts)


@pytest.mark.parametrize("name", dict.fromkeys(mutation.run_on for mutation in in_equations.EQUATIONS))
def test_without_an_error_the_equations_pass(name, equations):
    assert_all_right(name)


def assert_all_right(name: str) -> None:
    assert cases_of(name)
    for case in cases_of(name):
        report = nn.gradcheck(case.layer, case.x, **case.options)
        assert {row.verdict for row in report.rows} == {"ok"}, report


@pytest.mark.parametrize("name", ["Conv2D", "MaxPool2D", "Dense", "Sequential", "BatchNorm2D", "LSTM", "Embedding"])
def test_no_form_is_called_where_equations_run(name, equations):
    assert {runs_by(equation) for equation in EQUATIONS} == {"equation"}
    called = set()
    case = cases_of(name)[-1]
    x = dev(case.x, case.layer.dtype)
    sys.setprofile(lambda frame, event, argument: called.add(frame.f_code.co_filename))
    try:
        y, backward = case.layer.forward(x, **case.options)
        backward(y)
    finally:
        sys.setprofile(None)
    assert inspect.getfile(type(case.layer)) in called
    assert not called & {inspect.getfile(form) for form in forms().values()}


# a comparison, on a batch in slices

SLICES = [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8)]


def passes() -> dict[str, np.ndarray]:
    """Output and gradients of a network in which a layer stands twice, after backward has run twice."""
    rng = np.random.default_rng(0)
    conv, dense = nn.Conv2D(2, 2, 3, padding=1, rng=1, dtype="float64"), nn.Dense(8, 3, rng=2, dtype="float64")
    model = nn.Sequential(conv, nn.Tanh(), conv, nn.MaxPool2D(2), nn.Flatten(), dense)
    y, backward = model.forward(dev(rng.standard_normal((8, 2, 4, 4))))
    dy = dev(rng.standard_normal(y.shape))
    backward(dy)
    dx = backward(dy)
    return {"output": host(y), "input": host(dx)} | {key: host(value) for key, value in model.grads.items()}


def differing(some: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> set[str]:
    """The names of what differs by more than the rounding of a few sums."""
    return {
        key
        for key, value in some.items()
        if value.shape != others[key].shape or not np.allclose(value, others[key], 1e-11, 1e-12)
    }


@pytest.fixture
def divided(monkeypatch):
    """What passes by slices, of which each thread has two where there are threads, and the whole batch give."""

    def run() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        whole = passes()
        monkeypatch.setattr("xpnn.models.plan.batch_slices", lambda samples, elements: SLICES)
        if FORMS_RUN:
            monkeypatch.setattr("xpnn.backend.cpu.slices.blas_threads", lambda: 2)
        return passes(), whole

    return run


@pytest.mark.parametrize("mutation", in_equations.SLICES, ids=str)
def test_an_error_in_the_equation_of_slices_is_found(mutation, equations, divided, monkeypatch):
    plant(monkeypatch, found(mutation.place), mutation.right, mutation.wrong)
    assert_found(mutation, differing(*divided()))


def test_without_an_error_slices_give_what_the_whole_batch_gives(equations, divided):
    assert differing(*divided()) == set()


# a comparison, on the optimisers' updates

OPTIONS = {
    "sgd": [(0.1, 0.0, False, 0.0), (0.1, 0.9, False, 0.2), (0.2, 0.8, True, 0.0)],
    "adam": [
        ((0.1, 0.3, 1.0), (0.8, 0.9), 0.0),
        ((0.1, 0.3, 1.0), (0.7, 0.8), 0.2),
        ((0.1, 0.3, 0.7), (0.8, 0.9), 0.0),
    ],
    "rmsprop": [(0.1, 0.8, 0.3, 0.7, 0.0), (0.2, 0.9, 0.2, 0.6, 0.1)],
}
"""Of each update: its arguments behind its arrays."""

ARRAYS = {"sgd": "pgv", "adam": "pgmv", "rmsprop": "pgvmb"}


def updated(name: str, update, carry=dev) -> dict[str, np.ndarray]:
    """The arrays of an update after each of three steps with each of its options."""
    rng, arrays = np.random.default_rng(0), {key: [] for key in ARRAYS[name]}
    for options in OPTIONS[name]:
        p, *state = (carry(rng.standard_normal(11)), *(carry(np.zeros(11)) for _ in ARRAYS[name][2:]))
        for _ in range(3):
            g = carry(rng.standard_normal(11))
            update(p, g, *(state if options[1] else [None]), *options)
            for key, array in zip(ARRAYS[name], (p, g, *state), strict=True):
                arrays[key].append(host(array).copy())
    return {key: np.array(values) for key, values in arrays.items()}


def bound(name: str):
    """What the optimiser calls."""
    return getattr(sys.modules[EQUATIONS[name].__module__], name)


def differing_from_the_loop(name: str) -> set[str]:
    return differing(updated(name, bound(name)), updated(name, LOOPS[name], np.array))


def sgd(p, g, v, lr, momentum, nesterov, weight_decay):
    """One element after the other."""
    for i in range(len(p)):
        step = gradient = g[i] + weight_decay * p[i]
        if v is not None:
            v[i] = momentum * v[i] + gradient
            step = gradient + momentum * v[i] if nesterov else v[i]
        p[i] -= lr * step
        g[i] = 0


def adam(p, g, m, v, scalars, betas, weight_decay):
    """One element after the other."""
    rate, eps, shrink = scalars
    for i in range(len(p)):
        gradient = g[i] + weight_decay * p[i]
        m[i] = betas[0] * m[i] + (1 - betas[0]) * gradient
        v[i] = betas[1] * v[i] + (1 - betas[1]) * gradient**2
        p[i] = shrink * p[i] - rate * m[i] / (math.sqrt(v[i]) + eps)
        g[i] = 0


def rmsprop(p, g, v, m, b, lr, alpha, eps, momentum, weight_decay):
    """One element after the other."""
    for i in range(len(p)):
        gradient = g[i] + weight_decay * p[i]
        v[i] = alpha * v[i] + (1 - alpha) * gradient**2
        m[i] = alpha * m[i] + (1 - alpha) * gradient
        b[i] = momentum * b[i] + gradient / (math.sqrt(v[i] - m[i] ** 2) + eps)
        p[i] -= lr * b[i]
        g[i] = 0


LOOPS = {"sgd": sgd, "adam": adam, "rmsprop": rmsprop}


@pytest.mark.parametrize("mutation", in_equations.UPDATES, ids=str)
def test_an_error_in_an_update_s_equation_is_found(mutation, equations, monkeypatch):
    plant(monkeypatch, found(mutation.place), mutation.right, mutation.wrong)
    assert_found(mutation, differing_from_the_loop(mutation.run_on))


@pytest.mark.parametrize("name", OPTIONS)
def test_without_an_error_the_updates_give_what_the_loops_give(name, equations):
    assert differing_from_the_loop(name) == set()


# the forms

if FORMS_RUN:
    SETTINGS = [
        {
            "backend.shared.im2col.WORKSPACE_BYTES": 1,  # a tile for each position
            "backend.cpu.products.pieces": lambda rows, inner, columns: (2 - rows % 2, 2 - columns % 2),
            "backend.cpu.products.sum_pieces": lambda rows, inner, columns: (1, 1),
            "backend.cpu.products.better_in_halves": lambda multiplications: True,
            "backend.cpu.blas._WORTH": 0,
        },
        {
            "backend.cpu.products.narrow_parts": lambda kernels, numbers, cols, samples: cols,
            "backend.shared.convolution._LONG": 1,  # columns are kept
        },
    ]
    """What larger arrays and other machines run by: many pieces, or all at once."""

    IN_FORMS = in_forms.FORMS + (in_forms.BLAS if found("backend.cpu.blas._gemm")("d") else [])

    @pytest.fixture
    def forms_of_small_arrays(monkeypatch):
        """As on larger arrays, on any machine: kernels for several rows of the output, a vector in several blocks."""
        monkeypatch.setattr("xpnn.backend.cpu.products.kernels_at_once", lambda _: 24)
        monkeypatch.setattr("xpnn.backend.cpu.memory._BLOCK", 4)
        correlation_of = found("backend.shared.convolution.correlation_of")
        correlation_of.cache_clear()
        yield
        correlation_of.cache_clear()

    def in_all_settings(monkeypatch, check):
        """What the check gives in each of them."""
        for setting in SETTINGS:
            with monkeypatch.context() as patch:
                for place, value in setting.items():
                    patch.setattr(f"xpnn.{place}", value)
                yield check()

    @pytest.mark.parametrize("mutation", IN_FORMS, ids=str)
    def test_an_error_in_a_form_is_found(mutation, forms_of_small_arrays, monkeypatch):
        plant(monkeypatch, found(mutation.place), mutation.right, mutation.wrong)
        rows = list(in_all_settings(monkeypatch, lambda: wrong_rows(mutation.run_on)))
        assert_found(mutation, set().union(*(failing for failing, _ in rows)))
        assert all(verdict == "wrong" or verdict.startswith("shape") for _, verdicts in rows for verdict in verdicts)

    @pytest.mark.parametrize("name", dict.fromkeys(mutation.run_on for mutation in IN_FORMS))
    def test_without_an_error_the_forms_pass(name, forms_of_small_arrays, monkeypatch):
        list(in_all_settings(monkeypatch, lambda: assert_all_right(name)))

    @pytest.mark.parametrize("mutation", in_forms.SLICES, ids=str)
    def test_an_error_in_the_form_of_slices_is_found(mutation, divided, monkeypatch):
        plant(monkeypatch, found(mutation.place), mutation.right, mutation.wrong)
        assert_found(mutation, differing(*divided()))

    def test_without_an_error_slices_on_threads_give_what_the_whole_batch_gives(divided):
        assert differing(*divided()) == set()

    @pytest.mark.parametrize("mutation", in_forms.UPDATES, ids=str)
    def test_an_error_in_an_update_s_form_is_found(mutation, forms_of_small_arrays, monkeypatch):
        plant(monkeypatch, found(mutation.place), mutation.right, mutation.wrong)
        assert_found(mutation, set().union(*map(differing_from_the_equation, mutation.run_on.split())))

    @pytest.mark.parametrize("name", OPTIONS)
    def test_without_an_error_the_updates_forms_give_what_the_equations_give(name, forms_of_small_arrays):
        assert differing_from_the_equation(name) == set()

    def differing_from_the_equation(name):
        by_form = updated(name, bound(name))
        with pytest.MonkeyPatch.context() as patch:
            run_plain(patch)
            return differing(by_form, updated(name, bound(name)))


# the tables


def test_every_backward_has_a_planted_error():
    """Each class and function of layers, models and the forms that run: if it defines a backward, it is a target."""
    rooms = ("xpnn.layers", "xpnn.models", *FORMS_RUN * ("xpnn.backend.cpu", "xpnn.backend.shared"))
    candidates = set(EQUATIONS.values()) | {
        inspect.unwrap(value)
        for module in package()
        if module.__name__.startswith(rooms)
        for value in vars(module).values()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__
    }
    with_backward = {one for one in candidates if re.search(r"def backward\b|, lambda", inspect.getsource(one))}
    assert {nn.Flatten, EQUATIONS["max_pool"]} <= with_backward  # the search finds them
    planted = [*in_equations.EQUATIONS, *in_equations.SLICES]
    planted += [*IN_FORMS, *in_forms.SLICES] if FORMS_RUN else []
    targets = {found(mutation.place) for mutation in planted}
    never_differentiated = {found("models.sequential.inferred_in_a_row")}
    assert [one.__qualname__ for one in with_backward - targets - never_differentiated] == []


def test_a_snippet_that_is_not_there_is_an_error(monkeypatch):
    with pytest.raises(AssertionError, match="occurs 0 times"):
        plant(monkeypatch, nn.Dense, "delta x a.T", "")
