"""Files behind URLs (s3://, hf://, https://, memory:// ...), through fsspec.

Nothing here runs unless the user named a URL, and no URL is opened but the named one and those it stands for: the
files under a folder, or the matches of a pattern such as `s3://bucket/*.parquet`.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple, cast

from maskwright.errors import BadInput

_WEB = ("http", "https")


class RemoteFile(NamedTuple):
    """A file behind a URL, where it stands below the folder that was named, and its size if its server tells."""

    url: str
    below: str
    size: int | None


def is_url(path: str) -> bool:
    """Whether `path` is a URL: `data/a.txt` is none, `s3://bucket/a.txt` is one."""
    return "://" in path


def remote_files(url: str) -> tuple[list[RemoteFile], bool]:
    """The files that `url` names, sorted, and whether it named one of them itself rather than a folder or a pattern.

    Raises `BadInput` for a URL that cannot be reached, or whose library is not installed.
    """
    with _refused(url):
        system, path = _system(url)
        is_web = url.partition("://")[0] in _WEB
        if "*" in path or ("?" in path and not is_web):
            return _listed(system, system.glob(path, detail=True), re.split(r"[*?]", path)[0].rpartition("/")[0]), False
        if (is_web and url.endswith("/")) or (not is_web and system.isdir(path)):
            return _listed(system, system.find(path, detail=True), path), False
        return [RemoteFile(url, url.rpartition("/")[2] or url, system.info(path).get("size"))], True


def _listed(system: Any, found: dict[str, dict[str, Any]], base: str) -> list[RemoteFile]:
    files: list[RemoteFile] = []
    for path, info in found.items():
        if info.get("type") != "directory":
            size = info.get("size")
            size = system.info(path).get("size") if size is None else size  # web pages that list files leave it out
            files.append(RemoteFile(system.unstrip_protocol(path), path.removeprefix(base).strip("/"), size))
    return sorted(files, key=lambda file: file.url.split("/"))


def open_url(url: str) -> BinaryIO:
    """The file behind `url`, to be closed; its failures, also those while it is read, are `BadInput`."""
    with _refused(url):
        system, path = _system(url)
        return cast(BinaryIO, _Named(system.open(path, "rb"), url))


class _Named:
    """A stream whose failures name the URL: each backend has errors of its own."""

    def __init__(self, stream: Any, url: str) -> None:
        self._stream = stream
        self._url = url

    def read(self, count: int = -1) -> bytes:
        with _refused(self._url):
            return self._stream.read(count)

    def seek(self, place: int, whence: int = 0) -> int:
        with _refused(self._url):
            return self._stream.seek(place, whence)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def stamp(url: str) -> str | None:
    """What changes when the file behind `url` is changed, as its server tells; None where it does not."""
    with _refused(url):
        system, path = _system(url)
        info = system.info(path)
    for key in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created"):
        if info.get(key):
            return str(info[key])
    return None


def _system(url: str) -> tuple[Any, str]:
    try:
        import fsspec.core
    except ImportError:
        raise BadInput(f"{url} is a URL: to read it, run `pip install 'maskwright[remote]'`") from None
    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise BadInput(f"{url} needs a library that is not installed ({error}): see `maskwright[remote]`") from None
    except ValueError as error:
        raise BadInput(f"{url} cannot be read: {error}") from None


@contextmanager
def _refused(url: str) -> Generator[None]:
    """Makes one line of what goes wrong inside."""
    try:
        yield
    except BadInput:
        raise
    except FileNotFoundError as error:
        cause = error.__cause__
        raise BadInput(f"{url} does not exist, or cannot be reached" + (f": {cause}" if cause else "")) from None
    except Exception as error:  # noqa: BLE001  (each backend brings errors of its own, without a common base)
        said = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(f"{url} cannot be read: {said[:300]}") from None
