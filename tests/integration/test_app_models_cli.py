"""ai-admin models as an operator uses it: consent, a cut download, Ctrl-C and going on, choosing, measuring, removing.

The models come from a server of the test and an own catalogue in the data folder.
"""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog

from app.cli import main as command_line
from app.cli import models as models_command
from tests.t_one_graph import write_graph

pytestmark = pytest.mark.timeout(150)

FIRST_BYTES = 150_000


class Home:
    """A server of files that can be slow, and that remembers what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.may_go_on = threading.Event()
        """Not set: an answer stops in the middle and waits."""
        self.may_go_on.set()
        self.ranges: list[str | None] = []
        home = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = home.files.get(self.path.rsplit("/", 1)[-1])
                asked = self.headers.get("Range")
                home.ranges.append(asked)
                if content is None:
                    self.send_error(404)
                    return
                start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
                self.send_response(206 if asked else 200)
                self.send_header("ETag", '"1"')
                self.send_header("Content-Length", str(len(content) - start))
                if asked:
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                self.end_headers()
                try:
                    self.wfile.write(content[start : start + FIRST_BYTES])
                    self.wfile.flush()
                    home.may_go_on.wait(60)
                    self.wfile.write(content[start + FIRST_BYTES :])
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def home() -> Iterator[Home]:
    home = Home()
    thread = threading.Thread(target=home.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield home
    home.may_go_on.set()
    home.http.shutdown()
    home.http.server_close()
    thread.join(5)


@pytest.fixture
def folder(home: Home, tmp_path: Path) -> Path:
    """A data folder whose catalogue has a streaming recogniser, a Vosk model without weights and a big file."""
    write_graph(tmp_path / "model.onnx")
    home.files["model.onnx"] = (tmp_path / "model.onnx").read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("vosk/am/final.mdl", b"no weights")
        archive.writestr("vosk/conf/mfcc.conf", "--sample-frequency=8000\n")
    home.files["vosk.zip"] = buffer.getvalue()
    home.files["model.bin"] = os.urandom(2_000_000)
    sha256 = hashlib.sha256(home.files["model.bin"]).hexdigest()
    data = tmp_path / "data"
    (data / "models").mkdir(parents=True)
    (data / "models" / "catalogue.yaml").write_text(
        f"""
hosts: {{home: "{home.url}/{{path}}"}}
models:
  - {{name: our-ears, kind: recognizer, engine: t-one, languages: [ru], licence: Apache-2.0, host: home,
     licence_url: "https://licence.test/", files: [{{path: model.onnx}}]}}
  - {{name: our-vosk, kind: recognizer, engine: vosk, languages: [ru], licence: NC, commercial: false, host: home,
     files: [{{path: vosk.zip, unpack: true}}]}}
  - {{name: our-big, kind: recognizer, engine: faster-whisper, languages: [ru], licence: MIT, host: home,
     files: [{{path: model.bin, size: 2000000, sha256: {sha256}}}]}}
""",
        "utf-8",
    )
    return data


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def models(folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs one command in this process: status, output, errors."""
    for name in [name for name in os.environ if name.startswith("AI_ADMIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(models_command, "configure_logging", lambda **_: None)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ai-admin", "models", *arguments, "--data-dir", str(folder)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        output, errors = capfd.readouterr()
        return int(ended.value.code or 0), output, errors

    with structlog.testing.capture_logs():
        yield run


def listing(models: Run) -> dict[str, Any]:
    status, output, errors = models("list", "--json")
    assert status == 0, errors
    return json.loads(output)


def named(models: Run, name: str) -> dict[str, Any]:
    return next(model for model in listing(models)["models"] if model["name"] == name)


def test_a_model_is_got_chosen_measured_and_removed(models: Run, folder: Path, home: Home) -> None:
    status, output, errors = models("get", "our-ears")
    assert status == 1, "nobody accepted the licence"
    assert "Apache-2.0" in output
    assert "https://licence.test/" in output
    assert "--yes" in errors
    assert home.ranges == []

    status, output, errors = models("get", "our-ears", "--yes")
    assert status == 0, errors
    assert "контрольной суммы нет" in output
    assert "models use our-ears" in output
    assert listing(models)["in_use"]["recognizer"] == "embedded-ru"
    status, output, errors = models("use", "our-ears")
    assert status == 0, errors
    assert "распознавание" in output
    assert listing(models)["in_use"]["recognizer"] == "our-ears"

    status, output, errors = models("bench", "our-ears", "espeak", "--limit-s", "5", "--json")
    assert status == 0, errors
    told = json.loads(output)
    assert "load" in told["machine"]
    ears, voice = told["engines"]
    assert ears["used_for"] == ["recognizer"]
    assert ears["figures"]["clips"] == 32
    assert ears["figures"]["wer"] > 0.9, "the graph understands no speech"
    assert 0 < ears["figures"]["final_ms"] <= ears["figures"]["final_p95_ms"]
    assert ears["figures"]["memory_bytes"] > 20_000_000
    assert voice["figures"]["first_sound_ms"] > 0
    assert voice["figures"]["memory_bytes"] > ears["figures"]["memory_bytes"] / 20

    status, output, errors = models("remove", "our-ears")
    assert status == 0, errors
    assert "теперь embedded-ru" in output
    assert not (folder / "models" / "our-ears").exists()
    assert "не была установлена" in models("remove", "our-ears")[1]


def test_an_engine_that_does_not_run_has_a_row_with_the_reason(models: Run) -> None:
    status, output, errors = models("get", "our-vosk", "--yes")
    assert status == 0, errors
    assert "без согласия авторов" in output
    assert "лицензия NC" in models("use", "our-vosk")[1]
    status, output, errors = models("bench", "our-vosk")
    assert status == 1
    assert "our-vosk: configuration: the Vosk model in" in output
    assert "our-vosk" in errors + output
    assert models("bench", "our-big")[0] == 1, "and what is not installed cannot be measured"


def test_ctrl_c_keeps_what_was_fetched_and_the_same_command_goes_on(models: Run, folder: Path, home: Home) -> None:
    home.may_go_on.clear()
    part = folder / "models" / "our-big" / "model.bin.part"
    process = subprocess.Popen(
        [sys.executable, "-c", "from app.cli.main import main; main()", "models", "get", "our-big", "--yes",
         "--data-dir", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size > 0) and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        status, _, errors = models("get", "our-big", "--yes")
        assert status == 1
        assert "busy: another command works on our-big" in errors
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert f"продолжить: ai-admin models get our-big --data-dir {folder}" in output
    kept = part.stat().st_size
    assert 0 < kept <= FIRST_BYTES
    state = named(models, "our-big")
    assert not state["installed"]
    assert state["disk_bytes"] >= kept

    home.may_go_on.set()
    status, output, errors = models("get", "our-big", "--yes")
    assert status == 0, errors
    assert home.ranges[-1] == f"bytes={kept}-"
    assert named(models, "our-big")["installed"]


def test_a_spoilt_file_is_refused_and_a_mirror_cannot_slip_in_another(models: Run, home: Home) -> None:
    home.files["model.bin"] = os.urandom(2_000_000)
    status, _, errors = models("get", "our-big", "--yes", "--mirror", home.url)
    assert status == 1
    assert "damaged_file" in errors
    assert not named(models, "our-big")["installed"]


def test_without_a_connection_each_file_and_its_place_is_named(models: Run, folder: Path, home: Home) -> None:
    content = home.files.pop("model.bin")
    status, _, errors = models("get", "our-big", "--yes")
    assert status == 1
    target = folder / "models" / "our-big" / "model.bin"
    assert f"{home.url}/model.bin\n    -> {target.resolve()}" in errors
    target.write_bytes(content)
    status, output, errors = models("get", "our-big", "--yes")
    assert status == 0, errors
    assert "готово" in output


def test_a_misspelt_name_and_bad_recordings_are_told_in_one_line(models: Run, folder: Path, tmp_path: Path) -> None:
    for arguments, said in (
        (("use", "our-eers"), "Did you mean our-ears"),
        (("remove", "espeak"), "comes with the product"),
        (("bench", "espeak", "--device", "gpu"), "cpu, cuda or auto"),
        (("bench", "embedded-ru", "--clips", str(tmp_path / "nothing")), "no .wav files"),
        (("get", "our-big", "--yes", "--mirror", "mirror"), "no address of a mirror"),
    ):
        status, _, errors = models(*arguments)
        assert status == 1, arguments
        assert said in errors
        assert errors.count("\n") == 1, errors
    (folder / "models" / "catalogue.yaml").write_text("models: [{name: x}]")
    status, _, errors = models("list")
    assert status == 1
    assert "catalogue.yaml is not a model catalogue" in errors
