"""CuPy's real interface, checked without a GPU: what the package calls exists there and accepts these arguments.

`import cupy` works without a driver, and its functions, ufuncs and methods tell their signatures. Three interpreters
take part, since a process holds one module of the name ``cupy``: one runs the package on NumPy with every ``xp`` call
recorded, one runs it on the stand-in with every array method recorded, and one describes the real CuPy, or compiles the
package's kernels with it. This file is also their program: ``python test_cupy_interface.py PART``.
"""

import ast
import importlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache, reduce
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from xpnn.backend.cuda import kernels

STAND_IN = Path(__file__).parents[1] / "stand_in"
PACKAGE = Path(importlib.util.find_spec("xpnn").origin).parent
ROOMS = ("backend", "checks", "cli", "explore", "interop", "layers", "models", "plots", "training")
NAMES_OF_THE_MODULE = ("xp", "_xp", "cupy")

Call = tuple[str, int, list[str]]  # a dotted name, the number of positional arguments, the keywords


# -- what the package's source says


def source_files() -> list[Path]:
    """Those of the rooms, and of the rooms within them, but for the forms that know NumPy alone."""
    paths = [path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))]
    return [path for path in paths if path.parent != PACKAGE / "backend" / "cpu"]


def dotted(node: ast.AST) -> str | None:
    """``xp.lib.stride_tricks.as_strided`` -> ``lib.stride_tricks.as_strided``; None for what does not start at xp."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed(parts)) if isinstance(node, ast.Name) and node.id in NAMES_OF_THE_MODULE else None


def names_in_source() -> list[str]:
    nodes = (node for path in source_files() for node in ast.walk(ast.parse(path.read_text())))
    return sorted({name for node in nodes if (name := dotted(node))})


@cache
def calls_in_source() -> dict[str, Call]:
    """Each call by its place; one with ``*args`` or ``**kwargs`` counts for its other arguments."""
    calls = {}
    for path in source_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (name := dotted(node.func)):
                positional = sum(not isinstance(arg, ast.Starred) for arg in node.args)
                keywords = [keyword.arg for keyword in node.keywords if keyword.arg]
                place = f"{path.relative_to(PACKAGE)}:{node.lineno}:{node.col_offset}"
                calls[f"{place} xp.{name}"] = (name, positional, keywords)
    return calls


# -- the program of the three interpreters


def work() -> None:
    """Every layer, loss and optimiser, forward and backward, and what a user does with a model."""
    import tempfile

    import xpnn as nn
    from xpnn.checks.cases import layer_cases

    rng = np.random.default_rng(0)

    def floats(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    def fit(model: nn.Layer, x: np.ndarray, y: np.ndarray, **options: Any) -> None:
        nn.fit(model, x, y, epochs=1, batch_size=2, validation=(x, y), max_norm=1.0, verbose=False, **options)

    images, labels = floats(4, 2, 6, 6), rng.integers(0, 3, 4)
    leaky = (nn.LeakyReLU(), nn.LeakyReLU(2.0))
    activations = (nn.Sigmoid(), nn.Tanh(), nn.ScaledTanh(), *leaky, nn.Softmax(), nn.Dropout(0.5, rng=0))
    body = nn.Sequential(nn.BatchNorm2D(4), nn.Conv2D(4, 4, 3, padding=1, groups=2, rng=0))
    pools = (nn.MaxPool2D(3, 1, 1), nn.AvgPool2D(2, 1), nn.GlobalAvgPool2D(), nn.BatchNorm1D(4))
    convolution = nn.Conv2D(2, 4, 3, dilation=2, padding=2, rng=0)
    same = nn.Conv2D(4, 4, 2, padding="same", rng=0)
    fit(
        nn.Sequential(convolution, same, nn.Residual(body), *pools, *activations, nn.Dense(4, 3, rng=0)), images, labels
    )
    for layer, x, options in layer_cases(0):
        nn.gradcheck(layer, x, max_elements=0, directions=1, **options)
    momentum, both = nn.SGD(momentum=0.9, nesterov=True, weight_decay=0.1), {"momentum": 0.9, "centered": True}
    for optimizer in (momentum, nn.Adam(weight_decay=0.1), nn.AdamW(), nn.RMSprop(weight_decay=0.1, **both)):
        fit(nn.MLP((5, 4, 2), rng=0), floats(4, 5), floats(4, 2), optimizer=optimizer)
    for loss in (nn.SoftmaxCrossEntropy(), nn.RBFLoss()):
        fit(nn.LeNet5(variant="1998", num_classes=3, rng=0), floats(4, 1, 28, 28), labels, loss=loss)
    fit(nn.LeNet5(num_classes=3, rng=0), floats(4, 1, 28, 28), labels)
    fit(nn.RNNClassifier(5, 4, 3, rng=0), floats(4, 6, 5), labels)
    for layer in (nn.RNN(5, 4, True, rng=0), nn.LSTM(5, 4, rng=0), nn.GRU(5, 4, rng=0)):
        for lengths in (None, [2, 6, 1]):
            y, state, backward = layer.forward_from(nn.asarray(floats(3, 6, 5)), None, lengths=lengths)
            backward(y, state)
    symbols = rng.integers(0, 3, (4, 5))
    text = nn.CharRNN("ab\n", 4, 3, rng=0)
    fit(text, symbols, symbols)
    list(text.sample(3, "a", rng=0))
    model = nn.MLP((5, 4, 2), rng=0)
    nn.predict(model, floats(4, 5))
    model.summary()
    nn.synchronize()
    nn.gradcheck(nn.MLP((5, 4, 2), activation=nn.Tanh(), rng=0, dtype="float64"), floats(3, 5).astype("float64"))
    with tempfile.TemporaryDirectory() as folder:
        nn.save(model, f"{folder}/model.safetensors")
        nn.load(model, f"{folder}/model.safetensors")


class Recorder(ModuleType):
    """NumPy, or a module in it, that notes each call with its arguments' number and names."""

    def __init__(self, module: Any, calls: set[str], prefix: str = "") -> None:
        super().__init__(module.__name__)
        self._module, self._calls, self._prefix = module, calls, prefix

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        if isinstance(value, ModuleType):
            return Recorder(value, self._calls, f"{self._prefix}{name}.")
        if isinstance(value, type) or not callable(value):
            return value
        return recording(value, f"{self._prefix}{name}", self._calls)


def recording(function: Callable[..., Any], name: str, calls: set[str], bound: int = 0) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        calls.add(json.dumps([name, len(args) - bound, sorted(kwargs)]))
        return function(*args, **kwargs)

    return call


def record_functions() -> list[Call]:
    """Run the work on NumPy, with a recorder in the place of every ``xp``."""
    import xpnn

    calls: set[str] = set()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "xpnn" and getattr(module, "xp", None) is np:
            module.xp = Recorder(np, calls)
    assert xpnn.xp is not np
    work()
    return [json.loads(call) for call in sorted(calls)]


def record_methods() -> dict[str, Any]:
    """Run the work on the stand-in, with its array's methods recorded; and describe the stand-in itself."""
    import cupy

    calls: set[str] = set()
    offered = [name for name in cupy.__all__ if name != "stand_in" and not inspect.ismodule(getattr(cupy, name))]
    offered += ["linalg.norm", "lib.stride_tricks.as_strided", "lib.stride_tricks.sliding_window_view", *OF_CUDA]
    methods = [name for name, value in vars(cupy.ndarray).items() if inspect.isfunction(value) and name[0] != "_"]
    interface = {name: described(lookup(cupy, name)) for name in offered}
    interface |= {f"ndarray.{name}": described(getattr(cupy.ndarray, name), methods=True) for name in methods}
    observed = observations(cupy, cupy.empty((3, 4), dtype="float32"))
    for name in methods:
        setattr(cupy.ndarray, name, recording(getattr(cupy.ndarray, name), f"ndarray.{name}", calls, bound=1))
    work()
    return {"calls": [json.loads(call) for call in sorted(calls)], "interface": interface, "observed": observed}


def describe_cupy(names: list[str]) -> dict[str, Any]:
    """The real CuPy's version and what it has under these names; and how an array of it behaves at the border."""
    import cupy

    memory = cupy.cuda.UnownedMemory(1 << 12, 1 << 12, None, device_id=0)  # an address that nobody touches
    array = cupy.ndarray((3, 4), dtype="float32", memptr=cupy.cuda.MemoryPointer(memory, 0))
    return {
        "version": cupy.__version__,
        "interface": {name: described(lookup(cupy, name), name.startswith("ndarray.")) for name in names},
        "observed": observations(cupy, array),
    }


def lookup(root: Any, name: str) -> Any:
    return reduce(lambda value, part: getattr(value, part, None), name.split("."), root)


def described(value: Any, methods: bool = False) -> Any:
    """None for what is missing; else [name, kind, default] of each parameter, or "?" if no signature can be had."""
    if value is None:
        return None
    try:
        # of classes only those of streams and memory are made by the package; the others may differ
        signature = None if isinstance(value, type) and value.__name__ not in MADE else inspect.signature(value)
    except (ValueError, TypeError):
        signature = None
    signature = signature or from_docstring(value.__doc__ or "")
    if not callable(value) or signature is None:
        return "?"
    parameters = list(signature.parameters.values())[1 if methods else 0 :]
    defaults = [None if p.default is p.empty else repr(p.default) for p in parameters]
    return [[p.name, p.kind.name, default] for p, default in zip(parameters, defaults, strict=True)]


def from_docstring(doc: str) -> inspect.Signature | None:
    """As Cython and CuPy's ufuncs write it in the first line: ``_ndarray_base.sort(self, int axis=-1, kind=None)``."""
    found = re.match(r"[\w.]+(\(.*\))", doc.partition("\n")[0].replace("\\", ""))
    if not found:
        return None
    untyped = re.sub(r"([(,] *)[_a-zA-Z]+ (?=[a-zA-Z])", r"\1", found[1])
    scope: dict[str, Any] = {}
    try:
        exec(f"def f{untyped}: ...", scope)
    except SyntaxError:
        return None
    return inspect.signature(scope["f"])


ARCHITECTURES = ("75", "80", "90", "100", "120")


KERNEL = re.compile(r"__global__ void (?:__launch_bounds__\(\d+\) )?(\w+)\(")


def compile_kernels(source: str, architectures: Sequence[str]) -> list[tuple[str, str, list[str], str]]:
    """For each architecture and type the kernels found in the machine code, and what the compiler had to say.

    By CuPy's NVRTC, with the options of its RawModule, which itself asks for a device's architecture first.
    """
    from cupy.cuda import compiler

    names, compiled = KERNEL.findall(source), []
    for architecture in architectures:
        for real, index in (("float", "int"), ("double", "long long")):
            options = (f"-DREAL={real}", f"-DINDEX={index}", "-std=c++17", "-ftz=true", f"-arch=sm_{architecture}")
            program, log = compiler._NVRTCProgram(source, "kernels.cu", method="cubin"), io.StringIO()
            try:
                code, _ = program.compile((*options, "--device-as-default-execution-space"), log)
            except compiler.CompileException as error:
                compiled.append((architecture, real, [], str(error)))
            else:
                found = [name for name in names if f".text.{name}\0".encode() in code]
                compiled.append((architecture, real, found, log.getvalue()))
    return compiled


MADE = ("Stream", "Event", "RawModule")
OF_CUDA = [
    "cuda.Stream", "cuda.Stream.synchronize", "cuda.Stream.record", "cuda.Stream.wait_event", "cuda.Stream.__enter__",
    "cuda.Stream.use", "cuda.Stream.begin_capture", "cuda.Stream.end_capture", "cuda.Stream.is_capturing", "cuda.Event",
    "cuda.Event.record", "cuda.Event.synchronize", "cuda.Graph.launch", "cuda.Graph.upload", "cuda.MemoryPool.malloc",
    "cuda.MemoryPool.used_bytes", "cuda.MemoryPool.total_bytes", "cuda.MemoryPool.free_bytes",
    "cuda.MemoryPool.free_all_blocks", "cuda.MemoryPool.set_limit", "cuda.alloc_pinned_memory",
    "cuda.using_allocator", "cuda.get_current_stream", "RawModule.get_function", "RawKernel.__call__",
]  # fmt: skip
"""Streams, graphs, memory and kernels, as far as the stand-in has them."""

VIEWS = [
    "a", "a[0]", "a[0, 0]", "a[1:, ::2]", "a[None]", "a[...]", "a[::-1]", "a.T", "a.transpose(1, 0)",
    "a.reshape(4, 3)", "a.reshape(-1)", "a.reshape((2, 6))", "a[:, :2].reshape(3, 1, 2)", "a.ravel()",
    "a.swapaxes(0, 1)", "a.squeeze()", "a[None].squeeze()", "a.view()", "a.view('int32')", "a.view('uint8')",
    "a.diagonal()", "a.T[1:].T", "a[0][1:].reshape(1, 3)", "xp.transpose(a)", "xp.expand_dims(a, 0)",
    "xp.moveaxis(a, 0, 1)", "xp.broadcast_to(a, (2, 3, 4))", "xp.split(a, 3)[1]", "xp.ascontiguousarray(a)",
    "xp.ascontiguousarray(a[0, 0])", "a.mT", "a[None].mT", "a[:, 1].reshape(-1)",
    "a.astype('float32', copy=False)", "xp.reshape(a, (12,))", "xp.lib.stride_tricks.as_strided(a, (2, 2), (4, 4))",
    "xp.lib.stride_tricks.as_strided(a[1:], (2,), (4,))[1:]",
]  # fmt: skip
"""Results with the array's memory: shape, strides and the array at the root must be alike."""

REFUSED = [
    "np.asarray(a)", "np.array([a])", "a @ np.zeros((4, 3))", "np.zeros((2, 3)) @ a", "a.dot(np.zeros((4, 3)))",
    "xp.matmul(a, np.zeros((4, 3)))", "xp.stack([a, np.zeros((3, 4))])", "range(a[0, 0])", "[0][a[0, 0]]", "hash(a)",
    "len(a[0, 0])", "iter(a[0, 0])", "a[3]", "a[-4]", "a[0, 0, 0]", "a.nothing", "setattr(a, 'nothing', 0)",
    "xp.nothing", "xp.errstate()", "a.sum(where=True)", "xp.sum(a, where=True)", "xp.max(a, initial=0)",
    "xp.clip(a, min=0)", "a.astype('float32', device=None)", "xp.take_along_axis(a, a)", "a.item(0)",
    "xp.lib.stride_tricks.as_strided(a, (2,), (4,), writeable=False)", "xp.maximum.reduce(a)", "a.reshape(5, 5)",
    "xp.empty(3, '>i4')", "xp.zeros(3, 'longdouble')", "xp.empty(3, object)", "a.astype('>f4')",
    "a.__imatmul__", "a.__index__", "a.__array_interface__",
]  # fmt: skip
"""What must raise the same exception, or the same that has been reached without a device."""


def observations(xp: Any, a: Any) -> dict[str, Any]:
    """What each expression gives: of a view its shape, its strides (of axes longer than 1, the others move nothing) and
    whether ``a`` is at its root; else the exception."""
    seen: dict[str, Any] = {}
    for expression in VIEWS + REFUSED:
        try:
            result = eval(expression, {"xp": xp, "np": np, "a": a})
        except Exception as error:
            seen[expression] = type(error).__name__
        else:
            root = result if result.base is None else result.base
            strides = [stride for stride, length in zip(result.strides, result.shape, strict=True) if length > 1]
            seen[expression] = [list(result.shape), strides, root is a]
    return seen


# -- the tests


def is_stand_in(path: str) -> bool:
    return Path(path).resolve() == STAND_IN.resolve()


def run(part: str, data: Any = None, *, stand_in: bool = False, plain: bool = False) -> Any:
    """One of the three interpreters: JSON in, JSON out."""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and not is_stand_in(path)]
    paths[:0] = [str(STAND_IN)] if stand_in else []
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "NN_BACKEND": "cupy" if stand_in else "numpy"}
    env["NN_PLAIN"] = str(int(plain))
    command = [sys.executable, __file__, part]
    done = subprocess.run(command, env=env, input=json.dumps(data), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


OF_CUDA_OBJECTS = [
    "cuda.Device.mem_info", "cuda.Device.id", "cuda.Device.compute_capability", "cuda.Stream.synchronize",
    "cuda.Stream.record", "cuda.Stream.wait_event", "cuda.Stream.begin_capture", "cuda.Stream.end_capture",
    "cuda.Event.synchronize", "cuda.Event.done", "cuda.Device.use", "cuda.Device.pci_bus_id",
    "cuda.Graph.launch", "cuda.MemoryPool.malloc", "cuda.MemoryPool.total_bytes", "cuda.MemoryPointer.ptr",
    "ndarray.data", "ndarray.get", "ndarray.set", "ndarray.fill", "ndarray.mT",
    "cuda.runtime.CUDARuntimeError", "cuda.memory.OutOfMemoryError", "cuda.compiler.CompileException",
]  # fmt: skip
"""What the backend asks of objects that it got by a call, which the source does not name after ``xp``."""


@pytest.fixture(scope="module")
def recorded() -> list[Call]:
    """Of the forms for NumPy, and of the equations alone."""
    return run("record-functions") + run("record-functions", plain=True)


@pytest.fixture(scope="module")
def stand_in() -> dict[str, Any]:
    return run("record-methods", stand_in=True)


@pytest.fixture(scope="module")
def cupy(recorded: list[Call], stand_in: dict[str, Any]) -> dict[str, Any]:
    """The real one; where only the stand-in can be found, CuPy is a missing peer like any other."""
    elsewhere = [path for path in sys.path if not is_stand_in(path)]
    if PathFinder.find_spec("cupy", elsewhere) is None and os.environ.get("XPNN_REQUIRE_PEERS", "0") in ("", "0"):
        pytest.skip("CuPy is not installed")
    calls = recorded + stand_in["calls"]
    names = {*names_in_source(), *(name for name, _, _ in calls), *stand_in["interface"], *OF_CUDA_OBJECTS, "block"}
    return run("describe-cupy", sorted(names))


def refusal(interface: dict[str, Any], call: Call) -> str | None:
    """Why CuPy would not accept the call; None if it would."""
    name, positional, keywords = call
    parameters = interface[name]
    if parameters is None:
        return f"CuPy has no {name}"
    if parameters == "?":
        return f"CuPy does not tell the signature of {name}"
    empty = inspect.Parameter.empty
    signature = inspect.Signature(
        [
            inspect.Parameter(parameter, inspect._ParameterKind[kind], default=empty if default is None else default)
            for parameter, kind, default in parameters
        ]
    )
    try:
        signature.bind(*[None] * positional, **dict.fromkeys(keywords))
    except TypeError as error:
        return f"{name} with {positional} arguments and {keywords}: {error}"
    return None


def test_imports_without_a_driver(cupy):
    assert int(cupy["version"].partition(".")[0]) >= 14


@pytest.mark.parametrize("name", names_in_source())
def test_name_exists(cupy, name):
    assert cupy["interface"][name] is not None


@pytest.mark.parametrize("place", calls_in_source())
def test_call_is_accepted(cupy, place):
    assert refusal(cupy["interface"], calls_in_source()[place]) is None


def test_recorded_calls_of_functions_are_accepted(cupy, recorded):
    assert [reason for call in recorded if (reason := refusal(cupy["interface"], call))] == []


def test_recorded_calls_of_methods_are_accepted(cupy, stand_in):
    assert len(stand_in["calls"]) > 20
    assert [reason for call in stand_in["calls"] if (reason := refusal(cupy["interface"], call))] == []


def test_the_recorded_work_reaches_every_function_that_the_package_calls(recorded):
    """But those of the ONNX interchange, which has tests of its own, and those that run on a device alone."""
    called = {call[0] for place, call in calls_in_source().items() if not place.startswith("interop")}
    device_alone = {name for name in called if name.startswith("cuda.")} | {"asnumpy"}
    backend_alone = {call[0] for place, call in calls_in_source().items() if place.startswith("backend")}
    assert called - device_alone - backend_alone - {name for name, _, _ in recorded} == set()


@pytest.mark.parametrize("name", OF_CUDA_OBJECTS)
def test_what_the_backend_asks_of_cudas_objects_exists(cupy, name):
    assert cupy["interface"][name] is not None


def test_stand_in_offers_what_cupy_has_under_the_same_signatures(cupy, stand_in):
    differing = {
        name: (signature, cupy["interface"][name])
        for name, signature in stand_in["interface"].items()
        if signature != cupy["interface"][name]
    }
    assert differing == {}


@pytest.fixture(scope="module")
def nvrtc() -> Callable[..., Any]:
    """NVIDIA's compiler, which needs no GPU either; it comes with nvidia-cuda-nvrtc, or with a CUDA toolkit."""
    missing = importlib.util.find_spec("nvidia") is None
    if missing and os.environ.get("XPNN_REQUIRE_PEERS", "0") in ("", "0"):
        pytest.skip("NVRTC is not installed")
    return lambda source, architectures: run("compile-kernels", [source, architectures])


def test_kernels_compile_for_every_architecture(nvrtc):
    source = kernels.source()
    names = KERNEL.findall(source)
    assert len(names) > 15
    wanted = [[architecture, real, names, ""] for architecture in ARCHITECTURES for real in ("float", "double")]
    assert nvrtc(source, ARCHITECTURES) == wanted


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("quotient(i, length)", "quotien(i, length)", 'identifier "quotien" is undefined'),
        ("REAL largest = 0;", "REAL largest = 0; int idle;", '"idle" was declared but never referenced'),
        ('extern "C" __global__ void adam', "__global__ void adam", ""),
    ],
)
def test_the_compiler_tells_what_is_wrong(nvrtc, right, wrong, told):
    source = kernels.source()
    assert source.count(right) == 1
    for _, _, found, log in nvrtc(source.replace(right, wrong), ARCHITECTURES[:1]):
        assert told in log
        assert "adam" not in found or told


@pytest.mark.parametrize("expression", VIEWS)
def test_stand_ins_views_are_cupys(cupy, stand_in, expression):
    assert isinstance(stand_in["observed"][expression], list)
    assert stand_in["observed"][expression] == cupy["observed"][expression]


@pytest.mark.parametrize("expression", REFUSED)
def test_stand_in_refuses_as_cupy_does(cupy, stand_in, expression):
    assert isinstance(cupy["observed"][expression], str)
    assert stand_in["observed"][expression] == cupy["observed"][expression]


@pytest.mark.parametrize(
    ("name", "positional", "keywords"),
    [
        ("block", 1, []),
        ("exp", 1, ["where"]),
        ("exp", 3, []),
        ("clip", 1, ["min"]),
        ("sum", 1, ["initial"]),
        ("lib.stride_tricks.as_strided", 3, ["writeable"]),
        ("ndarray.sum", 0, ["where"]),
    ],
)
def test_the_check_refuses_what_cupy_refuses(cupy, name, positional, keywords):
    assert refusal(cupy["interface"], (name, positional, keywords)) is not None


def parts() -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "record-functions", record_functions
    yield "record-methods", record_methods
    yield "describe-cupy", lambda: describe_cupy(json.load(sys.stdin))
    yield "compile-kernels", lambda: compile_kernels(*json.load(sys.stdin))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(dict(parts())[sys.argv[1]]()))
