"""Atomic replacement of files, and locks on folders to which only one process at a time may write."""

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
"""A file's content, whole or in pieces."""


def write_file(path: str | Path, data: Data) -> None:
    """Replace a file atomically: after an error, a kill or a power cut its content is all old or all new.

    The data are written beside the file, reach the disk, and then take the file's place, with its owner and mode. If
    the path is a link, its target is replaced. A pipe or a device is written to directly.

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
    # beside the target, since replacement is atomic only within a file system; under a new name that is not too long
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
    """Remove the files that killed processes have left while writing a file of this name, which may be a pattern."""
    for left in folder.glob(f".{name}.*.part"):
        left.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Write the names in a folder to the disk, if the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows cannot open folders
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # the file system does not support it
            raise
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within this block the folder is locked: only one process at a time can run such a block for it.

    The system drops the lock when the process ends; forked processes do not inherit it. On a file system without locks
    nothing is locked.

    Raises:
        BlockingIOError: another process, or another block of this one, holds the lock.
        OSError: the folder cannot be written to.
    """
    with open(folder / ".lock", "ab") as file:
        try:
            _lock(file.fileno())
        except (BlockingIOError, PermissionError) as error:
            raise BlockingIOError(f"{folder}: another run writes there: wait for it, or use another folder") from error
        except OSError:  # a file system without locks
            pass
        _locks.add(file)
        try:
            yield
        finally:
            if file in _locks:  # else this is a forked child, which has released it
                _locks.remove(file)
                with suppress(OSError):
                    _unlock(file.fileno())


_locks: set[BinaryIO] = set()


def _after_fork() -> None:
    """Release the locks in a forked child, such as a DataLoader's worker, which would hold them as long as it runs."""
    for file in _locks:
        file.close()
    _locks.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, where no process is forked
    os.register_at_fork(after_in_child=_after_fork)
