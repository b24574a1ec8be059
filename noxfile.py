"""What must hold before anything lands, in sessions.

``nox`` runs them all, ``nox -s plain -- tests/layers`` one of them on some of the tests, and ``nox -R -s plain`` in the
environment as it is, without an installation.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nox

nox.needs_version = ">=2026"  # for `requires`
nox.options.default_venv_backend = "uv"  # pip takes five times as long

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)  # by the classifiers
SELECTION = *(f"tests/{room}" for room in ("layers", "models", "training", "data")), "tests/cli/test_commands.py"
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "XPNN_REQUIRE_PEERS": "1"}


def of(environment: str, command: str) -> str:
    """A command of the environment that the session of this name makes; several sessions share it."""
    return str(ROOT / ".nox" / environment / ("Scripts" if os.name == "nt" else "bin") / command)


def pytest(session: nox.Session, *tests: str, environment: str = "tools", **variables: str) -> None:
    """The tests that the command line names, or these."""
    session.run(of(environment, "pytest"), "-q", "-n", "auto", *(session.posargs or tests), env=ENVIRONMENT | variables)


@contextmanager
def archive(session: nox.Session) -> Iterator[Path]:
    """Inside of the unpacked source archive, with no checkout around it; gives the archive."""
    with tempfile.TemporaryDirectory() as folder:
        build = of("tools", "python"), "-m", "build", "--sdist", "--outdir", folder
        session.run(*build, silent=True, external=True)
        (packed,) = Path(folder).iterdir()
        shutil.unpack_archive(packed, folder, filter="data")
        with session.chdir(packed.with_suffix("").with_suffix("")):
            yield packed


def lowest_versions() -> list[str]:
    """What pyproject.toml declares for use without a GPU, at the lowest version that it names."""
    extras = PROJECT["project"]["optional-dependencies"]
    (every,) = extras["all"]
    names = every.partition("[")[2].rstrip("]").split(",")
    declared = PROJECT["project"]["dependencies"] + [line for name in names for line in extras[name]]
    return [re.sub(">=", "==", line) for line in declared]


def selection(session: nox.Session, *requirements: str) -> None:
    """A selection of the source archive's tests, with the package as it installs from there."""
    with archive(session):
        session.install(".[test]", *requirements)
        session.run("pytest", "-q", "-n", "auto", *(session.posargs or SELECTION), env=ENVIRONMENT)


@nox.session(reuse_venv=True, default=False, venv_params=["--seed"])
def tools(session: nox.Session) -> None:
    """An environment for the checkout, with all that the sessions below use."""
    session.run("pip", "install", "-q", "torch==2.13.0")  # first, and this version: pip finds a build for CPUs
    session.install("-e", ".[dev,peers,docs]")


@nox.session(default=False, requires=["tools"])
def wheel(session: nox.Session) -> None:
    """An environment with the package from its source archive: alone, as it needs no more; then what tests it."""
    with archive(session) as packed:
        session.install(str(packed))
        session.run("python", "-c", "import xpnn; print(xpnn.describe())")
        session.install(f"{packed}[dev]")


@nox.session(venv_backend="none", requires=["tools"])
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    session.run(of("tools", "ruff"), "check", ".")
    session.run(of("tools", "ruff"), "format", "--check", ".")


@nox.session(venv_backend="none", requires=["tools"])
def docs(session: nox.Session) -> None:
    """The documents: links, scripts that they name, code."""
    pytest(session, "tests/test_documents.py")


@nox.session(venv_backend="none", requires=["tools"])
def site(session: nox.Session) -> None:
    """The site in both languages, into the folder site, with warnings as errors; then Chromium opens each page."""
    for builder, language, out in (("html", "en", "en"), ("gettext", "en", ".pot"), ("html", "zh_CN", "zh_CN")):
        kind = "-b", builder, "-t", builder, "-D", f"language={language}", "-d", f"site/.{builder}-{language}"
        build = of("tools", "sphinx-build"), "-W", "--keep-going", "-q", *kind, "docs", f"site/{out}"
        session.run(*build, env=ENVIRONMENT, external=True)
    pytest(session, "tests/website", "--dist", "loadfile", XPNN_SITE=str(ROOT / "site"))


@nox.session(venv_backend="none", requires=["wheel"])
def types(session: nox.Session) -> None:
    """Mypy, on the package as it installs."""
    session.run(of("wheel", "mypy"), "-p", "xpnn")


@nox.session(venv_backend="none", requires=["wheel"])
def tests(session: nox.Session) -> None:
    """The source archive's suite on NumPy, with the package as it installs from there."""
    with archive(session):
        others = "--ignore=tests/peers", "--ignore=tests/test_documents.py"  # those have sessions of their own
        pytest(session, "tests", *others, environment="wheel")


@nox.session(python=PYTHONS[0], requires=["tools"])
def lowest(session: nox.Session) -> None:
    """The lowest versions that pyproject.toml names, on the lowest Python."""
    selection(session, *lowest_versions())


@nox.session(python=PYTHONS, default=False, requires=["tools"])
def pythons(session: nox.Session) -> None:
    """The newest versions, on each Python that the classifiers name."""
    selection(session)


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
