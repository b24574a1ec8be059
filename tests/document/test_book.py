"""The book: each number that it works out, computed anew by scalar loops; every equation of the table stands in it."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from border import ONCE
from document.network import DocumentNetwork

import xpnn as nn

DOCS = Path(__file__).parents[2] / "docs"
pytestmark = pytest.mark.skipif(not ONCE, reason="the book is built with NumPy, by forms")


def loaded(path: Path):
    spec = importlib.util.spec_from_file_location(f"book_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NUMBERS = loaded(DOCS / "book" / "numbers.py")
CHAPTERS = {path.stem: path.read_text("utf-8") for path in sorted((DOCS / "book").glob("*.md"))}


def test_every_equation_stands_in_the_book_once():
    table = re.findall(r"^\| ([A-Z]+\.\d+) \|", (DOCS / "equations.md").read_text("utf-8"), re.MULTILINE)
    named = []
    for section, first, last in re.findall(r"\{equations\} ([A-Z]+)\.(\d+)(?:-(\d+))?", "\n".join(CHAPTERS.values())):
        named += [f"{section}.{number}" for number in range(int(first), int(last or first) + 1)]
    assert sorted(named) == sorted(table)


def test_everything_that_is_computed_is_in_a_chapter_and_the_other_way_round():
    named = set(re.findall(r"\{computed\} (\w+)", "\n".join(CHAPTERS.values())))
    helpers = {"table", "shown", "network", "steps", "convolved", "norms"}
    defined = {name for name, value in vars(NUMBERS).items() if getattr(value, "__module__", "") == NUMBERS.__name__}
    assert named == {name for name in defined if not name.startswith("_")} - helpers


def test_every_chapter_is_in_the_list():
    assert set(re.findall(r"^[a-z0-9-]+$", CHAPTERS["index"], re.MULTILINE)) == CHAPTERS.keys() - {"index"}


def test_the_two_steps_are_those_of_scalar_loops():
    """The numbers themselves, and the text of the tables, to the digits shown."""
    W, b = {2: NUMBERS.W2.tolist(), 3: NUMBERS.W3.tolist()}, {2: NUMBERS.B2.tolist(), 3: NUMBERS.B3.tolist()}
    document = DocumentNetwork(W, b)
    tables = (NUMBERS.first_step() + NUMBERS.first_update(), NUMBERS.second_step() + NUMBERS.second_update())
    for (x, y), step, text in zip(NUMBERS.SAMPLES, NUMBERS.steps(), tables, strict=True):
        x, y = list(x), [y]
        z, a = document.forward(x)
        delta, (dW, db) = document.deltas(z, a, y), document.gradients(x, y)
        expected = {"z2": z[2], "a2": a[2], "z3": z[3], "a3": a[3], "d3": delta[3], "d2": delta[2]}
        expected |= {"E": [document.error(x, y)], "da2": [delta[3][0] * w for w in document.W[3][0]]}
        expected |= {"d0.W": dW[2], "d0.b": db[2], "d2.W": dW[3], "d2.b": db[3]}
        document.update([(x, y)])
        expected |= {"0.W": document.W[2], "0.b": document.b[2], "2.W": document.W[3], "2.b": document.b[3]}
        expected["after"] = document.forward(x)[1][3]
        for key, value in expected.items():
            np.testing.assert_allclose(step[key], value, rtol=1e-12, atol=1e-14, err_msg=key)
            assert key == "after" or NUMBERS.shown(np.array(value)) in text, key


def test_one_neuron_is_on_the_flat_side_and_both_steps_lower_the_error():
    for step in NUMBERS.steps():
        assert (step["z2"] < 0).any()
        assert abs(step["after"] - step["y"]) < abs(step["a3"] - step["y"])


def test_the_convolution_by_hand_is_that_of_loops():
    o, w = NUMBERS.IMAGE.tolist(), NUMBERS.KERNEL.tolist()
    y, do, dw, delta = NUMBERS.convolved()
    right, gradient, kernel = np.zeros((3, 3)), np.zeros((4, 4)), np.zeros((2, 2))
    for i in range(3):
        for j in range(3):
            for m in range(2):
                for n in range(2):
                    right[i, j] += w[m][n] * o[i + m][j + n]
                    gradient[i + m, j + n] += delta[i, j] * w[m][n]
                    kernel[m, n] += delta[i, j] * o[i + m][j + n]
    for array, expected in ((y, right), (do, gradient), (dw, kernel)):
        np.testing.assert_allclose(array, expected, rtol=1e-13)
    assert NUMBERS.rot180_by_hand().count(NUMBERS.shown(gradient)) == 2  # by col2im, and with the kernel turned
    assert NUMBERS.shown(right) in NUMBERS.convolution_by_hand()
    columns = NUMBERS.columns_by_hand().splitlines()[2:]
    for row, (m, n) in zip(columns, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
        assert [float(cell) for cell in row.split("|")[2:-1]] == [o[i + m][j + n] for i in range(3) for j in range(3)]


def test_the_pooling_by_hand_is_that_of_loops():
    dx = np.zeros((4, 4))
    for i in range(2):
        for j in range(2):
            window = [(NUMBERS.IMAGE[2 * i + m, 2 * j + n], -m, -n) for m in range(2) for n in range(2)]
            _, m, n = max(window)
            dx[2 * i - m, 2 * j - n] += 2 * i + j + 1
    assert NUMBERS.shown(dx) in NUMBERS.pooling_by_hand()


def test_the_sizes_follow_the_rule():
    for row in NUMBERS.sizes_of_windows().splitlines()[2:]:
        H, k, s, p, size = (int(cell) for cell in row.strip("| ").split(" | "))
        assert size == (H + 2 * p - k) // s + 1


@pytest.mark.parametrize("scale", NUMBERS.SCALES)
def test_the_norms_are_those_of_the_product_of_the_slopes(scale):
    layer = nn.RNN(16, 16, rng=0, dtype="float64")
    W_x, W_h = nn.to_numpy(layer.params["W_x"]), scale * nn.to_numpy(layer.params["W_h"])
    rng = np.random.default_rng(0)
    x, delta = 0.1 * rng.standard_normal((30, 16)), rng.standard_normal(16)
    states = [np.zeros(16)]
    for x_t in x:
        states.append(np.tanh(W_x @ x_t + W_h @ states[-1]))
    norms = [np.linalg.norm(delta)]
    for h in states[:1:-1]:
        delta = W_h.T @ (delta * (1 - h * h))
        norms.append(np.linalg.norm(delta))
    np.testing.assert_allclose(NUMBERS.norms(nn.RNN, scale), norms[::-1], rtol=1e-10)
    assert f"{scale} | " + " | ".join(f"{norms[t]:.6g}" for t in (0, 10, 20, 29)) in NUMBERS.vanishing()


def test_what_the_chapter_says_of_them_holds():
    first, orthogonal, large = (NUMBERS.norms(nn.RNN, scale) for scale in (0.5, 1.0, 1.2))
    assert first[0] < 1e-8 < orthogonal[0] < large[0]
    for kind in (nn.LSTM, nn.GRU):
        half, opened = NUMBERS.norms(kind), NUMBERS.norms(kind, open_gate=5.0)
        assert half[0] < opened[0]
        assert opened[0] > 0.5 * opened[-1]
