"""The choice of the backend, and the border between host and device."""

import os
import subprocess
import sys

import numpy as np
import pytest
from border import dev, host

import xpnn as nn
from xpnn.backend import add_product, check, in_parallel, part, parts, tiles


def run_python(code: str, *, arguments: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess:
    """A fresh interpreter without the test run's own backend; CuPy is hidden unless PYTHONPATH says otherwise."""
    env = {key: value for key, value in os.environ.items() if key not in ("NN_BACKEND", "PYTHONPATH")}
    command = [sys.executable, *arguments] if arguments else [sys.executable, "-c", code]
    return subprocess.run(command, env=env | environment, capture_output=True, text=True, timeout=120)


HIDE_CUPY = "import sys; sys.modules['cupy'] = None\n"


def test_numpy_is_the_default():
    assert run_python("import xpnn; print(xpnn.xp.__name__)").stdout == "numpy\n"


def test_auto_falls_back_to_numpy():
    done = run_python(HIDE_CUPY + "import xpnn; print(xpnn.xp.__name__)", NN_BACKEND="auto")
    assert done.stdout == "numpy\n"


def test_unknown_backend_names_the_choices():
    done = run_python("import xpnn", NN_BACKEND="torch")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "BackendError: NN_BACKEND='torch' is unknown: set it to one of numpy, cupy, auto"
    )


def test_missing_cupy_names_the_line_that_installs_it():
    done = run_python(HIDE_CUPY + "import xpnn", NN_BACKEND="cupy")
    assert done.returncode == 1
    assert "BackendError" in done.stderr
    assert 'pip install ".[cuda13]"' in done.stderr


def test_missing_device_says_so():
    fake = (
        "import sys, types\n"
        "cupy = types.ModuleType('cupy'); cupy.__version__ = '14.0'\n"
        "def count(): raise RuntimeError('cudaErrorNoDevice')\n"
        "cupy.cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=count))\n"
        "sys.modules['cupy'] = cupy\n"
    )
    done = run_python(fake + "import xpnn", NN_BACKEND="cupy")
    assert "no CUDA device answers (cudaErrorNoDevice)" in done.stderr.splitlines()[-1]
    assert run_python(fake + "import xpnn; print(xpnn.xp.__name__)", NN_BACKEND="auto").stdout == "numpy\n"


def test_command_line_tells_an_unknown_backend_in_one_line():
    done = run_python("", arguments=("-m", "xpnn", "info"), NN_BACKEND="torch")
    assert done.returncode == 2
    assert done.stderr == "xpnn: error: NN_BACKEND='torch' is unknown: set it to one of numpy, cupy, auto\n"


def test_import_costs_little_more_than_numpys():
    """By what is loaded, not by the clock: none of the heavier packages comes with the import."""
    heavy = ("tqdm", "safetensors", "matplotlib", "sklearn", "PIL", "pooch")
    code = f"import sys, xpnn; print([m for m in {heavy} if m in sys.modules])"
    assert run_python(code).stdout == "[]\n"


def test_asarray_makes_float32_and_keeps_integers():
    assert nn.asarray([1.5, 2]).dtype == "float32"
    assert nn.asarray(np.arange(3)).dtype == np.arange(3).dtype
    assert nn.asarray([1.5], "float64").dtype == "float64"
    assert isinstance(nn.asarray([1]), nn.xp.ndarray)


@pytest.mark.parametrize("data", [["a"], [None], [1j]])
def test_asarray_refuses_what_is_no_number(data):
    with pytest.raises(TypeError, match="expected numbers"):
        nn.asarray(data)


def test_to_numpy_brings_the_values_back():
    data = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(nn.to_numpy(nn.asarray(data)), data)
    assert type(nn.to_numpy(nn.asarray(data))) is np.ndarray


def test_a_failed_check_is_raised_at_the_next_synchronisation_at_the_latest():
    with pytest.raises(ValueError, match="no good"):  # noqa: PT012
        check(nn.xp.asarray(False), "no good")
        nn.synchronize()
    check(nn.xp.asarray(True), "fine")
    nn.synchronize()


def test_describe_is_one_line_with_the_backends_name():
    assert nn.describe().startswith(nn.xp.__name__)
    assert "\n" not in nn.describe()


@pytest.mark.parametrize("workspace", [1, 4000, 1 << 40])
def test_tiles_cover_every_position_once_within_the_workspace(workspace, monkeypatch):
    module = sys.modules["xpnn.backend.im2col"]
    monkeypatch.setattr(module, "WORKSPACE_BYTES", workspace)
    monkeypatch.setattr(module, "_STRETCH", (4, 16))
    seen = np.zeros((17, 5, 6), int)
    for tile in tiles(seen.shape, line_bytes=20, kernel=2, stride=2, dilation=2):
        seen[tile] += 1
        rows, cols, samples = seen[tile].shape
        assert 40 * (2 * (rows - 1) + 5) * cols * samples <= workspace or rows == cols == samples == 1
    assert (seen == 1).all()


@pytest.mark.parametrize("samples", [1, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_add_product_adds_the_product(samples, dtype, rng):
    a, b, c = (rng.standard_normal(shape).astype(dtype) for shape in ((200, samples), (samples, 150), (200, 150)))
    for left in a, np.asfortranarray(a), np.stack([a, a], 2)[..., 0], a[::-1]:
        for right in b, np.asfortranarray(b), np.repeat(b, 2, 1)[:, ::2]:
            out = dev(c.copy())
            add_product(out, dev(left), dev(right))
            np.testing.assert_allclose(
                host(out), c + left @ right, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-6
            )


def test_add_product_takes_a_field_of_packed_records():
    """Its rows lie at a distance that is no multiple of a number's size."""
    records = np.zeros(5, dtype=[("label", "u1"), ("x", "f4", 150)])
    records["x"] = np.arange(750).reshape(5, 150)
    out = dev(np.zeros((200, 150)), "float32")
    add_product(out, dev(np.ones((200, 5)), "float32"), nn.asarray(records["x"]))
    np.testing.assert_array_equal(host(out), np.ones((200, 5)) @ records["x"])


def test_parts_of_a_batch_are_the_whole_and_their_results_in_order(monkeypatch):
    threads = sys.modules["xpnn.backend.threads"]
    monkeypatch.setattr(threads, "blas_threads", lambda: 3)
    monkeypatch.setattr(threads, "on_device", False)  # there nothing is divided
    assert parts(100, threads._LEAST - 1) == [slice(0, 100)]
    assert parts(100, threads._LEAST) == [slice(0, 33), slice(33, 66), slice(66, 100)]
    assert parts(2, threads._LEAST) == [slice(0, 1), slice(1, 2)]
    assert len(parts(100, 3 * threads._MOST)) == 3
    assert len(parts(100, 3 * threads._MOST + 1)) == 6

    def task(n):
        return lambda: (n, part(), parts(100, threads._LEAST))

    for names in "ab", "abc", "abcdefgh":  # fewer tasks than threads, as many, and more
        assert in_parallel([task(n) for n in names]) == [(n, i % 3, [slice(0, 100)]) for i, n in enumerate(names)]
    assert part() == 0


def test_an_error_in_a_part_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        in_parallel([lambda: 1, lambda: 1 // 0])
    assert in_parallel([lambda: 1, lambda: 2]) == [1, 2]
