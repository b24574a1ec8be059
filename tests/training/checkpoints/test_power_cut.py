"""A power cut after every file operation: what is on the disk then always has a whole checkpoint, and the right one."""

import builtins
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from border import AS_USED, parameters

import xpnn as nn
from xpnn.data import files

pytestmark = [
    pytest.mark.skipif(not AS_USED, reason="files are the same in every run"),
    pytest.mark.filterwarnings("ignore::xpnn.CheckpointWarning"),
]


class Recorded:
    """A folder whose operations are recorded: (create or write, sync of a file, rename, unlink, sync of the folder)."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.operations = folder, []
        fsync, replace, unlink = os.fsync, Path.replace, Path.unlink

        def opened(path, mode="r", *given):
            file = builtins.open(path, mode, *given)  # noqa: SIM115 - the caller closes it
            if Path(path).parent == folder and "x" in mode:
                self.operations.append(("write", Path(path).name, b""))
            return file

        def synced(descriptor):
            path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            if path.parent == folder:
                self.operations.append(("write", path.name, path.read_bytes()))
                self.operations.append(("sync", path.name))
            elif path == folder:
                self.operations.append(("sync", "."))
            fsync(descriptor)

        def replaced(path, target):
            if path.parent == folder:
                self.operations.append(("rename", path.name, Path(target).name))
            return replace(path, target)

        def unlinked(path, missing_ok=False):
            if path.parent == folder and path.exists():
                self.operations.append(("unlink", path.name))
            return unlink(path, missing_ok)

        monkeypatch.setattr(files, "open", opened, raising=False)
        monkeypatch.setattr(os, "fsync", synced)
        monkeypatch.setattr(Path, "replace", replaced)
        monkeypatch.setattr(Path, "unlink", unlinked)


def disks(operations):
    """What may be on the disk: {name: content} for each way in which what is not synced has reached it or not.

    Names change in their order, and all have once the folder is synced; a file's data are whole once it is synced, and
    before that none, half or all of them.
    """
    last = max((i for i, operation in enumerate(operations) if operation == ("sync", ".")), default=-1)
    for reached in range(last + 1, len(operations) + 1):  # the names changed so far
        names, inodes, written, safe = {}, itertools.count(), {}, set()
        live: dict = {}
        for i, (what, name, *more) in enumerate(operations):
            if what == "write":
                if name not in live:
                    live[name] = next(inodes)
                written[live[name]] = more[0]
                safe.discard(live[name])
            elif what == "sync" and name != ".":
                safe.add(live[name])
            elif what == "rename":
                live[more[0]] = live.pop(name)
            elif what == "unlink":
                live.pop(name, None)
            if i < reached:
                names = dict(live)
        for torn in (0, 0.5, 1):
            yield {
                name: written[inode] if inode in safe else written[inode][: int(torn * len(written[inode]))]
                for name, inode in names.items()
            }


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc tells which file it is")
def test_every_prefix_of_the_operations_leaves_a_whole_and_right_checkpoint(tmp_path, monkeypatch):
    x, y = np.arange(32.0, dtype="f").reshape(16, 2) % 5, np.arange(16) % 2

    def run(folder, **options):
        model = nn.MLP((2, 2), rng=0)
        settings = {"batch_size": 4, "optimizer": nn.SGD(0.1, momentum=0.9), "epochs": 2, "verbose": False}
        keep = nn.Checkpoint(folder, every="3 steps", keep=2, best="loss")
        nn.fit(model, x, y, checkpoint=keep, **settings, **options)
        return parameters(model).tobytes()

    (tmp_path / "run").mkdir()
    recorded = Recorded(tmp_path / "run", monkeypatch)
    wanted = run(tmp_path / "run")
    monkeypatch.undo()
    operations = recorded.operations
    assert sum(operation == ("sync", ".") for operation in operations) >= 4
    seen, ends = set(), set()
    for cut in range(len(operations) + 1):
        durable = [  # the checkpoints that were on the disk for certain
            operations[i - 1][2] for i in range(1, cut)
            if operations[i] == ("sync", ".") and operations[i - 1][0] == "rename" and "step" in operations[i - 1][2]
        ]  # fmt: skip
        for disk in disks(operations[:cut]):
            if (state := tuple(sorted(disk.items()))) in seen:
                continue
            seen.add(state)
            folder = tmp_path / str(len(seen))
            folder.mkdir()
            for name, content in disk.items():
                (folder / name).write_bytes(content)
            newest = next(nn.Checkpoint(folder).whole(), None)
            found = "" if newest is None else newest.name
            assert found >= (durable[-1] if durable else ""), (cut, disk.keys())
            if found not in ends:  # from there on the run is the same one
                ends.add(found)
                assert run(folder) == wanted
    assert len(seen) > 15
    assert len(ends) == 4  # none, and three
