"""Checkpoints on disks that fail, real ones: ``sudo python benchmarks/disks.py`` (Linux; it mounts tmpfs).

In each case a run loses its disk after the second epoch, in the fourth the disk is well again, and the run ends after
the sixth: a full disk, a read-only file system, a folder that was removed. What is compared with an
uninterrupted run: the parameters at the end; where a run that is killed in the fourth epoch would go on; where
`xpnn train` ends, and how it goes on with --resume. Exit status 0: all as docs/reliability.md says.
"""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import xpnn as nn
from xpnn.__main__ import main as xpnn_command

X, Y = np.random.default_rng(0).standard_normal((96, 20)), np.arange(96) % 3
TRAIN = ["train", "mlp", "--epochs", "3", "--batch-size", "359", "--checkpoint-every", "1 step", "--out"]


@contextmanager
def mounted(options: str) -> Iterator[Path]:
    """A file system in memory, mounted with these options."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=777,{options}", "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> None:
    """Leave no room."""
    with contextlib.suppress(OSError), open(disk / "filler", "wb", 0) as file:
        while True:
            file.write(bytes(4096))


def free(disk: Path) -> None:
    (disk / "filler").unlink()


def protect(disk: Path) -> None:
    """A read-only mount of the run's folder upon itself: the disk's own is busy while the run holds its lock."""
    subprocess.run(["mount", "--bind", disk / "run", disk / "run"], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", disk / "run"], check=True)


def unprotect(disk: Path) -> None:
    subprocess.run(["umount", disk / "run"], check=True)


def remove(disk: Path) -> None:
    shutil.rmtree(disk / "run")


def make(disk: Path) -> None:
    (disk / "run").mkdir()


KINDS: dict[str, tuple[str, Callable[[Path], None], Callable[[Path], None], str]] = {
    "full disk": ("size=1m", fill, free, "No space left"),
    "read-only": ("size=1m", protect, unprotect, "Read-only file system"),
    "removed": ("size=1m", remove, make, "No such file"),
}


def run(folder: Path, on_epoch_end: Callable[[nn.History], None] | None = None) -> np.ndarray:
    """Six epochs; the parameters at the end."""
    model = nn.Sequential(nn.Dense(20, 32, rng=0), nn.Dropout(0.3, rng=1), nn.ReLU(), nn.Dense(32, 3, rng=2))
    keep = nn.Checkpoint(folder, every="1 epoch", keep=2)
    nn.fit(model, X, Y, epochs=6, batch_size=32, checkpoint=keep, on_epoch_end=on_epoch_end, verbose=False)
    return nn.to_numpy(model.flat_params).copy()


def library(kind: str) -> None:
    """A run of ``fit`` goes on without its disk, and with it again; what was kept before is whole meanwhile."""
    options, break_, mend, words = KINDS[kind]
    wanted = run(Path(tempfile.mkdtemp()) / "run")
    with mounted(options) as disk:

        def trouble(history: nn.History) -> None:
            if len(history) == 2:
                break_(disk)
            if len(history) == 4:
                left = [path.name for path in nn.Checkpoint(disk / "run").whole()]
                assert left == ([] if kind == "removed" else ["step-000000003.safetensors"]), left
                mend(disk)

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = run(disk / "run", trouble)
        said = [str(one.message) for one in caught if one.category is nn.CheckpointWarning]
        assert said
        assert all(words in text and "training goes on" in text for text in said), said
        assert (found == wanted).all()
        names = sorted(path.name for path in (disk / "run").glob("*safetensors"))
        assert names[-1] == "step-000000018.safetensors", names
        assert (run(disk / "run") == wanted).all()
    print(f"{kind}: {len(said)} warnings ({said[0][:90]}...), the parameters of an uninterrupted run")


def command(kind: str) -> None:
    """`xpnn train` without its disk ends with 1 and a line, and goes on with --resume when the disk is well again."""
    options, break_, mend, words = KINDS[kind]
    with tempfile.TemporaryDirectory() as whole, mounted(options.replace("1m", "4m")) as disk:
        with contextlib.redirect_stdout(io.StringIO()):
            assert xpnn_command([*TRAIN, whole]) == 0
            assert xpnn_command([*TRAIN, str(disk / "run"), "--epochs", "1", "--dry-run"]) == 0
        out, said = disk / "run", io.StringIO()
        fit = nn.AdamW._update

        def failing(self: nn.AdamW, *given: object) -> object:
            if self.steps == 7:
                break_(disk)
            return fit(self, *given)

        nn.AdamW._update = failing
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            status = xpnn_command([*TRAIN, str(out)])
        nn.AdamW._update = fit
        mend(disk)
        with contextlib.redirect_stdout(io.StringIO()):
            resumed = xpnn_command([*TRAIN, str(out), "--resume"])
        same = (out / "model.safetensors").read_bytes() == (Path(whole) / "model.safetensors").read_bytes()
        last = said.getvalue().strip().splitlines()[-1]
        assert (status, resumed, same) == (1, 0, True), (status, resumed, same, last)
        assert words in last, last
    print(f"{kind}: `xpnn train` ended with 1 ({last[:100]}), --resume with the same file")


def main() -> int:
    failed = 0
    for check in (library, command):
        for kind in KINDS:
            sys.stdout.flush()
            child = os.fork()
            if child == 0:  # so that one case leaves nothing to the next
                try:
                    check(kind)
                    sys.stdout.flush()
                    os._exit(0)
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
            failed += os.waitpid(child, 0)[1] != 0
    print(f"{failed} of {2 * len(KINDS)} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
