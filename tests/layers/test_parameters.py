"""Parameters and gradients as dicts of views into flat vectors, and gradients cleared by a step."""

import copy
import pickle

import numpy as np
import pytest
from border import dev, host

import xpnn as nn

F64 = {"rng": 0, "dtype": "float64"}


def test_gradients_and_copies_of_parameters_are_what_they_say():
    layer = nn.Dense(2, 2, rng=0)
    kept = layer.params.copy()
    layer.params["W"] = np.zeros((2, 2))
    assert (host(kept["W"]) != 0).any()
    _, backward = layer.forward(nn.xp.ones((1, 2), "f4"))
    backward(nn.xp.ones((1, 2), "f4"))
    nn.SGD(0.1).step(layer)
    assert (host(layer.grads.setdefault("W", None)) == 0).all()


READERS = {
    "by name": lambda model: [layer.grads[key] for layer in model for key in ("W", "b") if layer.params],
    "get": lambda model: [model[0].grads.get("W"), model[2].grads.get("W")],
    "values": lambda model: [*model[0].grads.values(), *model[2].grads.values()],
    "items": lambda model: [value for layer in model for _, value in layer.grads.items()],
    "dict": lambda model: [*dict(model[0].grads).values(), *{**model[2].grads}.values()],
    "copied": lambda model: [*model[0].grads.copy().values(), *(model[2].grads | {}).values()],
    "dotted": lambda model: list(model.grads.values()),
    "vector": lambda model: [model.flat_grads],
    "in another network": lambda model: [nn.Sequential(*model).flat_grads],
    "deep copy": lambda model: list(copy.deepcopy(model).grads.values()),
    "pickled": lambda model: [
        value for layer in pickle.loads(pickle.dumps(list(model))) for value in layer.grads.values()
    ],
}


class TestClearedGradients:
    """A step leaves gradients of 0, whether or not it has written the zeros."""

    @staticmethod
    def after_a_step():
        model = nn.MLP((160, 120, 2), rng=0, dtype="float64")  # the first weights are large enough for BLAS's own sum
        TestClearedGradients.differentiate(model, 0)
        nn.SGD(0.1).step(model)
        return model

    @staticmethod
    def differentiate(model, seed):
        x = np.random.default_rng(seed).standard_normal((7, 160))
        y, backward = model.forward(dev(x))
        backward(y)

    @pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
    def test_whoever_asks_finds_zeros(self, read):
        found = read(self.after_a_step())
        assert sum(value.size for value in found) >= 240
        assert not any(host(value).any() for value in found)

    @pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
    def test_who_has_asked_before_sees_them_too(self, read):
        model = self.after_a_step()
        held = read(model)
        own = [value for value in held if np.shares_memory(host(value), host(model.gather()[1]))]
        for seed in (1, 2):
            self.differentiate(model, seed)
            assert all(host(value).any() for value in own)
            nn.SGD(0.1).step(model)
            assert not any(host(value).any() for value in own)

    def test_they_are_printed_as_zeros(self):
        layer = nn.Dense(1, 1, rng=0)
        _, backward = layer.forward(dev(np.ones((1, 1)), "float32"))
        backward(dev(np.ones((1, 1)), "float32"))
        layer.zero_grad()
        assert str(layer.grads) == repr({"W": host(layer.grads["W"]), "b": host(layer.grads["b"])})
        assert "0." in str(layer.grads)
        assert "1." not in str(layer.grads)

    def test_passes_add_up_after_it(self):
        model, fresh = self.after_a_step(), self.after_a_step()
        fresh.flat_grads[...] = 0
        for seed in (1, 2):
            self.differentiate(model, seed)
            self.differentiate(fresh, seed)
        np.testing.assert_array_equal(host(model.flat_grads), host(fresh.flat_grads))

    def test_a_layer_left_out_of_the_next_pass_stays_as_it_is(self):
        model = self.after_a_step()
        before = host(model[2].params["W"]).copy()
        _, backward = model[0].forward(dev(np.ones((1, 160))))
        backward(dev(np.ones((1, 120))))
        nn.SGD(0.1).step(model)
        np.testing.assert_array_equal(host(model[2].params["W"]), before)

    def test_zero_grad(self):
        model = nn.MLP((160, 120, 2), rng=0, dtype="float64")
        self.differentiate(model, 0)
        model.zero_grad()
        assert not host(model.flat_grads).any()

    def test_those_of_a_network_are_cleared_at_once(self):
        model = nn.MLP((160, 120, 2), rng=0, dtype="float64")
        self.differentiate(model, 0)
        model.grads.clear()
        assert not host(model.flat_grads).any()


class TestParameters:
    def test_assignment_copies_into_the_place(self):
        layer = nn.Dense(3, 2)
        W = layer.params["W"]
        layer.params["W"] = np.arange(6.0).reshape(2, 3)
        np.testing.assert_array_equal(host(W), np.arange(6).reshape(2, 3))

    def test_wrong_names_and_shapes_are_refused(self):
        layer = nn.Dense(3, 2)
        with pytest.raises(ValueError, match=r"expected shape \(2, 3\), got \(3, 2\)"):
            layer.params["W"] = np.zeros((3, 2))
        with pytest.raises(KeyError, match="there are W, b"):
            layer.params["w"] = np.zeros((2, 3))
        with pytest.raises(KeyError, match="no parameter 'w'; there are W, b"):
            layer.params["w"]

    def test_the_caller_s_array_stays_the_caller_s(self):
        class Scale(nn.Layer):
            pass

        w = np.ones(3, dtype="float32")
        layer = Scale(w=w)
        layer.params["w"] = [5, 6, 7]
        np.testing.assert_array_equal(w, 1)

    def test_several_are_assigned_like_one(self):
        layer = nn.Dense(3, 2)
        W, b = layer.params["W"], layer.params["b"]
        layer.params.update(W=np.ones((2, 3)))
        layer.params |= {"b": [5, 6]}
        np.testing.assert_array_equal(host(W), np.ones((2, 3)))
        np.testing.assert_array_equal(host(b), [5, 6])
        with pytest.raises(ValueError, match="expected shape"):
            layer.params.update(W=np.zeros((5, 7)))

    def test_the_flat_vector_follows_a_network_whose_layers_change(self):
        model = nn.Sequential(nn.Dense(4, 4, rng=0), nn.Dense(4, 4, rng=1), nn.Dense(4, 2, rng=2))
        removed = model.layers.pop(1)
        assert model.flat_params.size == 30 == model.flat_grads.size
        model.layers[:0] = [removed]
        expected = np.concatenate([host(value).ravel() for value in model.params.values()])
        np.testing.assert_array_equal(host(model.flat_params), expected)

    def test_a_part_of_a_network_leaves_them_where_they_are(self):
        model = nn.MLP((3, 4, 2), rng=0)
        vector, part = model.flat_params, model[:2]
        part(nn.asarray(np.ones((1, 3))))
        vector[...] = 0
        assert not any(host(value).any() for value in model.params.values())
        nn.SGD(0.1).step(part)
        assert host(model.flat_params).shape == vector.shape

    def test_they_are_views_into_the_flat_vector_in_order(self):
        model = nn.MLP((3, 4, 2), rng=0)
        assert list(model.params) == ["0.W", "0.b", "2.W", "2.b"] == list(model.grads)
        flat = model.flat_params
        np.testing.assert_array_equal(
            host(flat), np.concatenate([host(value).ravel() for value in model.params.values()])
        )
        flat[...] = 7
        assert all((host(value) == 7).all() for value in model.params.values())
        model.params["2.b"] = [1.0, 2]
        np.testing.assert_array_equal(host(model.flat_params)[-2:], [1, 2])

    def test_a_layer_that_stands_twice_is_counted_once(self, rng):
        shared = nn.Dense(4, 4, **F64)
        model = nn.Sequential(shared, nn.Tanh(), shared)
        assert list(model.params) == ["0.W", "0.b"]
        assert model.flat_params.size == 20
        assert nn.gradcheck(model, rng.standard_normal((3, 4))).ok

    def test_a_layer_in_two_networks_stays_with_both(self):
        shared = nn.Dense(2, 2, rng=0)
        one, two = nn.Sequential(shared), nn.Sequential(shared, nn.Dense(2, 2, rng=1))
        for model in (one, two, one):
            model.flat_params[...] += 1
            assert (host(model.params["0.W"]) == host(shared.params["W"])).all()

    def test_layers_of_different_dtypes_make_no_network(self):
        with pytest.raises(ValueError, match="different dtypes: float32, float64"):
            nn.Sequential(nn.Dense(2, 2), nn.Dense(2, 2, dtype="float64"))

    def test_a_deep_copy_is_independent(self):
        model = nn.MLP((3, 4, 2), rng=0)
        other = copy.deepcopy(model)
        other.flat_params[...] = 0
        assert not host(other.params["0.W"]).any()
        assert host(model.params["0.W"]).all()

    def test_nested_networks_have_dotted_paths(self):
        model = nn.Sequential(nn.Sequential(nn.Dense(2, 3), nn.ReLU()), nn.Dense(3, 1))
        assert list(model.params) == ["0.0.W", "0.0.b", "1.W", "1.b"]
