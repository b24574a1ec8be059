"""Files that are replaced, and folders that are locked."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import xpnn as nn
from xpnn.data import files

POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX alone has these modes, links and pipes")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def calls(monkeypatch):
    """What reaches the disk and takes a place, in order: (what, path)."""
    calls = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor):
        calls.append(("sync", Path(os.readlink(f"/proc/self/fd/{descriptor}"))))
        fsync(descriptor)

    def replaced(source, target):
        calls.append(("replace", source))
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    return calls


WRITERS = [
    lambda path: nn.save(nn.MLP((2, 3), rng=0), path),
    lambda path: nn.History([{"epoch": 1, "loss": 0.5}]).to_csv(path),
    lambda path: nn.History([{"epoch": 1, "loss": 0.5}]).plot(path),
    lambda path: nn.write_idx(path, np.arange(9, dtype=np.uint8)),
]


@pytest.mark.parametrize("write", WRITERS, ids=["save", "to_csv", "plot", "write_idx"])
class TestWhatever:
    """Everything that is written is written in this way."""

    def test_a_reader_of_the_old_file_still_reads_it(self, write, tmp_path):
        path = tmp_path / "x.png"
        path.write_bytes(b"old")
        with open(path, "rb") as reader:
            write(path)
            assert reader.read() == b"old"
        assert path.stat().st_size > 3
        assert list(tmp_path.iterdir()) == [path]

    @POSIX
    def test_links_and_modes_stay(self, write, tmp_path):
        link, target = tmp_path / "x.png", tmp_path / "folder" / "y"
        target.parent.mkdir()
        link.symlink_to(target)
        write(link)  # to a file that is not there yet
        target.chmod(0o640)
        write(link)
        assert link.is_symlink()
        assert target.is_file()
        assert mode(target) == 0o640

    @POSIX
    def test_a_pipe_stays_one(self, write, tmp_path):
        path = tmp_path / "x.png"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        write(path)
        assert os.read(reader, 100)
        os.close(reader)
        assert path.is_fifo()
        assert list(tmp_path.iterdir()) == [path]

    def test_other_files_of_like_names_are_left_alone(self, write, tmp_path):
        victim = tmp_path / "victim"
        victim.write_text("mine")
        (tmp_path / "x.png.part").symlink_to(victim)
        write(tmp_path / "x.png")
        assert victim.read_text() == "mine"
        assert (tmp_path / "x.png.part").is_symlink()

    def test_names_as_long_as_names_can_be(self, write, tmp_path):
        for name in ("x" * 251 + ".png", "\N{FLEXED BICEPS}" * 62 + ".png"):
            write(tmp_path / name)
            assert (tmp_path / name).stat().st_size


class TestWriteFile:
    @pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
    @pytest.mark.parametrize("where", ["fsync", "replace"])
    def test_an_error_changes_nothing_and_leaves_nothing(self, error, where, tmp_path, monkeypatch):
        path = tmp_path / "m"
        path.write_bytes(b"old")

        def fails(*arguments):
            raise error

        monkeypatch.setattr(*((os, "fsync") if where == "fsync" else (Path, "replace")), fails)
        with pytest.raises(
            type(error), match="cannot write .*m .*No space left" if isinstance(error, OSError) else "^$"
        ):
            files.write_file(path, b"new")
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which file it is")
    def test_the_file_reaches_the_disk_before_it_takes_its_place_and_its_name_after(self, calls, tmp_path):
        files.write_file(tmp_path / "m", b"new")
        (_, first), (_, source), (_, last) = calls
        assert [what for what, _ in calls] == ["sync", "replace", "sync"]
        assert first == source
        assert last == tmp_path

    @pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which file it is")
    def test_it_is_written_beside_what_a_link_points_to_each_time_under_a_name_of_its_own(self, calls, tmp_path):
        (tmp_path / "folder").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "folder" / "m")
        for _ in range(2):
            files.write_file(tmp_path / "link", b"new")
        sources = [path for what, path in calls if what == "replace"]
        assert {path.parent for path in sources} == {tmp_path / "folder"}
        assert len(set(sources)) == 2

    @POSIX
    def test_a_temporary_s_name_that_is_taken_is_not_written_to(self, tmp_path, monkeypatch):
        (tmp_path / "victim").write_text("mine")
        monkeypatch.setattr("secrets.token_hex", lambda _: "0")
        (tmp_path / ".m.0.part").symlink_to(tmp_path / "victim")
        with pytest.raises(FileExistsError):
            files._replace(tmp_path / "m", b"new")
        assert (tmp_path / "victim").read_text() == "mine"

    @POSIX
    def test_a_new_file_has_the_umask_s_mode_and_an_old_one_its_own_from_the_start(self, tmp_path, monkeypatch):
        before = os.umask(0o027)
        try:
            files.write_file(tmp_path / "m", b"new")
        finally:
            os.umask(before)
        assert mode(tmp_path / "m") == 0o640
        (tmp_path / "m").chmod(0o600)
        modes, fsync = [], os.fsync

        def synced(descriptor):
            modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", synced)
        files.write_file(tmp_path / "m", b"secret")
        assert modes[0] == mode(tmp_path / "m") == 0o600

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="root alone writes files for others")
    def test_the_owner_stays(self, tmp_path):
        files.write_file(tmp_path / "m", b"old")
        os.chown(tmp_path / "m", 1234, 2345)
        files.write_file(tmp_path / "m", b"new")
        assert ((tmp_path / "m").stat().st_uid, (tmp_path / "m").stat().st_gid) == (1234, 2345)

    def test_a_folder_is_no_file(self, tmp_path):
        with pytest.raises(OSError, match="cannot write"):
            files.write_file(tmp_path, b"new")
        with pytest.raises(OSError, match="cannot write"):
            files.write_file(tmp_path / "none" / "m", b"new")
        assert not list(tmp_path.iterdir())

    @POSIX
    @pytest.mark.parametrize(("number", "passes"), [(errno.EINVAL, True), (errno.EIO, False)])
    def test_only_what_cannot_sync_folders_may_leave_it(self, number, passes, tmp_path, monkeypatch):
        fsync = os.fsync

        def synced(descriptor):
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", synced)
        if passes:
            files.write_file(tmp_path / "m", b"new")
        else:
            with pytest.raises(OSError, match=os.strerror(number)):
                files.write_file(tmp_path / "m", b"new")


class TestLocked:
    def test_one_at_a_time(self, tmp_path):
        with files.locked(tmp_path):
            with pytest.raises(BlockingIOError, match="another run writes there"), files.locked(tmp_path):
                pass
            (tmp_path / "other").mkdir()
            with files.locked(tmp_path / "other"):
                pass
        with files.locked(tmp_path):
            pass

    def test_a_killed_process_leaves_no_lock(self, tmp_path):
        program = (
            f"from pathlib import Path; from xpnn.data.files import locked\nwith locked(Path({str(tmp_path)!r})): "
        )
        with subprocess.Popen([sys.executable, "-c", program + "print(1, flush=True); input()"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # fmt: skip
            assert process.stdout.readline()
            with pytest.raises(BlockingIOError), files.locked(tmp_path):
                pass
            process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
            process.wait()
        with files.locked(tmp_path):
            pass

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # what it is about
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on Windows")
    def test_a_forked_process_keeps_no_lock(self, tmp_path):
        reader, writer = os.pipe()
        with files.locked(tmp_path):
            child = os.fork()
            if child == 0:
                os.close(writer)
                os.read(reader, 1)  # until the end
                os._exit(0)
            with pytest.raises(BlockingIOError), files.locked(tmp_path):
                pass
        with files.locked(tmp_path):
            pass
        os.close(writer)
        assert os.waitpid(child, 0)[1] == 0
        os.close(reader)

    def test_a_file_system_without_locks_is_used_without(self, tmp_path, monkeypatch):
        def lacking(descriptor):
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(files, "_lock", lacking)
        with files.locked(tmp_path), files.locked(tmp_path):
            pass
