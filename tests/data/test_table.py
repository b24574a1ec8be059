"""Tables: what becomes of numbers, categories and missing values, in every format; and files that are no tables."""

import bz2
import gzip
import json
import lzma
import zipfile
from dataclasses import asdict

import numpy as np
import pytest
from border import traced

import xpnn as nn
from xpnn.data import TableEncoder, table
from xpnn.data.table import TableWarning, read_table

pd = pytest.importorskip("pandas")

ROWS = pd.DataFrame(
    {
        "age": [20, 40, 60, 30, 50, 40],
        "weight": [1.5, None, 2.5, 2.0, 2.0, None],
        "pet": ["cat", "dog", None, "cat", "emu", "dog"],
        "member": [True, False, True, False, True, False],
        "kind": ["u", "v", "u", "v", "u", "v"],
        "risk": [0.5, 1.5, 2.5, 3.5, 4.5, 5.5],
    }
)


def equal(a, b):
    assert a.encoder == b.encoder
    for part in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(a, part), getattr(b, part))


def test_what_becomes_of_each_column():
    encoder = nn.TableEncoder.fit(ROWS, "kind")
    assert encoder.features == ("age", "weight", "pet=cat", "pet=dog", "pet=emu", "member", "risk")
    x = encoder.transform(ROWS)
    assert x.dtype == np.float32
    numbers = ROWS[["age", "weight", "member", "risk"]].to_numpy(np.float64)
    z = (numbers - np.nanmean(numbers, axis=0)) / np.nanstd(numbers, axis=0)
    np.testing.assert_allclose(x[:, [0, 1, 5, 6]], np.nan_to_num(z), rtol=1e-6)
    np.testing.assert_array_equal(x[:, 2:5].argmax(1)[[0, 1, 3, 4, 5]], [0, 1, 0, 2, 1])
    assert x[:, 2:5].sum(1).tolist() == [1, 1, 0, 1, 1, 1]
    assert encoder.classes == ("u", "v")
    assert encoder.targets(ROWS).tolist() == [0, 1] * 3
    assert encoder.decode(np.array([[1, 2], [3, 0]])).tolist() == ["v", "u"]


def test_a_quantity_is_standardised_and_comes_back():
    encoder = nn.TableEncoder.fit(ROWS, "risk")
    y = encoder.targets(ROWS)
    assert (y.shape, y.dtype, encoder.classes) == ((6, 1), np.float32, ())
    np.testing.assert_allclose([y.mean(), y.std()], [0, 1], atol=1e-6)
    np.testing.assert_allclose(encoder.decode(y), ROWS["risk"], rtol=1e-6)


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        (["b", "a", "b"], ("a", "b")),
        ([True, False, True], ("False", "True")),
        ([10, 9, 10], ("9", "10")),
        ([1.0, 2.0, 1.0], ()),
        (range(101), ()),
        (range(100), tuple(map(str, range(100)))),
        (pd.Categorical([2, 1, 2]), ("1", "2")),
    ],
)
def test_classes_or_a_quantity(target, classes):
    rows = pd.DataFrame({"t": target, "x": 1})
    assert nn.TableEncoder.fit(rows, "t").classes == classes
    assert nn.TableEncoder.fit(rows, "t", "classification").classes
    if rows["t"].dtype.kind in "if":
        assert nn.TableEncoder.fit(rows, "t", "regression").classes == ()


def test_new_rows():
    encoder = nn.TableEncoder.fit(ROWS[["age", "pet", "kind"]], "kind")
    x = encoder.transform([{"pet": "yak", "other": 1, "age": 40}, {"pet": None, "age": None}])
    np.testing.assert_array_equal(x, np.zeros((2, 4)))
    assert encoder.transform(ROWS.iloc[:0]).shape == (0, 4)
    for rows, message in (
        ({"age": [1]}, "the columns 'pet' are missing"),
        ({"age": [1, "old"], "pet": ["cat", "dog"]}, "column 'age': 'old', in row 2, is not a number"),
        ({"age": [np.inf], "pet": ["cat"]}, "column 'age': 'inf', in row 1, is infinite"),
    ):
        with pytest.raises(ValueError, match=message):
            encoder.transform(rows)
    with pytest.raises(ValueError, match="'kind' holds 'w': the classes are 'u', 'v'"):
        encoder.targets({"kind": ["u", "w"]})
    with pytest.raises(ValueError, match="the target 'kind' is missing: the columns are 'age'"):
        encoder.targets({"age": [1]})


def test_whole_numbers_as_categories_whatever_dtype_a_file_gives_them():
    encoder = nn.TableEncoder.fit(pd.DataFrame({"zip": pd.Categorical([7, 8, 7]), "y": [0, 1, 0]}), "y")
    assert encoder.features == ("zip=7", "zip=8")
    assert encoder.transform({"zip": [8.0, None]}).tolist() == [[0, 1], [0, 0]]
    assert encoder.targets({"y": [1.0, 0.0]}).tolist() == [1, 0]


def test_columns_without_a_spread_or_without_values():
    rows = pd.DataFrame({"same": [0.1] * 3, "none": [None] * 3, "y": [0, 1, 0]})
    assert np.abs(nn.TableEncoder.fit(rows, "y").transform(rows)).max() < 1e-15


def test_an_encoder_goes_through_json():
    for target in ("kind", "risk"):
        encoder = nn.TableEncoder.fit(ROWS, target)
        assert nn.TableEncoder.from_dict(json.loads(json.dumps(asdict(encoder)))) == encoder


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("mean", "0"),
        ("mean", float("nan")),
        ("scale", 0.0),
        ("scale", 1),
        ("name", 7),
        ("categories", [1]),
        ("more", 1),
    ],
)
def test_an_encoder_of_a_stranger(change, value):
    for which in ("target", "columns"):
        fields = json.loads(json.dumps(asdict(nn.TableEncoder.fit(ROWS, "risk"))))
        (fields["target"] if which == "target" else fields["columns"][0])[change] = value
        with pytest.raises((ValueError, TypeError)):
            nn.TableEncoder.from_dict(fields)
    for whole in ({}, [], {"columns": [], "target": fields["target"]}):
        with pytest.raises((ValueError, TypeError, KeyError)):
            nn.TableEncoder.from_dict(whole)


def test_the_test_part_tells_nothing():
    rows = pd.DataFrame({"x": np.arange(50.0), "kind": ["u", "v"] * 25})
    data = nn.load_table(rows, "kind")
    assert np.bincount(data.y_test).tolist() == [5, 5]
    np.testing.assert_allclose([data.x_train.mean(), data.x_train.std()], [0, 1], atol=1e-6)
    assert abs(data.x_test.mean()) > 1e-3
    equal(data, nn.load_table(rows, "kind"))
    assert (nn.load_table(rows, "kind", seed=1).x_test != data.x_test).any()
    assert len(nn.load_table(rows, "kind", test_share=0).x_test) == 0


# files


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.csv", {}),
        ("a.CSV", {"index": True}),
        ("a.csv", {"sep": ";"}),
        ("a.csv", {"sep": "|"}),
        ("a.csv.gz", {}),
        ("a.tsv", {"sep": "\t"}),
        ("a.csv", {"encoding": "utf-8-sig"}),
        ("a.csv", {"encoding": "utf-16"}),
        ("a.parquet", {}),
    ],
)
def test_the_same_table_in_every_format(tmp_path, name, options):
    rows = ROWS.rename(columns={"pet": "größte, Höhe"})
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
        rows.to_parquet(tmp_path / name)
    else:
        rows.to_csv(tmp_path / name, **{"index": False, **options})
    encoding = {"encoding": options["encoding"]} if "encoding" in options else {}
    data = nn.load_table(tmp_path / name, "kind", **encoding)
    equal(data, nn.load_table(rows, "kind"))
    assert data.name == str(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.csv", gzip.compress), ("a.csv.gz", bz2.compress), ("a.csv.xz", lzma.compress), ("a.csv.gz", bytes)],
)
def test_packed_or_not_whatever_its_name(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(ROWS.to_csv(index=False).encode()))
    equal(nn.load_table(tmp_path / name, "kind"), nn.load_table(ROWS, "kind"))


def test_an_archive_of_one_table(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("a.csv", ROWS.to_csv(index=False))
        archive.writestr("__MACOSX/._a.csv", "x")
    equal(nn.load_table(tmp_path / "a.csv.zip", "kind"), nn.load_table(ROWS, "kind"))
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "a") as archive:
        archive.writestr("b.csv", "x")
    with pytest.raises(ValueError, match="an archive of 2 files: unpack it"):
        nn.load_table(tmp_path / "a.csv.zip", "kind")


@pytest.mark.parametrize("head", ["", "sep=;\n", "\n\n"])
def test_decimal_commas(tmp_path, head):
    """A column of them is one of numbers; 1,234 in each row could be a thousand and more."""
    lines = ["a;b;code;y;", "1,5;1.000,25;1,234;0,125;", "2;-3,75;2,345;0,250;", ";12;3,456;0,500;"]
    (tmp_path / "a.csv").write_text(head + "\n".join(lines))
    encoder = nn.load_table(tmp_path / "a.csv", "y", test_share=0).encoder
    means = {column.name: (column.mean, column.categories) for column in (*encoder.columns, encoder.target)}
    texts = ("1,234", "2,345", "3,456")
    assert means == {"a": (1.75, ()), "b": (336.1666666666667, ()), "code": (0.0, texts), "y": (0.2916666666666667, ())}


def test_numbers_that_are_texts_are_warned_of(tmp_path):
    (tmp_path / "a.csv").write_text("age,zip,y\n" + "".join(f"{k if k else '?'},{k % 3},{k % 2}\n" for k in range(20)))
    with pytest.warns(
        TableWarning, match="column 'age' holds texts that begin like numbers or dates, such as '1'"
    ) as found:
        nn.load_table(tmp_path / "a.csv", "y")
    assert len(found) == 1


@pytest.mark.parametrize("values", [pd.date_range("2024-01-01", periods=4), [1j, 2, 3, 4], [[1], [2], [3], [4]]])
def test_what_is_neither_number_nor_text(values):
    with pytest.raises(
        ValueError, match="column 'a' holds .* values, such as .*: turn them into numbers or texts, or drop"
    ):
        nn.load_table({"a": values, "y": [0, 1, 0, 1]}, "y")


def test_objects_that_are_numbers():
    data = nn.load_table(
        {"a": np.array([1, 2.5, None, 4], object), "b": [True, None, False, True], "y": [0, 1, 0, 1]}, "y"
    )
    assert data.encoder.features == ("a", "b")
    assert nn.load_table({"a": [1, 2, 3, 4], "y": np.array([0, 1, 0, 1], object)}, "y").encoder.classes == ("0", "1")


def test_categories_stay_as_they_are_written(tmp_path):
    encoder = TableEncoder.fit({"code": ["007", "010", "x", "1.0"], "y": [0, 1, 0, 1]}, "y")
    (tmp_path / "a.csv").write_text("code,y\n007,1\n010,0\n1.0,1\n7,1.0\n")
    rows = read_table(tmp_path / "a.csv", texts=encoder.texts)
    features = [encoder.features[k] for k in encoder.transform(rows)[:3].argmax(1)]
    assert features == ["code=007", "code=010", "code=1.0"]
    assert not encoder.transform(rows)[3].any()
    assert encoder.targets(rows).tolist() == [1, 0, 1, 1]


def test_columns_are_dropped(tmp_path):
    ROWS.to_csv(tmp_path / "a.csv", index=False)
    data = nn.load_table(tmp_path / "a.csv", "kind", drop=["pet", "member", "risk"])
    assert data.encoder.features == ("age", "weight")
    with pytest.raises(ValueError, match=r"a.csv: there is no column 'size' to drop"):
        nn.load_table(tmp_path / "a.csv", "kind", drop=["size"])


NAMES = "\n".join(f"{i},n{i},0" for i in range(101))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("5.1,3.5,0\n4.9,3.0,1\n", "expected the columns' names in its first line, got '5.1,3.5,0'"),
        ("", "expected the columns' names in its first line, got ''"),
        ("a,a,t\n1,2,0\n", "several columns are called 'a'"),
        ("a,,,t\n1,2,3,0\n", "several columns are called ''"),
        ("a,t\n1,0\n2\n3,1\n", "the target 't' is missing in 1 rows, the first of which is row 2"),
        ("a,t\n1,0\n2,\n3,NA\n", "the target 't' is missing in 2 rows, the first of which is row 2: remove"),
        ("a,t\n1,0\n2,1,7,8\n", "not a readable table"),
        ("a,t\n1,0,5\n2,1,5\n", r"not a readable table \(rows have more values than its first line has names"),
        (f"{'a' * 200_000},t\n1,0\n2,1\n", "not a readable table.*field larger than"),
        ("a,b\n1,0\n", "there is no column 't' for the target: the columns are 'a', 'b'"),
        ("a,t\n", "expected rows with the target and another column, got 0"),
        ("t\n1\n2\n", "another column, got 2 of 't'"),
        ("a,t\n1,0\ninf,1\n", "column 'a': 'inf', in row 2, is infinite"),
        (f"i,name,t\n{NAMES}\n", "'name' holds 101 different texts, such as 'n0'.*drop the column"),
        ('"a,t\n1,0\n', ""),
        (b"a,t\n\xff\xfe,0\n", "not a text in UTF-8 .*: name its encoding"),
        ("a,t\n1,0\n2,1\n".encode("utf-16"), "not a text in UTF-8 .*: name its encoding, such as utf-16"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "not a text in UTF-8"),
        (gzip.compress(b"a,t\n" + b"1,0\n" * 99, mtime=0)[:-9], "not a readable table.*ended before"),
        (b"PK\x03\x04no archive", "not a readable table"),
    ],
)
def test_what_is_no_table(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=f"a.csv.*{message}"):
        nn.load_table(tmp_path / "a.csv", "t")


def test_names_that_are_the_same_as_texts():
    with pytest.raises(ValueError, match="several columns are called '1'"):
        TableEncoder.fit(pd.DataFrame({1: [0, 1], "1": [0, 1], "t": ["u", "v"]}), "t")


def test_an_error_has_the_row_in_the_whole_table():
    """Also where that row stands elsewhere in the training or the test part."""
    for row in range(20):
        values = np.zeros(20)
        values[row] = np.inf
        with pytest.raises(ValueError, match=f"column 'a': 'inf', in row {row + 1}, is infinite"):
            nn.load_table({"a": values, "t": list("uv") * 10}, "t")


def test_a_long_header_takes_neither_memory_nor_time(tmp_path):
    names = "".join(f"c{i}," for i in range(100_000))
    with gzip.open(tmp_path / "t.csv.gz", "wt", compresslevel=1) as file:
        file.writelines([names] * 8)
    with pytest.raises(ValueError, match="first line has more than 1,048,576 characters"), traced() as memory:
        nn.load_table(tmp_path / "t.csv.gz", "t")
    assert memory.peak < 8e6
    (tmp_path / "t.csv").write_text(f"{names}c7\n")
    with pytest.raises(ValueError, match="several columns are called 'c7'"):
        nn.load_table(tmp_path / "t.csv", "t")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(table, "_UNPACKED", (1 << 12, 10))
    for rows, file in ((1 << 9, "small.csv"), (1 << 14, "large.csv")):
        (tmp_path / file).write_bytes(pack(b"a,t\n" + b"0,1\n" * rows))
    assert len(read_table(tmp_path / "small.csv")) == 1 << 9
    with pytest.raises(ValueError, match="it expands to more than 10 times its size: if that is intended, unpack it"):
        nn.load_table(tmp_path / "large.csv", "t")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        nn.load_table(tmp_path / "none.csv", "t")
    with pytest.raises(ValueError, match=r"a.xls: expected a table, with the suffix .csv, .tsv"):
        nn.load_table(tmp_path / "a.xls", "t")
    with pytest.raises(ValueError, match="task: expected 'classification' or 'regression', got 'sort'"):
        nn.load_table(ROWS, "kind", task="sort")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,t\n1,2\n" * 99)[:-20])
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no table")
    (tmp_path / "a.csv").write_text("a,t\n1,2\n")
    for name, options in (("a.csv.gz", {}), ("a.parquet", {}), ("a.csv", {"encoding": "nonsense"})):
        with pytest.raises(ValueError, match=f"{name} is not a readable table"):
            nn.load_table(tmp_path / name, "t", **options)


@pytest.mark.parametrize(("module", "name"), [("pandas", "a.csv"), ("pyarrow", "a.parquet")])
def test_missing_packages_name_the_extra(tmp_path, monkeypatch, module, name):
    (tmp_path / name).write_text("a,t\n1,2\n")
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ImportError, match=r"extra \[tables\]"):
        nn.load_table(tmp_path / name, "t")
