"""The documents' tables of what passes name what the commands that write them would name; figures are theirs."""

import re
from pathlib import Path

import pytest
from peers import onnx_corpus, table_of_onnx, test_onnx_backend, test_onnx_roundtrip, test_onnx_sklearn
from peers.test_torch_state_dict import CASES

DOCS = Path(__file__).parents[2] / "docs"
TABLES = {
    "onnx.md: `python tests/peers/onnx_corpus.py`": onnx_corpus.networks(),
    "onnx.md: `python tests/peers/table_of_onnx.py out`": sorted({*map(table_of_onnx.kind, test_onnx_roundtrip.CASES)}),
    "onnx.md: `python tests/peers/table_of_onnx.py operators`": sorted(test_onnx_backend.CLAIMED),
    "sklearn.md: `python tests/peers/table_of_onnx.py sklearn`": test_onnx_sklearn.MODELS,
    "torch.md: `python tests/peers/table_of_torch.py`": CASES,
}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_the_rows_that_its_command_writes(table):
    name, _, command = table.partition(": ")
    text = (DOCS / name).read_text(encoding="utf-8")
    behind = text[text.index(command) :]
    rows = behind[behind.index("\n|") :].partition("\n\n")[0]
    assert re.findall(r"^\| (.*?) \|", rows, re.MULTILINE)[1:] == list(TABLES[table])
