"""Downloading one file so that nothing is lost: resumed after a cut, checked before it counts.

A half-done download is `NAME.part`, with the server's version mark (ETag) beside it. It is continued by a Range
request that the server honours only for the same version (If-Range, RFC 9110 section 13.1.5); a server that does not
know ranges sends the whole file, and the part starts anew.
"""

import contextlib
import errno
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import httpx

from core.errors import AppError, Unavailable
from media_models.catalogue import ModelFile

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
ATTEMPTS_WITHOUT_PROGRESS = 4
PAUSES_S = (0.5, 2.0, 5.0)
_BLOCK_BYTES = 1 << 18
_SHA256_LETTERS = 64
_MD5_LETTERS = 32


class DamagedFile(AppError):
    """The content is not what was published."""

    code = "damaged_file"


class DiskFull(AppError):
    code = "disk_full"


class Evidence(StrEnum):
    """What a file was checked against."""

    PINNED = "pinned"
    """A checksum in the catalogue."""
    ANNOUNCED = "announced"
    """The checksum that the file's home announces: in a header, or in its list of models."""
    FIRST_USE = "first_use"
    """Nobody published one: the checksum was recorded at the first download and holds from then on."""


@dataclass(frozen=True, slots=True)
class Progress:
    file: str
    done_bytes: int
    total_bytes: int | None
    checking: bool = False
    """The file is complete and its checksum is being computed."""
    unpacking: bool = False
    """The file is right, and its content is being written; the bytes are those of the content."""
    waiting: bool = False
    """The server did not answer; it is asked again in a moment."""


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Announced:
    """What a file's home says about it, apart from the catalogue."""

    sha256: str | None = None
    md5: str | None = None
    size_bytes: int | None = None


NOTHING_ANNOUNCED = Announced()


@dataclass(frozen=True, slots=True)
class CheckedFile:
    name: str
    size_bytes: int
    sha256: str
    evidence: Evidence
    unpacked_bytes: int = 0
    """Size of the content, for an archive; the archive itself is gone then."""


def check_file(
    path: Path, expected: ModelFile, announced: Announced, recorded_sha256: str | None, on_progress: OnProgress
) -> CheckedFile:
    """Compares a complete file with every checksum known for it. DamagedFile names both."""
    size = path.stat().st_size
    for right in (expected.size_bytes, announced.size_bytes):
        if right is not None and size != right:
            raise DamagedFile(f"{path.name} has {size} bytes instead of {right}", file=path.name)
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    done = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            sha256.update(block)
            md5.update(block)
            done += len(block)
            on_progress(Progress(expected.name, done, size, checking=True))
    demands = [
        (expected.sha256, sha256.hexdigest(), Evidence.PINNED),
        (expected.md5, md5.hexdigest(), Evidence.PINNED),
        (announced.sha256, sha256.hexdigest(), Evidence.ANNOUNCED),
        (announced.md5, md5.hexdigest(), Evidence.ANNOUNCED),
        (recorded_sha256, sha256.hexdigest(), Evidence.FIRST_USE),
    ]
    evidence = Evidence.FIRST_USE
    for demanded, found, kind in reversed(demands):
        if demanded is None:
            continue
        if demanded != found:
            raise DamagedFile(f"{path.name} has the checksum {found}, but {demanded} is right", file=path.name)
        evidence = kind
    return CheckedFile(expected.name, size, sha256.hexdigest(), evidence)


class Downloader:
    """Fetches files into a folder, one at a time. Blocking."""

    def __init__(self, client: httpx.Client, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._sleep = sleep

    def fetch(
        self,
        file: ModelFile,
        folder: Path,
        recorded_sha256: str | None,
        on_progress: OnProgress,
        announced: Announced = NOTHING_ANNOUNCED,
    ) -> CheckedFile:
        """Leaves the checked file in folder. What was fetched stays for the next try, unless it is damaged.

        announced: what `published` found. Unavailable: the server does not answer or refuses. DiskFull."""
        part = folder / f"{file.name}.part"
        with _told_of_a_full_disk(folder):
            header_sha256 = self._fetch_all(file, part, on_progress)
        announced = replace(announced, sha256=header_sha256 or announced.sha256)
        try:
            checked = check_file(part, file, announced, recorded_sha256, on_progress)
        except DamagedFile:
            self._drop(part)
            raise
        part.replace(folder / file.name)
        self._drop(part)
        return checked

    def published(self, file: ModelFile) -> Announced:
        """Looks the file up in its home's list of models: JSON objects with url or name, md5 and size (bytes). Nothing
        is announced where there is no list, it does not answer, or it does not know the file; a file whose checksum
        the catalogue has is not looked up."""
        if not file.index_url or file.sha256 or file.md5:
            return NOTHING_ANNOUNCED
        try:
            answer = self._client.get(file.index_url, follow_redirects=True)
            listed = answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return NOTHING_ANNOUNCED
        for item in listed if isinstance(listed, list) else ():
            if isinstance(item, dict) and str(item.get("url", "")).rpartition("/")[2] == file.name:
                md5, size = str(item.get("md5", "")).lower(), item.get("size")
                return Announced(
                    md5=md5 if len(md5) == _MD5_LETTERS and _is_hex(md5) else None,
                    size_bytes=size if isinstance(size, int) and size > 0 else None,
                )
        return NOTHING_ANNOUNCED

    def _fetch_all(self, file: ModelFile, part: Path, on_progress: OnProgress) -> str | None:
        """Repeats until the part is complete. Returns the checksum that the server announced."""
        fruitless = 0
        while True:
            before = _size(part)
            try:
                return self._fetch_rest(file, part, on_progress)
            except httpx.HTTPError as error:
                fruitless = 0 if _size(part) > before else fruitless + 1
                if fruitless >= ATTEMPTS_WITHOUT_PROGRESS:
                    raise Unavailable(
                        f"{file.name} cannot be fetched from {httpx.URL(file.url).host}: "
                        f"{type(error).__name__} {error}",
                        url=file.url,
                    ) from error
                on_progress(Progress(file.name, _size(part), file.size_bytes, waiting=True))
                self._sleep(PAUSES_S[min(fruitless, len(PAUSES_S) - 1)])

    def _fetch_rest(self, file: ModelFile, part: Path, on_progress: OnProgress) -> str | None:
        if not _may_continue(part, file):
            self._drop(part)
        have = _size(part)
        with self._client.stream("GET", file.url, headers=_range_headers(part, have), follow_redirects=True) as answer:
            if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                # Either all is here, which the check will tell, or the part is longer than the file.
                if answer.headers.get("content-range", "").removeprefix("bytes */") == str(have):
                    return _announced_sha256(answer)
                self._drop(part)
                raise httpx.RemoteProtocolError("the part does not fit the file")
            if answer.is_error:
                self._refuse(answer, file)
            resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
            total = _total_bytes(answer, have if resumed else 0)
            _etag_path(part).write_text(answer.headers.get("etag", ""), "utf-8")
            done = have if resumed else 0
            with part.open("ab" if resumed else "wb") as target:
                on_progress(Progress(file.name, done, total))
                for block in answer.iter_raw():  # as it arrives: a buffered block would be lost with the connection
                    target.write(block)
                    done += len(block)
                    on_progress(Progress(file.name, done, total))
            if total is not None and done < total:
                raise httpx.RemoteProtocolError("the connection ended early")
            return _announced_sha256(answer)

    @staticmethod
    def _refuse(answer: httpx.Response, file: ModelFile) -> None:
        if answer.status_code in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS) or answer.is_server_error:
            raise httpx.RemoteProtocolError(f"status {answer.status_code}")
        raise Unavailable(
            f"{httpx.URL(file.url).host} refuses {file.name} with status {answer.status_code}: {file.url}",
            status=answer.status_code,
        )

    @staticmethod
    def _drop(part: Path) -> None:
        part.unlink(missing_ok=True)
        _etag_path(part).unlink(missing_ok=True)


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _etag_path(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _may_continue(part: Path, file: ModelFile) -> bool:
    """A part is continued where a mix of two versions would be noticed: by the server (a strong ETag for If-Range), or
    by a checksum at the end."""
    return bool(file.sha256 or file.md5 or _strong_etag(part))


def _strong_etag(part: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        etag = _etag_path(part).read_text("utf-8")
        return "" if etag.startswith("W/") else etag
    return ""


@contextlib.contextmanager
def _told_of_a_full_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            f"the disk of {folder} is full. What was fetched is kept: make room and run the command again"
        ) from error


def _range_headers(part: Path, have: int) -> dict[str, str]:
    """identity: a compressed answer could not be continued by byte positions."""
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if etag := _strong_etag(part):
            headers["If-Range"] = etag
    return headers


def _total_bytes(answer: httpx.Response, offset: int) -> int | None:
    """Size of the whole file; of a partial answer Content-Range says it."""
    announced = answer.headers.get("content-range", "").rpartition("/")[2]
    if announced.isdigit():
        return int(announced)
    length = answer.headers.get("content-length", "")
    return offset + int(length) if length.isdigit() else None


def _announced_sha256(answer: httpx.Response) -> str | None:
    """Hugging Face names the SHA-256 of a large file in the redirect to its store."""
    for response in (answer, *answer.history):
        mark = response.headers.get("x-linked-etag", "").strip('"').lower()
        if len(mark) == _SHA256_LETTERS and _is_hex(mark):
            return str(mark)
    return None


def _is_hex(text: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in text)
