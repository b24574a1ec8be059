"""Groups of parameters and frozen layers."""

import copy

import numpy as np
import pytest
from border import dev, host, parameters

import xpnn as nn
from xpnn.layers.dense import ActivatedDense

NO_DECAY = {"*.b": {"weight_decay": 0.0}}


def gradients(model, seed=0):
    model.flat_grads[...] = dev(np.random.default_rng(seed).standard_normal(model.flat_grads.size))


def three():
    return nn.Sequential(*(nn.Dense(3, 3, rng=seed, dtype="float64") for seed in range(3)))


def test_of_two_groups_that_set_the_same_the_later_one_s_counts():
    groups = {"*": {"lr_factor": 0.5, "weight_decay": 0.1}, "1.*": {"lr_factor": 2.0}}
    model, before = three(), parameters(three())
    model.flat_grads[...] = 1
    nn.SGD(0.1, groups=groups).step(model)
    rates = np.repeat([0.05, 0.2, 0.05], 12)
    np.testing.assert_allclose(parameters(model), before - rates * (1 + 0.1 * before), rtol=1e-14)


def test_a_group_with_the_optimiser_s_settings_changes_no_bit():
    models = three(), three()
    for model, groups in zip(models, (None, {"1.*": {"lr_factor": 1.0, "weight_decay": 0.1}}), strict=True):
        optimizer = nn.AdamW(0.1, weight_decay=0.1, groups=groups)
        for seed in range(3):
            gradients(model, seed)
            optimizer.step(model)
    np.testing.assert_array_equal(*map(parameters, models))


def test_groups_go_on_from_a_file_and_show_in_repr(tmp_path):
    def new():
        return three(), nn.RMSprop(nn.StepDecay(0.1, 2), momentum=0.9, centered=True, groups=NO_DECAY, weight_decay=0.1)

    (whole, optimizer), (model, other) = new(), new()
    for seed in range(2):
        gradients(whole, seed)
        optimizer.step(whole)
    nn.save(whole, tmp_path / "m.safetensors", optimizer=optimizer)
    nn.load(model, tmp_path / "m.safetensors", optimizer=other)
    for one, its in ((whole, optimizer), (model, copy.deepcopy(other))):
        gradients(one, 2)
        its.step(one)
    np.testing.assert_array_equal(parameters(whole), parameters(model))
    assert repr(optimizer).endswith("groups={'*.b': {'weight_decay': 0.0}}, alpha=0.99, eps=1e-08, momentum=0.9, "
                                    "centered=True)")  # fmt: skip


@pytest.mark.parametrize(
    "groups",
    [{"*": {"lr": 0.1}}, {"*": {"lr_factor": -1}}, {"*": 0.1}, {0: {}}, {"*": {"weight_decay": np.inf}}],
    ids=str,
)
def test_wrong_groups(groups):
    with pytest.raises(ValueError, match="Adam: expected groups such as"):
        nn.Adam(groups=groups)


def test_a_pattern_that_fits_nothing():
    with pytest.raises(ValueError, match=r"SGD: the group 'head\.\*' fits no parameter of the model: 0.W, 0.b"):
        nn.SGD(0.1, groups={"head.*": {}}).step(three())


@pytest.mark.parametrize("optimizer", [nn.SGD(0.1, 0.9, weight_decay=0.1), nn.AdamW(0.1, groups=NO_DECAY)], ids=str)
def test_nothing_moves_a_frozen_layer_and_it_trains_on_afterwards(optimizer):
    model = three()
    gradients(model)
    optimizer.step(model)
    model[1].trainable = False
    before, state = parameters(model), {key: host(v).copy() for key, v in optimizer.state(model.flat_params).items()}
    gradients(model)
    optimizer.step(model)
    assert ((parameters(model) == before) == np.repeat([False, True, False], 12)).all()
    for key, vector in optimizer.state(model.flat_params).items():
        np.testing.assert_array_equal(host(vector)[12:24], state[key][12:24])
    assert not host(model.flat_grads).any()
    model[1].trainable = True
    gradients(model)
    optimizer.step(model)
    assert (parameters(model) != before).all()


def test_a_frozen_layer_s_gradients_do_not_count_for_clipping():
    model = three()
    model.flat_grads[...] = 1
    model[:2].trainable = False
    assert float(host(nn.clip_grad_norm(model, 1.0))) == pytest.approx(12**0.5)


def test_a_model_of_which_all_is_frozen(blobs):
    model = nn.MLP((2, 8, 3), rng=0)
    model.trainable = False
    assert not model.trainable
    with pytest.raises(ValueError, match="every layer of the model is frozen"):
        nn.fit(model, *blobs, verbose=False)


def test_a_branch_is_frozen_by_its_composite(blobs):
    body = nn.Sequential(nn.Dense(2, 4, rng=0), nn.ReLU(), nn.Residual(nn.Dense(4, 4, rng=1)))
    model = nn.Sequential(body, nn.BatchNorm1D(4), nn.Dense(4, 3, rng=2))
    body.trainable = False
    before, frozen = {key: host(v).copy() for key, v in model.params.items()}, len(body.params)
    history = nn.fit(model, *blobs, epochs=3, optimizer=nn.AdamW(0.01, groups={"*.W": {}}), max_norm=1.0, verbose=False)
    same = [bool((before[key] == host(value)).all()) for key, value in model.params.items()]
    assert same == [i < frozen for i in range(len(before))]
    assert history[-1]["loss"] < history[0]["loss"]
    assert [layer.trainable for layer in (model, body, body[0])] == [True, False, False]
    assert model.summary().splitlines()[-1].split() == ["frozen", "32"]


def test_backward_ends_at_the_first_layer_that_is_trained(monkeypatch):
    model, x = nn.MLP((3, 4, 4, 2), rng=0, dtype="float64"), dev(np.ones((5, 3)))
    y, backward = model.forward(x, needs_dx=False)
    backward(dev(np.ones(y.shape)))
    whole = {key: host(value).copy() for key, value in model.grads.items()}
    model.zero_grad()
    model[:3].trainable = False
    y, backward = model.forward(x, needs_dx=False)
    backward(dev(np.ones(y.shape)))
    for key, value in model.grads.items():
        np.testing.assert_array_equal(host(value), whole[key] if key.startswith("4") else 0)
    assert not ActivatedDense(model[0], model[1]).learns
    assert model.forward(x)[1](dev(np.ones(y.shape))).shape == x.shape  # dE/dx is there if it is asked for


@pytest.mark.parametrize("layer", [nn.BatchNorm1D(3, dtype="float64"), nn.BatchNorm2D(3, dtype="float64")], ids=str)
def test_frozen_batch_normalisation_normalises_as_in_inference(layer, rng):
    x = dev(rng.standard_normal((4, 3, 2, 2)[: 2 if isinstance(layer, nn.BatchNorm1D) else 4]))
    layer.forward(x)
    layer.trainable = False
    before = {key: host(value).copy() for key, value in layer.buffers.items()}
    np.testing.assert_array_equal(host(layer.forward(x)[0]), host(layer(x)))
    assert all((host(value) == before[key]).all() for key, value in layer.buffers.items())
    layer.forward(x[:1])  # one sample is enough


def test_a_captured_step_learns_that_a_layer_was_frozen():
    model, optimizer = three(), nn.SGD(0.1)
    placed = optimizer.placed(model)
    assert optimizer.placed(model) is placed
    model[0].trainable = False
    assert optimizer.placed(model) is not placed
