"""What must hold before anything lands, in sessions.

``nox`` runs them all, ``nox -s plain -- tests/layers`` one of them on some of the tests, and ``nox -R -s plain`` in the
environment as it is, without an installation.
"""

import os
import shutil
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2026"  # for `requires`
nox.options.default_venv_backend = "venv"

ROOT = Path(__file__).parent
BESIDE = "tests", "examples", "benchmarks", "docs"  # what the suite reads, and README.md
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "XPNN_REQUIRE_PEERS": "1"}


def of(environment: str, command: str) -> str:
    """A command of the environment that the session of this name makes; several sessions share it."""
    return str(ROOT / ".nox" / environment / ("Scripts" if os.name == "nt" else "bin") / command)


def pytest(session: nox.Session, *tests: str, environment: str = "tools", **variables: str) -> None:
    """The tests that the command line names, or these."""
    session.run(of(environment, "pytest"), "-q", "-n", "2", *(session.posargs or tests), env=ENVIRONMENT | variables)


@nox.session(reuse_venv=True, default=False)
def tools(session: nox.Session) -> None:
    """An environment for the checkout, with all that the sessions below use."""
    session.install("torch==2.13.0")  # first, and this version: it has a build for CPUs
    session.install("-e", ".[dev,peers]")


@nox.session(default=False)
def wheel(session: nox.Session) -> None:
    """An environment with the package from its wheel: alone, to show that it needs no more; then what tests it."""
    shutil.rmtree("build", ignore_errors=True)  # setuptools packs what an earlier build has left there
    session.install(".")
    session.run("python", "-c", "import xpnn; print(xpnn.describe())")
    session.install(".[dev]")


@nox.session(venv_backend="none", requires=["tools"])
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    session.run(of("tools", "ruff"), "check", ".")
    session.run(of("tools", "ruff"), "format", "--check", ".")


@nox.session(venv_backend="none", requires=["tools"])
def docs(session: nox.Session) -> None:
    """The documents: links, scripts that they name, code."""
    pytest(session, "tests/test_documents.py")


@nox.session(venv_backend="none", requires=["wheel"])
def types(session: nox.Session) -> None:
    """Mypy, on the package as it installs."""
    session.run(of("wheel", "mypy"), "-p", "xpnn")


@nox.session(venv_backend="none", requires=["wheel"])
def tests(session: nox.Session) -> None:
    """The suite on NumPy, with the package as it installs and no checkout around it."""
    with tempfile.TemporaryDirectory() as folder:
        for name in BESIDE:
            shutil.copytree(name, Path(folder) / name)
        shutil.copy("README.md", folder)
        with session.chdir(folder):
            others = "--ignore=tests/peers", "--ignore=tests/test_documents.py"  # those have sessions of their own
            pytest(session, "tests", *others, environment="wheel")


@nox.session(venv_backend="none", requires=["tools"])
def plain(session: nox.Session) -> None:
    """What the suite asks of equations, and PyTorch to the bounds that hold with forms."""
    pytest(session, "tests", NN_PLAIN="1")


@nox.session(name="stand-in", venv_backend="none", requires=["tools"])
def stand_in(session: nox.Session) -> None:
    """What the suite asks of a device, with the stand-in for CuPy, which needs no GPU."""
    pytest(session, "tests", PYTHONPATH="tests/stand_in", NN_BACKEND="cupy")


@nox.session(venv_backend="none", requires=["tools"])
def peers(session: nox.Session) -> None:
    """What others wrote: PyTorch, ONNX and its runtime, scikit-learn's checks, CuPy's interface."""
    pytest(session, "tests/peers")
