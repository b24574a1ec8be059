"""What pyproject.toml and its companions declare holds of the package: folders, imports, versions."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

import xpnn as nn

ROOT = Path(__file__).parents[1]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = DECLARED["project"]
EXTRAS = PROJECT["optional-dependencies"]
FOR_DEVELOPMENT = {"fuzz", "all", "docs", "test", "peers", "bench", "dev"}
FILES = [ROOT / "__init__.py", ROOT / "__main__.py"]
FILES += [path for room in ROOT.glob("*/__init__.py") for path in room.parent.rglob("*.py")]
IMPORTED_AS = {"pillow": "PIL", "scikit-learn": "sklearn", "nccl4py": "nccl"}
IMPORTED_AS |= {"cupy-cuda12x": "cupy", "cupy-cuda13x": "cupy"}
"""Requirements whose module has another name."""

BROUGHT_ALONG = {"cuda", "google", "scipy", "werkzeug"}
"""Modules of what they require themselves: CuPy's toolkit, onnx's protobuf, scikit-learn's SciPy, Flask's server."""


def modules(requirements: list[str]) -> set[str]:
    names = [re.match(r"[\w-]+", line)[0] for line in requirements]
    return {IMPORTED_AS.get(name, name) for name in names}


def test_every_folder_of_the_package_is_installed():
    folders = {".".join(("xpnn", *path.parent.relative_to(ROOT).parts)) for path in FILES}
    assert sorted(DECLARED["tool"]["setuptools"]["packages"]) == sorted(folders)


def test_every_import_is_declared():
    imported = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.partition(".")[0])
    lines = PROJECT["dependencies"] + [line for name in EXTRAS.keys() - FOR_DEVELOPMENT for line in EXTRAS[name]]
    assert imported - set(sys.stdlib_module_names) - {"xpnn"} - BROUGHT_ALONG <= modules(lines)


APART = {"cuda12", "cuda13", "mpi", "nccl", "torch"}  # for GPUs and clusters, and gigabytes for PyTorch's own files


def test_all_has_every_extra_that_runs_without_a_gpu():
    (every,) = EXTRAS["all"]
    assert set(re.findall(r"\w+", every)) - {"xpnn"} == EXTRAS.keys() - FOR_DEVELOPMENT - APART


def test_the_lowest_python_is_the_first_classifier_s():
    versions = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if " :: 3." in line]
    assert PROJECT["requires-python"] == f">={versions[0]}"
    assert DECLARED["tool"]["ruff"]["target-version"] == "py" + versions[0].replace(".", "")


@pytest.mark.parametrize("file", ["CITATION.cff", "CHANGELOG.md"])
def test_the_version_is_the_same_everywhere(file):
    stated = re.search(r"^(?:version:|##) (\S+)", (ROOT / file).read_text("utf-8"), re.MULTILINE)
    assert stated[1] == nn.__version__
