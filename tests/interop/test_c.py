"""Networks as C: compiled with every warning as an error, under sanitizers, and compared with predict."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from border import randomise
from chip import SANITIZED, compiled, difference, every_layer, library, networks, pointer, together
from every_c import every

import xpnn as nn
from xpnn.cli.recipe import Recipe
from xpnn.interop import c
from xpnn.interop.c.source import number
from xpnn.layers.conv import Convolution
from xpnn.layers.recurrent import Recurrent

BOUND = 1e-5


@pytest.fixture(scope="module")
def all_in_one():
    return together([*every_layer(), *networks()])


def test_every_layer_computes_as_in_xpnn(all_in_one, tmp_path):
    model, sample = all_in_one
    c.export(model, tmp_path / "m.c", sample=sample)
    assert difference(tmp_path / "m.c", *SANITIZED) < BOUND


def test_weights_of_one_byte_compute_as_quantised_does(tmp_path):
    kinds = nn.Dense, nn.Embedding, nn.MappedConv2D, Convolution, Recurrent
    model, sample = together([case for case in [*every_layer(), *networks()] if isinstance(case[0], kinds)])
    c.export(model, tmp_path / "m.c", sample=sample, int8=True)
    assert difference(tmp_path / "m.c", "-O1") < BOUND


def test_no_layer_is_missing_among_them(all_in_one):
    kinds = {type(leaf) for _, leaf in all_in_one[0].leaves()} | {
        nn.Residual,
        nn.Bidirectional,
        nn.Sequential,
        nn.Graph,
    }
    public = {value for name in nn.layers.__all__ if isinstance(value := getattr(nn, name, None), type)}
    layers = {kind for kind in public if issubclass(kind, nn.Layer)} - {nn.Layer, nn.Composite}
    assert layers - kinds == set()


def test_the_table_of_the_document_has_every_layer():
    text = (Path(__file__).parents[2] / "docs" / "c.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| (\d+) \|", text, re.MULTILINE)
    count = Counter(type(layer).__name__ for layer, _ in every())
    assert rows == [(name, str(n)) for name, n in sorted(count.items())]


def test_lenet5_and_what_it_takes(tmp_path):
    done = c.export(nn.LeNet5(variant="1998", rng=0), tmp_path / "m.c")
    assert difference(tmp_path / "m.c", "-O1") < BOUND
    assert done.ram == 4 * (6 * 28 * 28 + 6 * 14 * 14)  # C1's output is the largest, and S2 reads it
    code = (tmp_path / "m.c").read_text()
    assert f"{done.ram:,} bytes" in code
    assert f"{done.flash:,} bytes" in code


def test_layers_work_in_place_and_share_the_workspace(tmp_path):
    row = [nn.Dense(50, 50, rng=0), nn.ReLU()] * 6
    assert c.export(nn.Sequential(*row), tmp_path / "m.c").ram == 4 * 2 * 50  # what the last one gives is the caller's
    assert c.export(nn.Dense(3, 2), tmp_path / "m.c").ram == 0
    assert difference(tmp_path / "m.c") < BOUND


@pytest.mark.parametrize("cell", [nn.RNN, nn.LSTM, nn.GRU])
def test_steps_give_what_the_whole_sequence_gives(cell, tmp_path, rng):
    layers = nn.LayerNorm(3), cell(3, 4, True, rng=rng), nn.Residual(cell(4, 4, True, rng=rng)), nn.Dense(4, 2, rng=rng)
    model = nn.Sequential(*layers)
    x = rng.standard_normal((5, 3)).astype("float32")
    done = c.export(model, tmp_path / "m.c", sample=x[None])
    lib, expected = library(tmp_path / "m.c"), nn.predict(model, x[None])[0]
    whole, step, state = np.empty((5, 2), "f"), np.empty(2, "f"), np.zeros(done.state, "f")
    for _ in range(2):  # the workspace keeps nothing
        lib.xpnn_predict(pointer(x), pointer(whole))
    np.testing.assert_allclose(whole, expected, atol=BOUND)
    for row, y in zip(x, expected, strict=True):
        lib.xpnn_step(pointer(row), pointer(state), pointer(step))
        np.testing.assert_allclose(step, y, atol=BOUND)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Bidirectional(nn.RNN(3, 4)), nn.Dense(8, 2)),
        nn.Sequential(nn.RNN(3, 4, True), nn.Flatten()),
        nn.Sequential(nn.Dense(3, 2)),
    ],
)
def test_there_is_no_step_where_steps_are_mixed(model, tmp_path):
    assert c.export(model, tmp_path / "m.c", input_shape=(5, 3)).state is None
    assert "xpnn_step" not in (tmp_path / "m.c").read_text()


def test_several_inputs_and_outputs_which_layers_may_leave_as_they_are(tmp_path):
    nodes = {"a": (nn.Dropout(), "x"), "b": (nn.Flatten(), "a"), "c": (nn.Add(), "b", "z"), "d": (nn.ReLU(), "c")}
    model = nn.Graph(nodes, inputs=("x", "z"), outputs=("a", "c", "b", "d"), input_shape=((3,), (3,)))
    c.export(model, tmp_path / "m.c")
    assert difference(tmp_path / "m.c", *SANITIZED) == 0
    assert "x1 (x) (3,), x2 (z) (3,)" in (tmp_path / "m.c").read_text()


def test_names_that_c_would_confuse(tmp_path):
    nodes = {"int": nn.Dense(3, 3, rng=0), "a-b": nn.Dense(3, 3, rng=1), "a_b": nn.Dense(3, 3, rng=2)}
    nodes |= {"2": nn.Dense(3, 3, rng=3), "Dense": nn.ReLU(), "é*": nn.Dense(3, 3, rng=4)}
    c.export(nn.Graph(nodes), tmp_path / "m.c", classes=('"', "\\", "??/"))
    assert difference(tmp_path / "m.c") < BOUND


def test_a_file_has_declarations_and_two_networks_fit_into_a_program(tmp_path, rng):
    x = rng.standard_normal((1, 3)).astype("float32")
    models = {name: nn.Dense(3, 1, rng=seed) for seed, name in enumerate(("left", "right"))}
    for name, model in models.items():
        c.export(model, tmp_path / f"{name}.c", name=name)
    heads = "".join(f'#define {name.upper()}_HEADER\n#include "{name}.c"\n' for name in models)
    code = f"float x[3] = {{{', '.join(map(number, x[0]))}}}, y[LEFT_OUTPUT + RIGHT_OUTPUT];\n"
    code += (
        '    left_predict(x, y);\n    right_predict(x, y + 1);\n    printf("%.9g %.9g", (double)y[0], (double)y[1]);'
    )
    (tmp_path / "main.c").write_text(f"#include <stdio.h>\n{heads}int main(void)\n{{\n    {code}\n    return 0;\n}}\n")
    compiled(*(tmp_path / f"{name}.c" for name in ("left", "right", "main")), "-o", tmp_path / "main")
    y = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.split()
    np.testing.assert_allclose(np.array(y, "f"), [nn.predict(one, x)[0, 0] for one in models.values()], rtol=BOUND)


def test_numbers_are_the_same_bits_in_c(tmp_path, rng):
    bits = rng.integers(0, 2**32, 400, dtype="uint64").astype("uint32").view("float32")
    values = np.concatenate([bits[np.isfinite(bits)], np.float32([0, -0.0, 1, -2, 1e-45, 3.4028235e38, 16777216])])
    nodes = {"a": (nn.Dropout(), "x")}  # what it gives is its input
    c.export(nn.Graph(nodes, inputs="x"), tmp_path / "m.c", sample=values[None])
    (tmp_path / "m.c").write_text(
        (tmp_path / "m.c").read_text().replace("most = 1e-4f * (1.0f + fabsf(expected_y[i]))", "most = 0.0f")
    )
    compiled("-DXPNN_TEST", tmp_path / "m.c", "-o", tmp_path / "m")
    printed = subprocess.run([tmp_path / "m"], capture_output=True, text=True).stdout.splitlines()[:-1]
    read = np.array([line.split()[0] for line in printed], "float32")
    assert read.tobytes() == values.tobytes()


def test_bounds_that_are_infinite(tmp_path):
    model = nn.Sequential(nn.Clip(-1, np.inf), nn.Clip(-np.inf, 2))
    c.export(model, tmp_path / "m.c", sample=np.linspace(-3, 3, 7, dtype="float32")[None])
    compiled("-DXPNN_TEST", tmp_path / "m.c", "-o", tmp_path / "m")
    subprocess.run([tmp_path / "m"], stdout=subprocess.DEVNULL, check=True)


def test_more_axes_than_the_functions_have(tmp_path):
    with pytest.raises(ValueError, match=r"an output \(2, 5, 3, 6, 4\) needs loops over 5 axes, and C's .* four"):
        c.export(nn.Permute(1, 4, 2, 5, 3), tmp_path / "m.c", input_shape=(2, 3, 4, 5, 6))


def test_int8_weights_are_a_quarter_and_quantised_computes_with_them(tmp_path, rng):
    model = nn.Sequential(nn.Conv2D(2, 8, 3, rng=rng), nn.ReLU(), nn.Flatten(), nn.Dense(8 * 36, 30, rng=rng))
    sample = rng.standard_normal((1, 2, 8, 8)).astype("float32")
    whole, small = (c.export(model, tmp_path / "m.c", sample=sample, int8=int8) for int8 in (False, True))
    weights, others = 8 * 2 * 9 + 30 * 8 * 36, 8 + 30
    assert (whole.flash, small.flash) == (4 * (weights + others), weights + 4 * 2 * others)
    exact, rounded = (nn.predict(one, sample) for one in (model, c.quantised(model)))
    assert 0 < np.abs(exact - rounded).max() < 0.02 * np.abs(exact).max()
    np.testing.assert_array_equal(nn.predict(c.quantised(c.quantised(model)), sample), rounded)


def test_one_error_lists_all_layers_that_cannot_be_written(tmp_path):
    class Mine(nn.ReLU):
        pass

    class Half(nn.Layer):
        def forward(self, x, needs_dx=True):
            return x / 2, lambda dy: dy / 2

    model = nn.Sequential(nn.Dense(3, 3), Mine(), nn.Sequential(Half(), nn.ReLU()))
    with pytest.raises(TypeError, match=r"1 Mine\(\); 2\.0 Half\(\)$"):
        c.export(model, tmp_path / "m.c")
    assert not list(tmp_path.iterdir())


def test_refusals(tmp_path):
    path = tmp_path / "m.c"
    with pytest.raises(TypeError, match="expected a layer or a network, got int"):
        c.export(3, path)
    with pytest.raises(ValueError, match="'s input is unknown: give input_shape"):
        c.export(nn.Sequential(nn.Conv2D(1, 2, 3)), path)
    with pytest.raises(ValueError, match="expected input of shape"):
        c.export(nn.Dense(3, 2), path, input_shape=(4,))
    with pytest.raises(ValueError, match="expected a name in C, got 'a b'"):
        c.export(nn.Dense(3, 2), path, name="a b")
    spoilt = nn.Dense(3, 2, dtype="float64")
    spoilt.params["W"][0, 0] = 1e39
    with pytest.raises(FloatingPointError, match="net_W holds NaN or infinity in float32"):
        c.export(spoilt, path)
    assert not path.exists()


@pytest.mark.parametrize(("model", "shape"), [("lenet5", (1, 8, 8)), ("mlp", (3, 4, 5)), ("rnn", (3, 4, 5))])
def test_pixels_become_what_the_recipe_makes_of_them(model, shape, tmp_path, rng):
    recipe = Recipe(model, "digits", shape[1:], 0.3, 0.4, ("a", "b"), channels=shape[0])
    image = rng.integers(0, 256, shape, dtype="uint8")
    expected = recipe.inputs(image[None])[0]
    options = {"classes": recipe.classes, "preprocessing": recipe.preprocessing}
    c.export(recipe.build(rng=0), tmp_path / "m.c", sample=expected[None], **options)
    x = np.empty(expected.shape, "f")
    library(tmp_path / "m.c").xpnn_pixels(pointer(image), pointer(x))
    np.testing.assert_allclose(x, expected, atol=1e-6)
    assert re.search(r"xpnn_classes\[2\] = {\n    \"a\", \"b\"", (tmp_path / "m.c").read_text())


def test_random_parameters_of_batch_normalisation(tmp_path, rng):
    layer = nn.BatchNorm2D(3)
    randomise(layer, rng)
    layer.buffers["running_mean"], layer.buffers["running_var"] = rng.standard_normal(3) + 1000, rng.random(3)
    c.export(layer, tmp_path / "m.c", sample=1000 + rng.standard_normal((1, 3, 2, 2)).astype("f"))
    assert difference(tmp_path / "m.c") < BOUND  # as x factor + (beta - mean factor) it would cancel
