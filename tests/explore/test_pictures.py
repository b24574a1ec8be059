"""What is said of LeNet-5 equals the library's arrays, to the digits shown."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn
from xpnn.explore import Pictures

SHOWN = 5.1e-6
"""Relative, of what is rounded to six digits."""


def agree(shown, expected):
    np.testing.assert_allclose(np.array(shown), expected, SHOWN, 1e-300)


def differentiated(pictures, sample=0):
    """The network by the library's own pass: all outputs, dE/dx, the gradients stand in ``grads``."""
    x, label = pictures.sample(sample)
    model, outputs = pictures.model, []
    for layer in model.layers:
        outputs.append(host(layer(x if not outputs else dev(outputs[-1]))))
    model.zero_grad()
    y, backward = model.forward(x)
    loss, start = nn.SoftmaxCrossEntropy().forward(y, label)
    return outputs, float(host(loss)), host(backward(start()))


def test_every_map_and_every_gradient_is_the_librarys(pictures):
    shown = pictures.passed(0)
    outputs, loss, dx = differentiated(pictures)
    agree(shown["loss"], loss)
    agree(shown["layers"][0]["delta"], dx[0])
    for row, output in zip(shown["layers"][1:], outputs, strict=True):
        agree(row["x"], output[0])
    p = nn.predict(pictures.model, host(pictures.sample(0)[0]))[0]
    assert shown["predicted"] == p.argmax()


@pytest.mark.parametrize("index", [0, 1, 2, 3, 5, 6, 9])
def test_products_sum_to_the_layers_output_and_the_window_lies_where_it_says(pictures, index):
    outputs, *_ = differentiated(pictures)
    output = outputs[index][0]
    for at in (tuple(np.unravel_index(output.argmax(), output.shape)), (0,) * output.ndim):
        unit = pictures.unit(0, index, *map(int, at))
        agree(unit["x"], output[at])
        assert abs(unit["sum"] - output[at]) <= 1e-5 * max(1, abs(output[at]))
        assert np.shape(unit["o"]) == np.shape(unit["w"]) == tuple(b - a for a, b in unit["from"])
        before = outputs[index - 1][0] if index else host(pictures.sample(0)[0])[0]
        inside = tuple(slice(max(a, 0), b) for a, b in unit["from"])
        read = np.array(unit["o"])[tuple(slice(max(-a, 0), None) for a, _ in unit["from"])]
        agree(read[tuple(slice(n) for n in before[inside].shape)], before[inside])


def test_only_the_receptive_field_moves_an_element(pictures):
    x, _ = pictures.sample(0)
    rows, columns = pictures.unit(0, 5, 3, 2, 1)["field"]
    first = pictures.model[:6]
    before = host(first(x))[0, 3, 2, 1]
    outside = np.full(x.shape, 9.0)
    field = ..., slice(*rows), slice(*columns)
    outside[field] = host(x)[field]
    assert host(first(dev(outside)))[0, 3, 2, 1] == pytest.approx(before, rel=1e-12)
    assert (rows, columns) == ([6, 22], [2, 18])


@pytest.mark.parametrize(("index", "at"), [(0, (3, 0, 0, 4)), (3, (7, 2, 1, 1)), (6, (11, 5, 4, 0)), (9, (5, 8))])
def test_a_weights_sum_is_the_gradient_and_the_central_difference(pictures, index, at):
    differentiated(pictures)
    gradient = host(pictures.model[index].grads["W"])[at]
    said = pictures.weight(0, index, *at)
    agree([said["sum"], said["gradient"]], [gradient] * 2)
    assert said["difference"] == pytest.approx(gradient, rel=1e-4, abs=1e-9)
    assert np.sum(said["products"]) == pytest.approx(gradient, rel=1e-4, abs=1e-12)
    np.testing.assert_allclose(said["products"], np.multiply(said["delta"], said["o"]), 1e-4, 1e-9)


def test_a_step_is_sgds_and_can_be_taken_back(pictures):
    at, first = (3, 0, 1, 2), host(pictures.model.flat_params).copy()
    differentiated(pictures)
    W, gradient = host(pictures.model[0].params["W"])[at], host(pictures.model[0].grads["W"])[at]
    said = pictures.step(0, 0.05, 0, *at)
    agree(said["weight"], [W, W - 0.05 * gradient])
    agree(said["loss"][1], differentiated(pictures)[1])
    assert said["loss"][1] < said["loss"][0]
    pictures.reset()
    np.testing.assert_array_equal(host(pictures.model.flat_params), first)


def test_a_drawn_picture_is_classified_as_predict_does(pictures, recipe):
    drawn = np.zeros((8, 8))
    drawn[:, 3:5] = 255
    said = pictures.passed({"pixels": drawn.tolist(), "label": 1})
    x = recipe.inputs(drawn.astype(np.uint8)[None, None])
    logits = nn.predict(recipe.build(0), x)[0]
    assert said["predicted"] == logits.argmax()
    np.testing.assert_allclose(said["p"], np.exp(logits) / np.exp(logits).sum(), 1e-4)


@pytest.fixture
def published(pictures):
    """The network of 1998, with the paper's loss."""
    model, loss = nn.LeNet5(32, variant="1998", rng=0), nn.RBFLoss()
    x = np.pad(pictures.images.repeat(3, 2).repeat(3, 3), ((0, 0), (0, 0), (4, 4), (4, 4)))
    return Pictures(model, x, pictures.labels, pictures.classes, lambda images: images / 128 - 0.1, loss)


@pytest.mark.parametrize(
    ("index", "name", "at"),
    [(0, "C1", (2, 0, 1, 3)), (2, "S2", (4,)), (4, "C3", (6, 1, 2, 0)), (11, "F6", (3, 7)), (13, "RBF", None)],
)
def test_the_network_of_1998_is_the_librarys_too(published, index, name, at):
    shown = published.passed(0)
    row = shown["layers"][index + 1]
    unit = published.unit(0, index, *row["strongest"])
    assert published.names[index] == name
    assert unit["sum"] == pytest.approx(unit["x"], rel=2e-5)
    assert np.array(row["x"])[tuple(row["strongest"])] == unit["x"]
    if at is not None:
        said = published.weight(0, index, *at)
        assert said["gradient"] == pytest.approx(said["difference"], rel=1e-4, abs=1e-9)
        assert said["sum"] == pytest.approx(said["gradient"], rel=1e-4, abs=1e-9)
        step = published.step(0, 0.01, index, *at)
        assert step["weight"][1] == pytest.approx(said["w"] - 0.01 * said["gradient"], rel=1e-4)
        assert step["loss"][1] < step["loss"][0] == shown["loss"]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda p: p.passed(9), "a sample from 0 to 3, got 9"),
        (lambda p: p.passed({"pixels": [[1]], "label": 0}), "8x8 pixels"),
        (lambda p: p.passed({"pixels": [[300] * 8] * 8, "label": 0}), "from 0 to 255"),
        (lambda p: p.passed({"pixels": [[0] * 8] * 8, "label": 10}), "a label from 0 to 9"),
        (lambda p: p.unit(0, 12, 0), "a layer from 0 to 11"),
        (lambda p: p.unit(0, 0, 0, 0, 28), "an index within"),
        (lambda p: p.weight(0, 1, 0, 0, 0, 0), "a layer with weights"),
        (lambda p: p.step(0, 0, 0, 0, 0, 0, 0), "a learning rate above 0"),
    ],
)
def test_what_is_not_there_is_refused(pictures, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(pictures)


def test_there_is_no_weight_where_table_i_has_no_connection(published):
    for asked in (lambda: published.weight(0, 4, 0, 5, 0, 0), lambda: published.step(0, 0.1, 4, 0, 5, 0, 0)):
        with pytest.raises(ValueError, match="map 0 does not read map 5"):
            asked()


def test_dropout_is_left_out_and_other_layers_are_refused(pictures, recipe):
    images, labels, classes = pictures.images, pictures.labels, pictures.classes
    thinned = nn.Sequential(*pictures.model[:9], nn.Dropout(0.5, rng=0), *pictures.model[9:])
    assert Pictures(thinned, images, labels, classes, recipe.inputs).passed(0) == pictures.passed(0)
    with pytest.raises(ValueError, match="explore knows the layers of LeNet-5 .*, not AvgPool2D"):
        Pictures(nn.Sequential(nn.AvgPool2D(2)), images, labels, classes, recipe.inputs)


def test_a_network_that_steps_have_ruined_says_so(pictures):
    pictures.model.flat_params[0] = np.nan
    with pytest.raises(ValueError, match="start over"):
        pictures.passed(0)
    pictures.reset()
    assert np.isfinite(pictures.passed(0)["loss"])
