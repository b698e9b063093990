"""Installing models from a server that cuts connections, lies, or knows no ranges."""

import hashlib
import io
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from core.errors import ConfigurationError, InvalidInput, NotFound, Unavailable
from media_models.archive import BadArchive
from media_models.catalogue import Catalogue
from media_models.download import DamagedFile, Downloader, Evidence, Progress
from media_models.library import Busy, DiskFull, ModelLibrary

WEIGHTS = np.random.default_rng(3).bytes(1_500_000)
CONFIG = b'{"a": 1}'
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


@dataclass
class Server:
    """What the server does, and what it was asked."""

    files: dict[str, bytes]
    ranges: bool = True
    cut_after: int | None = None
    """Bytes of each answer before the connection is cut."""
    failures: int = 0
    """Requests still to be answered with 503."""
    announced: str | None = None
    """X-Linked-Etag of every answer."""
    version: str = "v1"
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


def handler_of(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked_range = self.headers.get("Range")
            server.asked.append((self.path, asked_range))
            content = server.files.get(self.path.rsplit("/", 1)[-1])
            if content is None:
                self.send_error(404)
                return
            if server.failures:
                server.failures -= 1
                self.send_error(503)
                return
            etag = f'"{server.version}"'
            start = 0
            if asked_range and server.ranges and self.headers.get("If-Range") in (None, etag):
                start = int(asked_range.removeprefix("bytes=").rstrip("-"))
            if asked_range and start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("ETag", etag)
            if server.announced:
                self.send_header("X-Linked-Etag", f'"{server.announced}"')
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            body = content[start:]
            self.wfile.write(body if server.cut_after is None else body[: server.cut_after])
            if server.cut_after is not None and server.cut_after < len(body):
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    facts = Server({"model.bin": WEIGHTS, "config.json": CONFIG})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(facts))
    facts.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield facts
    http.shutdown()
    http.server_close()
    thread.join(5)


def catalogue(url: str, weights: str = f"size: {len(WEIGHTS)}, sha256: {SHA256}") -> Catalogue:
    return Catalogue.parse(
        f"""
hosts: {{there: "{url}/{{repository}}/{{path}}", packs: "{url}/{{repository}}/{{path}}"}}
indexes: {{packs: "{url}/r/model-list.json"}}
models:
  - {{name: built, kind: recognizer, engine: faster-whisper, languages: [ru], licence: own, built_in: true}}
  - {{name: small, kind: recognizer, engine: faster-whisper, languages: [ru], licence: MIT, host: there, repository: r,
     files: [{{path: model.bin, {weights}}}, {{path: config.json}}]}}
  - {{name: packed, kind: recognizer, engine: vosk, languages: [ru], licence: MIT, host: packs, repository: r,
     files: [{{path: packed.zip, unpack: true}}]}}
  - {{name: voice, kind: voice, engine: piper, languages: [ru, en], licence: MIT, host: there, repository: r,
     files: [{{path: config.json}}]}}
""".replace("{path: model.bin, }", "{path: model.bin}"),
        "test",
    )


@pytest.fixture
def library(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelLibrary:
    monkeypatch.setattr("media_models.download.PAUSES_S", (0.0,))
    return ModelLibrary(tmp_path / "models", catalogue(server.url))


def test_a_model_is_fetched_checked_and_told_about(library: ModelLibrary, server: Server) -> None:
    seen: list[Progress] = []
    assert not library.state("small").installed
    state = library.get("small", seen.append)
    assert state.installed
    assert state.folder is not None
    assert (state.folder / "model.bin").read_bytes() == WEIGHTS
    assert {path.name for path in state.folder.iterdir()} == {"model.bin", "config.json", "installed.json"}
    fetching = [step for step in seen if step.file == "model.bin" and not step.checking]
    assert [step.done_bytes for step in fetching] == sorted(step.done_bytes for step in fetching)
    assert fetching[-1].done_bytes == fetching[-1].total_bytes == len(WEIGHTS)
    assert any(step.checking for step in seen)


def test_what_nobody_published_is_trusted_on_first_use_and_said(library: ModelLibrary) -> None:
    assert library.get("small").trusted_on_first_use == ("config.json",)


def test_a_changed_file_is_not_trusted_a_second_time(library: ModelLibrary, server: Server) -> None:
    folder = library.get("small").folder
    assert folder is not None
    (folder / "config.json").unlink()
    server.files["config.json"] = b'{"a": 2}'
    with pytest.raises(DamagedFile, match=r"config\.json"):
        library.get("small")


def test_a_cut_download_goes_on_where_it_stopped(library: ModelLibrary, server: Server) -> None:
    server.cut_after = 400_000
    assert library.get("small").installed
    ranges = [asked for path, asked in server.asked if path.endswith("model.bin")]
    assert ranges[0] is None
    assert ranges[1:] == [f"bytes={count}-" for count in (400_000, 800_000, 1_200_000)]


def test_a_later_run_goes_on_where_the_last_one_stopped(library: ModelLibrary, server: Server) -> None:
    part = library.folder / "small" / "model.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS[:1_000_000])
    part.with_name("model.bin.part.etag").write_text('"v1"')
    assert library.get("small").installed
    assert server.asked[0][1] == "bytes=1000000-"


def test_a_new_version_on_the_server_starts_anew(library: ModelLibrary, server: Server) -> None:
    part = library.folder / "small" / "model.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"old" * 1000)
    part.with_name("model.bin.part.etag").write_text('"v0"')
    assert library.get("small").installed


def test_a_server_without_ranges_still_serves(library: ModelLibrary, server: Server) -> None:
    part = library.folder / "small" / "model.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS[:700_000])
    server.ranges = False
    assert library.get("small").installed


def test_a_complete_part_is_taken_as_it_is(library: ModelLibrary, server: Server) -> None:
    part = library.folder / "small" / "model.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS)
    assert library.get("small").installed


def test_a_part_longer_than_the_file_is_dropped(library: ModelLibrary, server: Server) -> None:
    part = library.folder / "small" / "model.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS + b"tail")
    assert library.get("small").installed


def test_a_server_that_is_busy_for_a_moment_is_asked_again(library: ModelLibrary, server: Server) -> None:
    server.failures = 2
    assert library.get("small").installed


def test_a_wrong_checksum_is_refused_and_forgotten(library: ModelLibrary, server: Server) -> None:
    server.files["model.bin"] = WEIGHTS[:-1] + b"?"
    with pytest.raises(DamagedFile, match=SHA256):
        library.get("small")
    assert not library.state("small").installed
    assert not list((library.folder / "small").glob("model.bin*"))
    server.files["model.bin"] = WEIGHTS
    assert library.get("small").installed


def test_a_wrong_size_is_refused(library: ModelLibrary, server: Server) -> None:
    server.files["model.bin"] = WEIGHTS[:-5]
    with pytest.raises(DamagedFile, match=str(len(WEIGHTS))):
        library.get("small")


def test_the_checksum_that_the_server_announces_is_held_against_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = ModelLibrary(tmp_path, catalogue(server.url, weights=""))
    server.announced = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(DamagedFile):
        library.get("small")
    server.announced = SHA256
    server.files["config.json"] = WEIGHTS
    library.get("small")
    records = json.loads((tmp_path / "small" / "installed.json").read_text())
    assert {record["evidence"] for record in records} == {Evidence.ANNOUNCED}


def test_offline_says_which_file_goes_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media_models.download.PAUSES_S", (0.0,))
    library = ModelLibrary(tmp_path, catalogue("http://127.0.0.1:9"))
    with pytest.raises(Unavailable) as caught:
        library.get("small")
    message = caught.value.message
    assert "http://127.0.0.1:9/r/model.bin" in message
    assert str(tmp_path / "small" / "model.bin") in message
    assert "ai-admin models get small" in message


def test_files_copied_by_hand_are_checked_and_registered(tmp_path: Path) -> None:
    library = ModelLibrary(tmp_path, catalogue("http://127.0.0.1:9"))
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "model.bin").write_bytes(WEIGHTS)
    (tmp_path / "small" / "config.json").write_bytes(CONFIG)
    assert not library.state("small").installed
    assert library.get("small").installed
    (tmp_path / "small" / "model.bin").write_bytes(WEIGHTS[:-1] + b"?")
    with pytest.raises(DamagedFile, match="Delete"):
        library.get("small")


def test_a_refusal_is_told_with_its_status(library: ModelLibrary, server: Server) -> None:
    del server.files["model.bin"]
    with pytest.raises(Unavailable, match="404"):
        library.get("small")


def test_a_full_disk_is_told_before_anything_is_fetched(
    library: ModelLibrary, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(library.folder.parent)._replace(free=100_000_000)
    monkeypatch.setattr("media_models.library.shutil.disk_usage", lambda _: usage)
    with pytest.raises(DiskFull, match="100 MB"):
        library.get("small")
    assert server.asked == []


def test_a_model_is_chosen_and_given_up(library: ModelLibrary) -> None:
    with pytest.raises(InvalidInput, match="models get small"):
        library.use("small")
    library.get("small")
    assert library.selected("recognizer") is None
    assert library.use("small").used_for == ("recognizer",)
    chosen = library.selected("recognizer")
    assert chosen is not None
    assert chosen.entry.name == "small"
    library.use("built")
    assert [state.used_for for state in library.list()] == [("recognizer",), (), (), ()]


def test_a_voice_serves_its_languages(library: ModelLibrary) -> None:
    library.get("voice")
    assert library.use("voice").used_for == ("voice.ru", "voice.en")


def test_a_removed_model_is_neither_there_nor_chosen(library: ModelLibrary) -> None:
    library.get("small")
    library.use("small")
    assert not library.remove("small").installed
    assert library.selected("recognizer") is None
    assert not (library.folder / "small").exists()
    with pytest.raises(InvalidInput, match="comes with the product"):
        library.remove("built")
    with pytest.raises(NotFound):
        library.remove("nothing")


def test_a_chosen_model_whose_files_are_gone_is_not_used(library: ModelLibrary) -> None:
    folder = library.get("small").folder
    assert folder is not None
    library.use("small")
    (folder / "model.bin").unlink()
    assert library.selected("recognizer") is None


@pytest.mark.parametrize("name", ["selection.json", "small/installed.json"])
def test_a_damaged_note_is_named(library: ModelLibrary, name: str) -> None:
    library.get("small")
    (library.folder / name).write_text("{broken")
    with pytest.raises(ConfigurationError, match="damaged"):
        library.list()


def test_a_stalled_server_does_not_hold_the_download_for_ever(server: Server, tmp_path: Path) -> None:
    server.cut_after = 0
    pauses: list[float] = []
    with httpx.Client(timeout=2) as client, pytest.raises(Unavailable):
        Downloader(client, pauses.append).fetch(
            catalogue(server.url).find("small").files[0], tmp_path, None, lambda _: None
        )
    assert len(pauses) == 3
    assert pauses == sorted(pauses)


def test_what_comes_along_is_in_use_until_another_is_chosen_and_there(library: ModelLibrary) -> None:
    assert library.in_use() == {"recognizer": "built"}
    folder = library.get("small").folder
    assert folder is not None
    library.use("small")
    assert library.in_use() == {"recognizer": "small"}
    (folder / "model.bin").unlink()
    assert library.in_use() == {"recognizer": "built"}
    state = library.state("small")
    assert (state.used_for, state.chosen_for) == ((), ("recognizer",))
    assert library.state("built").used_for == ("recognizer",)


def packed() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("vosk-model/am/final.mdl", WEIGHTS)
        archive.writestr("vosk-model/conf/mfcc.conf", "--sample-frequency=8000\n")
    return buffer.getvalue()


def test_an_archive_is_unpacked_and_not_kept(library: ModelLibrary, server: Server) -> None:
    server.files["packed.zip"] = packed()
    seen: list[Progress] = []
    state = library.get("packed", seen.append)
    assert state.installed
    assert state.folder == library.folder / "packed" / "model"
    assert (state.folder / "am" / "final.mdl").read_bytes() == WEIGHTS
    assert {path.name for path in (library.folder / "packed").iterdir()} == {"installed.json", "model"}
    assert any(step.unpacking and step.done_bytes == step.total_bytes for step in seen)
    asked = len(server.asked)
    assert library.get("packed").installed, "a second time there is nothing to do"
    assert [path for path, _ in server.asked[asked:] if path.endswith(".zip")] == []
    (state.folder / "am" / "final.mdl").unlink()
    assert not library.state("packed").installed
    assert library.get("packed").installed, "and what was lost is fetched again"
    assert library.remove("packed").disk_bytes == 0


def test_an_archive_that_was_copied_by_hand_is_taken(library: ModelLibrary, server: Server) -> None:
    (library.folder / "packed").mkdir(parents=True)
    (library.folder / "packed" / "packed.zip").write_bytes(packed())
    assert library.get("packed").installed
    assert [path for path, _ in server.asked if path.endswith(".zip")] == []


def test_the_list_at_its_home_says_what_an_archive_must_be(library: ModelLibrary, server: Server) -> None:
    content = packed()
    server.files["packed.zip"] = content
    entry = {"name": "packed", "url": "http://elsewhere/packed.zip", "size": len(content), "md5": "0" * 32}
    server.files["model-list.json"] = json.dumps([{"name": "other"}, entry]).encode()
    with pytest.raises(DamagedFile, match="0" * 32):
        library.get("packed")
    entry["md5"] = hashlib.md5(content).hexdigest()
    server.files["model-list.json"] = json.dumps([entry]).encode()
    state = library.get("packed")
    assert state.installed
    assert state.trusted_on_first_use == ()


@pytest.mark.parametrize(
    "listed", [b"<html>", b"[]", b'{"a": 1}', b'[{"url": "x/packed.zip", "md5": 5, "size": "big"}]']
)
def test_a_list_that_says_nothing_leaves_trust_on_first_use(
    library: ModelLibrary, server: Server, listed: bytes
) -> None:
    server.files["packed.zip"] = packed()
    server.files["model-list.json"] = listed
    assert library.get("packed").trusted_on_first_use == ("packed.zip",)


def test_something_else_than_an_archive_is_told(library: ModelLibrary, server: Server) -> None:
    server.files["packed.zip"] = b"<html>moved</html>"
    with pytest.raises(BadArchive, match=r"packed\.zip"):
        library.get("packed")
    assert not library.state("packed").installed


def test_there_must_be_room_to_unpack(library: ModelLibrary, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["packed.zip"] = packed()
    usage = shutil.disk_usage(library.folder.parent)._replace(free=200_000_500)
    monkeypatch.setattr("media_models.library.shutil.disk_usage", lambda _: usage)
    with pytest.raises(DiskFull, match=r"unpacking packed\.zip"):
        library.get("packed")
    monkeypatch.undo()
    assert library.get("packed").installed, "the archive was kept"
    assert len([path for path, _ in server.asked if path.endswith(".zip")]) == 1


def test_a_disk_that_fills_up_while_writing_is_told(library: ModelLibrary, server: Server) -> None:
    part = library.folder / "small" / "model.bin.part"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(DiskFull, match="make room"):
        library.get("small")
    part.unlink()
    assert library.get("small").installed


def test_two_commands_do_not_write_one_file(library: ModelLibrary, server: Server) -> None:
    refused: list[Busy] = []

    def meddle(_: Progress) -> None:
        if refused:
            return
        other = ModelLibrary(library.folder, library.catalogue)
        for work in (other.get, other.remove):
            with pytest.raises(Busy) as caught:
                work("small")
            refused.append(caught.value)
        other.get("voice")  # another model is nobody's business

    assert library.get("small", meddle).installed
    assert len(refused) == 2
    assert library.get("small").installed


def test_a_part_of_an_unknown_version_is_not_continued_where_no_checksum_would_tell(
    server: Server, tmp_path: Path
) -> None:
    library = ModelLibrary(tmp_path, catalogue(server.url, weights=""))
    part = tmp_path / "small" / "model.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"?" * 700_000)
    folder = library.get("small").folder
    assert folder is not None
    assert (folder / "model.bin").read_bytes() == WEIGHTS


def test_a_folder_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    library = ModelLibrary(tmp_path / "models", catalogue(server.url))
    with pytest.raises(ConfigurationError, match="cannot be written"):
        library.get("small")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        library.use("built")


def test_the_wait_for_a_silent_server_is_shown(library: ModelLibrary, server: Server) -> None:
    server.failures = 2
    seen: list[Progress] = []
    library.get("small", seen.append)
    assert [step.waiting for step in seen].count(True) == 2


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "nonsense://x"])
def test_a_proxy_that_cannot_be_used_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="ALL_PROXY"):
        ModelLibrary(tmp_path, catalogue(server.url)).get("small")


def test_why_a_server_cannot_be_reached_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media_models.download.PAUSES_S", (0.0,))
    with pytest.raises(Unavailable, match=r"ConnectError .*refused"):
        ModelLibrary(tmp_path, catalogue("http://127.0.0.1:9")).get("small")
