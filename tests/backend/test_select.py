"""The choice of the backend, and the border between host and device."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import xpnn as nn
from xpnn.backend import check


def run_python(code: str, *, arguments: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess:
    """A fresh interpreter without the test run's own backend; CuPy is hidden unless PYTHONPATH says otherwise."""
    env = {key: value for key, value in os.environ.items() if key not in ("NN_BACKEND", "PYTHONPATH")}
    command = [sys.executable, *arguments] if arguments else [sys.executable, "-c", code]
    return subprocess.run(command, env=env | environment, capture_output=True, text=True, timeout=120)


HIDE_CUPY = "import sys; sys.modules['cupy'] = None\n"


def test_numpy_is_the_default():
    assert run_python("import xpnn; print(xpnn.xp.__name__)").stdout == "numpy\n"
    given = {"PYTHONPATH": str(Path(nn.__path__[0]).parent), "NN_BACKEND": ""}  # as $UNSET gives
    assert run_python("import xpnn; print(xpnn.xp.__name__)", **given).stdout == "numpy\n"


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


def test_each_process_of_a_host_has_a_device_of_its_own():
    paths = os.pathsep.join([str(Path(__file__).parents[1] / "stand_in"), str(Path(nn.__path__[0]).parent)])
    given = {"PYTHONPATH": paths, "NN_BACKEND": "cupy", "STAND_IN_DEVICES": "2", "SLURM_LOCALID": "3"}
    done = run_python("import xpnn, cupy; print(cupy.cuda.Device().id)", **given)
    assert done.stdout == "1\n", done.stderr


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
