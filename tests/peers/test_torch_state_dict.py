"""PyTorch's weights in xpnn's networks, and back, with PyTorch's outputs as the measure."""

from pathlib import Path

import numpy as np
import pytest
import torch
from border import ONCE, host
from safetensors.torch import load_file, save_file
from torch import nn as T
from torch.nn.functional import relu

import xpnn as nn
from xpnn.interop.torch import from_state_dict, to_state_dict

pytestmark = pytest.mark.skipif(not ONCE, reason="arrays that are copied: once is enough")


class Last(T.Module):
    """A classifier of a sequence's last state."""

    def __init__(self, cell, **options):
        super().__init__()
        self.r = cell(5, 4, batch_first=True, **options)
        self.f = T.Linear(8 if options.get("bidirectional") else 4, 3)

    def forward(self, x):
        _, h = self.r(x)
        h = h[0] if isinstance(h, tuple) else h
        return self.f(torch.cat([h[-2], h[-1]], 1) if self.r.bidirectional else h[-1])


class Block(T.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = T.Conv2d(i, o, 3, stride, 1, bias=False), T.BatchNorm2d(o)
        self.conv2, self.bn2 = T.Conv2d(o, o, 3, 1, 1, bias=False), T.BatchNorm2d(o)
        self.down = T.Sequential(T.Conv2d(i, o, 1, stride, bias=False), T.BatchNorm2d(o))

    def forward(self, x):
        return relu(self.bn2(self.conv2(relu(self.bn1(self.conv1(x))))) + self.down(x))


def lenet():
    convolutions = T.Conv2d(1, 6, 5, padding=2), T.ReLU(), T.MaxPool2d(2), T.Conv2d(6, 16, 5), T.ReLU(), T.MaxPool2d(2)
    dense = T.Flatten(), T.Linear(400, 120), T.ReLU(), T.Linear(120, 84), T.ReLU(), T.Linear(84, 10)
    return T.Sequential(*convolutions, *dense)


def resnet(bias):
    body = nn.Sequential(
        nn.Conv2D(8, 16, 3, stride=2, padding=1, bias=bias), nn.BatchNorm2D(16), nn.ReLU(),
        nn.Conv2D(16, 16, 3, padding=1, bias=bias), nn.BatchNorm2D(16),
    )  # fmt: skip
    shortcut = nn.Sequential(nn.Conv2D(8, 16, 1, stride=2, bias=bias), nn.BatchNorm2D(16))
    first = nn.Conv2D(3, 8, 3, padding=1, bias=bias), nn.BatchNorm2D(8), nn.ReLU()
    return nn.Sequential(*first, nn.Residual(body, shortcut), nn.ReLU(), nn.GlobalAvgPool2D(), nn.Dense(16, 4))


def torch_resnet():
    net = T.Sequential(
        T.Conv2d(3, 8, 3, 1, 1, bias=False), T.BatchNorm2d(8), T.ReLU(), Block(8, 16, 2), T.AdaptiveAvgPool2d(1),
        T.Flatten(), T.Linear(16, 4),
    )  # fmt: skip
    for _ in range(3):
        net(torch.randn(8, 3, 8, 8) * 2 + 1)  # moves the running estimates
    return net


def many():
    return T.Sequential(
        T.Conv1d(2, 4, 3, padding=1), T.PReLU(4), T.Flatten(), T.Linear(24, 6), T.LayerNorm(6), T.PReLU(),
        T.BatchNorm1d(6, affine=False), T.Linear(6, 6, bias=False), T.LayerNorm(6, bias=False),
    )  # fmt: skip


def own_many():
    return nn.Sequential(
        nn.Conv1D(2, 4, 3, padding=1), nn.PReLU(4), nn.Flatten(), nn.Dense(24, 6), nn.LayerNorm(6), nn.PReLU(),
        nn.BatchNorm1D(6), nn.Dense(6, 6), nn.LayerNorm(6, bias=False),
    )  # fmt: skip


CASES = {
    "LeNet-5": (lenet(), nn.LeNet5(), (1, 28, 28)),
    "residual network, convolutions with a bias here": (torch_resnet(), resnet(True), (3, 8, 8)),
    "residual network": (torch_resnet(), resnet(False), (3, 8, 8)),
    "1-D convolution, PReLU, LayerNorm, batch norm": (many(), own_many(), (2, 6)),
    "autoencoder with ConvTranspose2D": (
        T.Sequential(T.Conv2d(2, 3, 2, 2), T.ConvTranspose2d(3, 2, 2, 2), T.Sigmoid()),
        nn.Sequential(nn.Conv2D(2, 3, 2, 2), nn.ConvTranspose2D(3, 2, 2, 2), nn.Sigmoid()),
        (2, 4, 4),
    ),
    "convolution over its whole input, as Dense": (
        T.Sequential(T.Conv2d(2, 3, 4), T.Flatten(), T.Linear(3, 2)),
        nn.Sequential(nn.Flatten(), nn.Dense(32, 3), nn.Dense(3, 2)),
        (2, 4, 4),
    ),
    "RNN": (Last(T.RNN), nn.RNNClassifier(5, 4, 3), (7, 5)),
    "LSTM": (Last(T.LSTM), nn.RNNClassifier(5, 4, 3, cell=nn.LSTM), (7, 5)),
    "GRU": (Last(T.GRU), nn.RNNClassifier(5, 4, 3, cell=nn.GRU), (7, 5)),
    "GRU without a bias there": (Last(T.GRU, bias=False), nn.RNNClassifier(5, 4, 3, cell=nn.GRU), (7, 5)),
    "LSTM, two layers": (Last(T.LSTM, num_layers=2), nn.RNNClassifier(5, 4, 3, cell=nn.LSTM, num_layers=2), (7, 5)),
    "GRU, two layers in both directions": (
        Last(T.GRU, num_layers=2, bidirectional=True),
        nn.RNNClassifier(5, 4, 3, cell=nn.GRU, num_layers=2, bidirectional=True),
        (7, 5),
    ),
}
EACH = pytest.mark.parametrize(("net", "model", "shape"), CASES.values(), ids=CASES)


def outputs(net, x):
    with torch.no_grad():
        return net.eval()(torch.from_numpy(x)).numpy()


@EACH
def test_the_network_computes_the_same(net, model, shape, rng):
    x = rng.standard_normal((3, *shape), dtype="f")
    assert from_state_dict(model, net.state_dict()) == ([], [])
    np.testing.assert_allclose(host(model(nn.asarray(x))), outputs(net, x), rtol=1e-5, atol=1e-5)


@EACH
def test_there_and_back(net, model, shape, rng):
    """Bit for bit, but for the two biases that PyTorch adds: then its outputs, to rounding."""
    x = rng.standard_normal((3, *shape), dtype="f")
    expected, before = outputs(net, x), net.state_dict()
    model.flat_params[...] = nn.asarray(rng.standard_normal(model.flat_params.shape))
    from_state_dict(model, before)
    after = to_state_dict(model, like=before)
    assert list(after) == list(before)
    for key, value in before.items():
        if "bias_" not in key:
            assert after[key].dtype == value.dtype
            assert torch.equal(after[key], value) or "num_batches" in key
    net.load_state_dict(after)
    np.testing.assert_allclose(outputs(net, x), expected, rtol=1e-5, atol=1e-6)
    saved = {key: host(value).copy() for key, value in (model.params | model.buffers).items()}
    model.flat_params[...] = 0
    from_state_dict(model, after)  # and what has been summed once stays as it is
    assert all(host(value).tobytes() == saved[key].tobytes() for key, value in (model.params | model.buffers).items())


def test_the_model_s_own_names():
    model = nn.Sequential(nn.Conv2D(1, 2, 3), nn.BatchNorm2D(2), nn.Flatten(), nn.Dense(2, 3))
    net = T.Sequential(T.Conv2d(1, 2, 3), T.BatchNorm2d(2), T.Flatten(), T.Linear(2, 3))
    assert set(to_state_dict(model)) == set(net.state_dict())
    net.load_state_dict(to_state_dict(model))
    both = nn.Sequential(nn.Bidirectional(nn.LSTM(3, 2)))
    module = T.Sequential(T.LSTM(3, 2, bidirectional=True))
    module.load_state_dict(to_state_dict(both))
    other = nn.Sequential(nn.Bidirectional(nn.LSTM(3, 2)))
    from_state_dict(other, module.state_dict())
    assert host(other.flat_params).tobytes() == host(both.flat_params).tobytes()
    T.Linear(3, 2).load_state_dict(to_state_dict(nn.Dense(3, 2)))


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_files(tmp_path, name, dtype):
    net = T.Sequential(*(T.Linear(3, 3) for _ in range(12))).to(dtype)  # "10" stands before "2" in the file
    (torch.save if name.endswith("pt") else lambda state, path: save_file(state, path))(
        net.state_dict(), tmp_path / name
    )
    model = nn.Sequential(*(nn.Dense(3, 3) for _ in range(12)))
    assert from_state_dict(model, tmp_path / name) == ([], [])
    for key, value in net.state_dict().items():
        own = model.params[key.replace("weight", "W").replace("bias", "b")]
        np.testing.assert_array_equal(host(own), value.float().numpy())


@pytest.mark.parametrize("name", ["net.pt", "net.SAFETENSORS", "net.safetensors"])
def test_files_by_their_content(tmp_path, name):
    net = T.Linear(3, 3).to(torch.float8_e4m3fn if name == "net.SAFETENSORS" else torch.float32)
    (torch.save if name == "net.safetensors" else save_file)(net.state_dict(), tmp_path / name)  # the other format
    model = nn.Sequential(nn.Dense(3, 3))
    assert from_state_dict(model, tmp_path / name) == ([], [])
    np.testing.assert_array_equal(host(model.params["0.W"]), net.weight.float().detach().numpy())


def test_names_that_happen_to_be_sorted():
    """PyTorch's own dictionary tells the order, as in a network whose embedding is its output's weight."""
    net = T.ModuleDict({"embed": T.Embedding(9, 4), "out": T.Linear(4, 9, bias=False)})
    net["out"].weight = net["embed"].weight
    model = nn.Sequential(nn.Embedding(9, 4), nn.Dense(4, 9, bias=False))
    assert from_state_dict(model, net.state_dict()) == ([], [])
    net.load_state_dict(to_state_dict(model, like=net.state_dict()))


def test_a_file_that_has_lost_the_order(tmp_path):
    net, model = Last(T.LSTM), nn.RNNClassifier(5, 4, 3, cell=nn.LSTM)
    save_file(net.state_dict(), tmp_path / "m.safetensors")  # f, r
    for given in (load_file(tmp_path / "m.safetensors"), tmp_path / "m.safetensors"):
        assert from_state_dict(model, given) == ([], [])  # by their shapes
    x = np.ones((1, 2, 5), "f")
    np.testing.assert_allclose(host(model(nn.asarray(x))), outputs(net, x), rtol=1e-5)
    names = {"head": T.Linear(4, 4), "body": T.Linear(4, 4)}
    twins = T.ModuleDict(names)
    save_file(twins.state_dict(), tmp_path / "twins.safetensors")
    model = nn.MLP((4, 4, 4))
    with pytest.raises(ValueError, match=r"'0'.* fits body, head of the modules .*, whose order .* names="):
        from_state_dict(model, tmp_path / "twins.safetensors")
    from_state_dict(model, tmp_path / "twins.safetensors", names={"0": "head", "2": "body"})
    np.testing.assert_array_equal(host(model.params["0.W"]), names["head"].weight.detach().numpy())


def test_what_is_left_over():
    net, model = T.Sequential(T.Linear(3, 4), T.ReLU(), T.Linear(4, 5)), nn.MLP((3, 4, 2), rng=0)
    before = host(model.flat_params).copy()
    with pytest.raises(ValueError, match=r"'2', Dense\(4, 2\), does not fit the module '2' \(weight \(5, 4\)"):
        from_state_dict(model, net.state_dict())
    assert (host(model.flat_params) == before).all()
    renamed = {f"net.{key}": value for key, value in net.state_dict().items()}
    assert from_state_dict(model, renamed, strict=False) == (["2.W", "2.b"], ["net.2.weight", "net.2.bias"])
    np.testing.assert_array_equal(host(model.params["0.W"]), net[0].weight.detach().numpy())
    with pytest.raises(
        ValueError, match=r"2 layers with parameters \(0, 2\), the state dict 1 modules \(0\): pair them by"
    ):
        from_state_dict(model, net[:1].state_dict())
    assert from_state_dict(model, net[:1].state_dict(), strict=False) == (["2.W", "2.b"], [])
    with pytest.raises(ValueError, match="missing .*2.W.*, unexpected .*2.weight"):
        from_state_dict(model, net.state_dict(), names={"0": "0"})
    assert from_state_dict(nn.Dense(3, 4, bias=False), {"weight": np.ones((4, 3))}) == ([], [])
    own = net.state_dict() | {"temperature": torch.ones(1)}
    assert from_state_dict(nn.MLP((3, 4, 5)), own, strict=False) == ([], ["temperature"])


def test_an_initial_state_that_is_learned_has_no_counterpart():
    model, net = nn.LSTM(3, 4, initial_state=("learned", "zeros")), T.LSTM(3, 4)
    with pytest.raises(ValueError, match=r"missing \['h_0'\], unexpected \[\]"):
        from_state_dict(model, net.state_dict())
    assert from_state_dict(model, net.state_dict(), strict=False) == (["h_0"], [])
    with pytest.raises(TypeError, match="PyTorch's modules have no h_0, but are given it"):
        to_state_dict(model)


@pytest.mark.parametrize(
    ("layer", "state_dict", "message"),
    [
        (nn.Dense(3, 3), {"kernel": np.ones((3, 3)), "bias": np.zeros(3)}, "Keras's or Flax's: kernels are .in, out."),
        (nn.LSTM(3, 3), {"lstm/kernel:0": np.ones((3, 12))}, "Keras's or Flax's.*gates have another order"),
        (nn.Dense(3, 3), {"W": np.ones((3, 3)), "b": np.zeros(3)}, "W, b, which are xpnn's own, which xpnn.load reads"),
        (nn.Dense(3, 2), {"weight": np.ones((3, 2)), "bias": np.zeros(2)}, r"expected an array of shape \(2, 3\)"),
        (nn.Dense(3, 2, bias=False), {"weight": np.ones((2, 3)), "bias": np.zeros(2)}, "the layer has no bias"),
        (nn.Dense(3, 2), {"running_mean": np.ones(2)}, "the layer has no running_mean"),
        (nn.Embedding(3, 2), {"weight": np.ones((3, 2)), "bias": np.zeros(3)}, "the layer has no bias"),
        (nn.BatchNorm1D(2), {"weight": np.ones(2), "bias": np.ones(2)}, "the module has no running_mean, running_var"),
        (nn.LayerNorm(2), {"bias": np.ones(2)}, "the module has no weight"),
        (nn.GRU(3, 2), T.LSTM(3, 2).state_dict(), r"shape \(6, 3\), got \(8, 3\)"),
        (nn.GRU(3, 2, bias=False), T.GRU(3, 2).state_dict(), "the layer has no bias"),
        (nn.LSTM(3, 2), T.LSTM(3, 2, proj_size=1).state_dict(), "xpnn has no layer for 'weight_hr_l0'"),
        (nn.LSTM(3, 2), T.Linear(3, 8).state_dict(), "the layer has bias_hh, bias_ih, weight_hh, weight_ih"),
        (nn.LSTM(3, 2), T.LSTM(3, 2, num_layers=2).state_dict(), r"1 layers .*, the state dict 2 modules \(l0, l1\)"),
        (nn.Conv2D(1, 2, 3, padding=1), {"weight": np.ones((2, 9)), "bias": np.ones(2)}, r"shape \(2, 1, 3, 3\), got"),
        (nn.Dense(3, 2), {"parametrizations.weight.original0": np.ones((2, 1))}, "remove_parametrizations makes it"),
        (nn.Dense(3, 2), {"weight_g": np.ones((2, 1)), "weight_v": np.ones((2, 3))}, "remove_weight_norm"),
        (nn.Dense(3, 2), {"in_proj_weight": np.ones((2, 3))}, "xpnn has no layer for 'in_proj_weight'"),
        (
            nn.Dense(3, 2),
            {"model": {"weight": np.ones((2, 3))}, "epoch": 3},
            r"a dict that holds one: take \['model'\]",
        ),
    ],
)
def test_what_does_not_fit_or_means_something_else(layer, state_dict, message):
    with pytest.raises(ValueError, match=message):
        from_state_dict(layer, state_dict)


def test_wrong_types(tmp_path):
    with pytest.raises(TypeError, match="weight: expected an array of floating-point numbers, got int64"):
        from_state_dict(nn.Dense(1, 1), {"weight": np.ones((1, 1), "int64")})
    with pytest.raises(TypeError, match="expected a state dict, as net.state_dict.. returns it, got Linear"):
        from_state_dict(nn.Dense(1, 1), T.Linear(1, 1))
    for tensor in (torch.ones((1, 1), device="meta"), torch.eye(1).to_sparse()):
        with pytest.raises(TypeError, match="weight: expected a tensor that NumPy can read, got torch.float32"):
            from_state_dict(nn.Dense(1, 1), {"weight": tensor})
    with pytest.raises(TypeError, match="'', Subsample2D.*has no counterpart in PyTorch"):
        to_state_dict(nn.Subsample2D(2))
    with pytest.raises(ValueError, match="names: there is no layer 'head', only "):
        from_state_dict(nn.Dense(1, 1), {"weight": np.ones((1, 1))}, names={"head": ""})
    with pytest.raises(ValueError, match="'' has no bias, but Dense"):
        to_state_dict(nn.Dense(2, 2), like=T.Linear(2, 2, bias=False).state_dict())


class Evil:
    def __reduce__(self):
        return eval, ("1 / 0",)


def test_files_that_are_none(tmp_path):
    torch.save({"weight": Evil()}, tmp_path / "evil.pt")
    (tmp_path / "m.pt").write_bytes(b"no file of PyTorch")
    (tmp_path / "m.safetensors").write_bytes(b"no such file")
    torch.save([1], tmp_path / "list.pt")
    for name, message in (
        ("evil.pt", "evil.pt holds no state dict that torch reads without running code"),
        ("m.pt", r"m.pt holds no state dict .*: write one by torch.save\(net.state_dict\(\), path\)"),
        ("m.safetensors", "not a readable safetensors file"),
        ("list.pt", "holds a list: expected a state dict"),
    ):
        with pytest.raises(ValueError, match=message):
            from_state_dict(nn.Dense(1, 1), tmp_path / name)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        from_state_dict(nn.Dense(1, 1), tmp_path / "none.pt")
    torch.save(T.Linear(1, 1).state_dict(), tmp_path / "net.pt")
    with pytest.raises(ValueError, match=r"net.pt is not .*from_state_dict.*reads files saved by PyTorch"):
        nn.load(nn.Dense(1, 1), tmp_path / "net.pt")
    save_file(T.Sequential(T.Linear(1, 1)).state_dict(), tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=r"0.weight is not in the model.*xpnn.interop.torch.from_state_dict"):
        nn.load(nn.Sequential(nn.Dense(1, 1)), tmp_path / "net.safetensors")


def test_the_page():
    """docs/torch.md: its code runs, and its table names these networks."""
    page = (Path(__file__).parents[2] / "docs" / "torch.md").read_text("utf-8")
    exec(page.split("```python\n")[1].split("```")[0], {})
    assert [line.split(" | ")[0][2:] for line in page.splitlines()][-len(CASES) :] == list(CASES)
