"""Files that are whole or as they were, and folders that one process at a time writes to."""

import errno
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


Data: TypeAlias = "bytes | Sequence[bytes | memoryview]"
"""What is written, at once or in pieces."""


def write_file(path: str | Path, data: Data) -> None:
    """Replace a file's content; after an error, a kill or a power cut it is whole, either the new or the old one.

    The data are written beside the file, reach the disk and take its place, with its owner and mode. Of a link, the
    file that it points to is replaced. What is no regular file (a pipe, a device) is written to as it is.

    Raises:
        OSError: the file cannot be written; nothing is left beside it.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb") as file:
                file.writelines(_pieces(data))
        else:
            _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise OSError(f"cannot write {path} ({error.strerror or error})") from error


def _pieces(data: Data) -> Sequence[bytes | memoryview]:
    return [data] if isinstance(data, bytes) else data


def _replace(target: Path, data: Data) -> None:
    # beside it, since only within a file system is a replacement atomic; the name is new and not longer than others
    temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(8)}.part")
    try:
        with open(temporary, "xb") as file:
            if target.exists():
                with suppress(PermissionError, AttributeError):  # another user's file; Windows
                    shutil.chown(temporary, target.stat().st_uid, target.stat().st_gid)
                shutil.copymode(target, temporary)
            file.writelines(_pieces(data))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(target.parent)


def remove_unfinished(folder: Path, name: str) -> None:
    """Remove what processes that were killed have left while they wrote a file of this name, or pattern."""
    for left in folder.glob(f".{name}.*.part"):
        left.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Make the names in a folder reach the disk, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # as always on Windows, which opens no folder
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems without it
            raise
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """A block that one process at a time runs for a folder. The system drops the lock when the process ends; processes
    that it forks have none of it.

    On a file system without locks nothing is locked.

    Raises:
        BlockingIOError: another process, or another block of this one, is at it.
        OSError: the folder cannot be written to.
    """
    with open(folder / ".lock", "ab") as file:
        try:
            _lock(file.fileno())
        except (BlockingIOError, PermissionError) as error:
            raise BlockingIOError(f"{folder}: another run writes there; wait for it, or take another folder") from error
        except OSError:  # a file system without locks
            pass
        _locks.add(file)
        try:
            yield
        finally:
            if file in _locks:  # a forked child has let go of it
                _locks.remove(file)
                with suppress(OSError):
                    _unlock(file.fileno())


_locks: set[BinaryIO] = set()


def _after_fork() -> None:
    """Let go of the locks, which a child, such as a DataLoader's worker, would hold for as long as it lives."""
    for file in _locks:
        file.close()
    _locks.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, where no process is forked
    os.register_at_fork(after_in_child=_after_fork)
