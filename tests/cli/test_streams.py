"""The command's output: where it cannot be written, and what is in it."""

import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from border import idx

import xpnn as nn
from xpnn.cli import streams


class Full(io.StringIO):
    """Standard output on a disk that is full."""

    def __init__(self, kind=OSError):
        super().__init__()
        self.kind, self.tries = kind, 0

    def write(self, text):
        self.tries += 1
        raise self.kind("no space left")

    def fileno(self):
        return self.number


@pytest.fixture
def full(tmp_path):
    def make(kind):
        stream = Full(kind)
        stream.number = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
        return stream

    return make


class TestOutput:
    @pytest.mark.parametrize("kind", [OSError, ValueError])
    def test_after_an_error_nothing_more_is_written(self, full, kind):
        stream = full(kind)
        output = streams.Output(stream)
        for _ in range(3):
            print("epoch", file=output, flush=True)
        assert isinstance(output.error, kind)
        assert stream.tries == 1
        assert os.path.samestat(os.fstat(stream.number), os.stat(os.devnull))  # so that nothing fails at exit either

    def test_a_reader_that_has_gone_is_an_error(self, full):
        output = streams.Output(full(BrokenPipeError))
        with pytest.raises(BrokenPipeError):
            print("epoch", file=output)
        print("epoch", file=output)

    def test_closed_or_none(self):
        closed = io.StringIO()
        closed.close()
        for stream in (closed, None):
            print("epoch", file=streams.Output(stream), flush=True)

    @pytest.mark.parametrize(
        ("encoding", "text", "shown"),
        [
            ("utf-8", "三 é \udce9", "三 é \\udce9"),
            ("cp1252", "三 é", "\\u4e09 é"),
            ("ascii", "三 é 🙂", "\\u4e09 \\xe9 \\U0001f642"),
        ],
    )
    def test_what_cannot_be_encoded_is_escaped(self, encoding, text, shown):
        stream = io.TextIOWrapper(io.BytesIO(), encoding, newline="\n")
        print(text, file=streams.Output(stream), flush=True)
        assert stream.buffer.getvalue().decode(encoding) == shown + "\n"

    def test_control_characters_are_escaped_but_line_breaks_and_tabs(self):
        raw = io.StringIO()
        streams.Output(raw).write("a\tb\n\x1b[31m\r\x07\x00\u202e\u2028c")
        assert raw.getvalue() == "a\tb\n\\x1b[31m\\r\\x07\\x00\\u202e\\u2028c"

    def test_both_streams_are_put_back(self):
        before = sys.stdout, sys.stderr
        with streams.standard_streams():
            assert isinstance(sys.stdout, streams.Output)
            assert isinstance(sys.stderr, streams.Output)
        assert (sys.stdout, sys.stderr) == before


def test_escaped_is_one_line_that_a_terminal_only_shows():
    assert streams.escaped("a\nb\x1b]0;title\x07\u200b") == "a\\nb\\x1b]0;title\\x07\\u200b"
    assert streams.escaped("naïve\u00a0text\u3000三 \\ '\"🙂") == "naïve\u00a0text\u3000三 \\ '\"🙂"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A few images of nothing, on which an epoch takes no time."""
    path = tmp_path_factory.mktemp("data")
    for stem in ("train", "t10k"):
        (path / f"{stem}-images-idx3-ubyte").write_bytes(idx(np.zeros((20, 8, 8), np.uint8)))
        (path / f"{stem}-labels-idx1-ubyte").write_bytes(idx(np.arange(20, dtype=np.uint8) % 10))
    return path


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("command", "status", "lines"),
    [
        ("train >&-", 0, 0),
        ("train 2>&- >/dev/null", 0, 0),
        ("train <&- >&- 2>&-", 0, 0),
        ("train >/dev/full", 1, 1),
        ("train 2>/dev/full >/dev/null", 0, 0),
        ("train | grep -m1 'epoch   1' >/dev/null; exit ${PIPESTATUS[0]}", 141, 0),
        ("info >&-", 0, 0),
        ("info >/dev/full", 1, 1),
        ("--help >&-", 0, 0),
        ("--help >/dev/full", 0, 0),
        ("--help | true; exit ${PIPESTATUS[0]}", 0, 0),
    ],
)
def test_a_training_is_not_lost_for_its_output(folder, tmp_path, command, status, lines):
    train = f"train mlp --data '{folder}' --epochs 20 --out '{tmp_path}/run'"
    command = f"'{sys.executable}' -m xpnn {command.replace('train', train)}"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (run.returncode, len(run.stderr.splitlines())) == (status, lines), run.stderr
    if "train" in command:
        history = nn.History.from_csv(tmp_path / "run/history.csv")
        assert len(history) > 1 if status == 141 else len(history) == 20  # saved before its line is printed
        assert (tmp_path / "run/model.safetensors").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals as POSIX has them")
def test_ctrl_c_while_the_command_starts_is_one_line(tmp_path):
    """Where NumPy is imported: a module of its name says when, and waits."""
    (tmp_path / "numpy.py").write_text("import time\nprint(flush=True)\ntime.sleep(60)\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    for command, one_line in ((["-m", "xpnn", "info"], True), (["-c", "import xpnn"], False)):
        process = subprocess.Popen(
            [sys.executable, *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        process.stdout.readline()
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        error = process.communicate()[1]
        if one_line:
            assert (process.returncode, error) == (130, "xpnn: interrupted\n")
        else:
            assert "KeyboardInterrupt" in error  # a program that uses the library has its own handler
