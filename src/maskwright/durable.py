"""Files and folders that are there whole or not at all, whatever stops the process.

The order that makes it so: write beside the target under a temporary name, flush, fsync, rename,
fsync the parent folder (fsync before flush, or a rename without the second fsync, is not durable).
A temporary name is `.NAME.partial-XXXXXXXX`, and its maker holds a flock on it: one that nobody
holds is what a dead process left behind, and the next writer of NAME removes it. Where a folder cannot
change places with its successor in one step, it is `.NAME.aside` for a moment; the next writer puts it back.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
import socket
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from maskwright.errors import BadInput

LOCK = ".lock"

# Forked workers inherit descriptors, and with them flocks: a worker that outlives a killed parent
# would keep the parent's folders locked. So each child closes what its parent held.
_held: set[int] = set()


def _close_inherited() -> None:
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_inherited)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether `path` still names what `descriptor` has open."""
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


def _release(descriptor: int) -> None:
    _held.discard(descriptor)
    os.close(descriptor)


def fsync_folder(folder: str | Path) -> None:
    """Makes the names in `folder` durable: those just created, renamed or removed."""
    _fsync(folder, os.O_DIRECTORY)


def fsync_file(path: str | Path) -> None:
    """Makes what was written to a file durable."""
    _fsync(path, os.O_NOFOLLOW)


def _fsync(path: str | Path, way: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | way)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(folder: str | Path) -> None:
    """fsync of every file and folder in `folder`, itself last."""
    for place, _, files in os.walk(folder, topdown=False):
        for name in files:
            fsync_file(os.path.join(place, name))
        fsync_folder(place)


def remove_leftovers(path: str | Path) -> list[Path]:
    """Removes the temporary files and folders that dead processes left for `path`; returns their paths.

    `folder / "*"` means those for any name in `folder`. What a living process writes is locked by it
    and stays. A folder that was set aside for a successor which never came is put back.
    """
    path = Path(path).absolute()
    name = ".+" if path.name == "*" else re.escape(path.name)
    pattern = re.compile(rf"\.({name})\.(partial-.*|aside)", re.DOTALL)
    removed: list[Path] = []
    if not path.parent.is_dir():
        return removed
    for entry in sorted(path.parent.iterdir()):
        if not (left := pattern.fullmatch(entry.name)):
            continue
        with contextlib.suppress(OSError):  # locked by its maker, gone meanwhile, or not ours to remove
            descriptor = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if left[2] == "aside" and not os.path.lexists(entry.with_name(left[1])):
                    os.rename(entry, entry.with_name(left[1]))
                    fsync_folder(path.parent)
                elif _is_at(descriptor, entry):
                    _remove(entry)
                    removed.append(entry)
            finally:
                os.close(descriptor)
    return removed


def remove_folder(path: str | Path) -> None:
    """Removes a folder so that a crash leaves it whole, or a leftover that the next writer removes."""
    path = Path(path).absolute()
    retired = path.with_name(f".{path.name}.partial-{secrets.token_hex(4)}")
    os.rename(path, retired)
    fsync_folder(path.parent)
    _remove(retired)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _new_partial(path: Path, *, folder: bool) -> tuple[Path, int]:
    """A new locked temporary sibling of `path`, and the descriptor that holds its lock. OSErrors name `path`."""
    try:
        return _made_partial(path, folder)
    except OSError as error:
        raise _about(path, error) from error


def _about(path: Path, error: OSError) -> OSError:
    """The same error about `path`, which its reader knows, and not about a temporary name."""
    return OSError(error.errno, error.strerror, str(path)) if error.errno is not None else error


def _made_partial(path: Path, folder: bool) -> tuple[Path, int]:
    remove_leftovers(path)
    while True:
        partial = path.with_name(f".{path.name}.partial-{secrets.token_hex(4)}")
        try:
            if folder:
                partial.mkdir()
                descriptor = os.open(partial, os.O_RDONLY | os.O_DIRECTORY)
            else:
                descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except (FileExistsError, FileNotFoundError):
            if not path.parent.is_dir():
                raise
            continue  # the name was taken, or another process took the unlocked newcomer for a leftover
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(descriptor, partial):
            _held.add(descriptor)
            return partial, descriptor
        os.close(descriptor)


def write_file(path: str | Path, content: bytes) -> None:
    """Writes `content` to `path` so that after a crash the old file is there or the new one, whole.

    Raises OSError naming `path`; the temporary file is removed then.
    """
    with staged_file(path) as file:
        file.write(content)


@contextlib.contextmanager
def staged_file(path: str | Path) -> Generator[BinaryIO]:
    """Yields a temporary file beside `path`, open for writing; on leaving, it becomes `path`, whole and durable.

    On any exception the temporary file is removed and `path` is as it was. OSErrors name `path`.
    """
    path = Path(path).absolute()
    partial, descriptor = _new_partial(path, folder=False)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            _remove(partial)
        if isinstance(error, OSError) and error.filename in (None, str(partial)):
            raise _about(path, error) from error
        raise
    finally:
        _release(descriptor)
    fsync_folder(path.parent)


@contextlib.contextmanager
def staged_folder(path: str | Path, *, replace: bool = False) -> Generator[Path]:
    """Yields a temporary folder beside `path`; on leaving, it becomes `path`, whole and durable.

    On any exception the temporary folder is removed and `path` is as it was. The parent folder is
    created. A `path` that exists already (and is no empty folder) raises BadInput, unless `replace`:
    then the two change places at once, and the old one is removed.

        with staged_folder("corpora/en") as folder:
            (folder / "a.txt").write_text("...")
    """
    path = Path(path).absolute()
    remove_leftovers(path)  # may put it back
    if not replace and os.path.lexists(path) and not _is_empty_folder(path):
        raise BadInput(f"{path} exists already: choose another place or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, descriptor = _new_partial(path, folder=True)
    try:
        yield partial
        fsync_tree(partial)
        replaced = replace and os.path.lexists(path)
        if replaced:
            _exchange(partial, path)
        else:
            os.rename(partial, path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        _release(descriptor)
    fsync_folder(path.parent)
    if replaced:
        _remove(partial)


@contextlib.contextmanager
def working_folder(path: str | Path) -> Generator[Path]:
    """Yields a temporary folder beside `path`, for what is needed on the way to it; on leaving it is gone.

    The parent folder is created. What a process that died leaves, the next writer of `path` removes.
    """
    path = Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, descriptor = _new_partial(path, folder=True)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        _release(descriptor)


def _exchange(one: Path, other: Path) -> None:
    """Swaps two names in one step where the system can (Linux), else in three: see `_exchange_slowly`."""
    at_working_folder, exchange_flag = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    swap = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if swap is not None:
        if swap(at_working_folder, os.fsencode(one), at_working_folder, os.fsencode(other), exchange_flag) == 0:
            return
        if (number := ctypes.get_errno()) not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise OSError(number, os.strerror(number), str(other))
    _exchange_slowly(one, other)


def _exchange_slowly(one: Path, other: Path) -> None:
    """Swaps two names in three steps; after a crash between them `remove_leftovers` puts `other` back."""
    aside = other.with_name(f".{other.name}.aside")
    descriptor = os.open(other, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # while we hold it, nobody takes it for a leftover
        os.rename(other, aside)
        try:
            os.rename(one, other)
        except BaseException:
            os.rename(aside, other)
            raise
        os.rename(aside, one)
    finally:
        os.close(descriptor)


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def check_space(folder: str | Path, needed_bytes: int) -> None:
    """Raises BadInput when the file system of `folder` (or of its nearest existing parent) has less room."""
    place = Path(folder).absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise BadInput(
            f"no space left for {folder}: {needed_bytes:,} bytes needed, {free:,} free on the file system of {place}; "
            "free some or choose another place"
        )


@contextlib.contextmanager
def space_for(path: str | Path) -> Generator[None]:
    """An error for want of space that names no file, as that of a `write` does, names `path`."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _about(Path(path), error) from error
        raise


@contextlib.contextmanager
def locked(folder: str | Path) -> Generator[None]:
    """Holds `folder` (created if need be) for this process alone; BadInput names the process that has it.

    A flock on `folder/.lock`: it ends with its process however that ends, so no lock can be stale.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            os.close(descriptor)
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise OSError(
                    error.errno, f"this file system cannot lock files: {error.strerror}", str(path)
                ) from error
            raise BadInput(
                f"{folder} is in use by {holder or 'another process'}: "
                "wait for it to end, stop it, or choose another folder"
            ) from error
        if _is_at(descriptor, path):
            break
        os.close(descriptor)  # its holder removed it on leaving, just before we had it
    _held.add(descriptor)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        _release(descriptor)
