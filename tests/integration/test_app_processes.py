"""Ports, lifelines, recordings on disk, and the merge of the processes' measures."""

import asyncio
import json
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.lifeline import LIFELINE_FD, Lifeline
from app.metrics_share import FOLDER, merged_metrics
from app.ports import choose_ports
from app.recordings import RecordingFiles
from core.clock import FrozenClock
from core.errors import ConfigurationError
from core.ids import CallId
from core.settings import Settings, load_settings
from voice.ports import CallInfo, Direction
from voice.recording.finish import EmptyRecording, finish


def settings_of(**ports: int) -> Settings:
    return load_settings(None, **({"http_port": 0, "sip_port": 0, "twilio_port": 0} | ports))


def test_zero_takes_a_free_port_each() -> None:
    chosen = choose_ports(settings_of())
    assert set(chosen) == {"http_port", "sip_port", "twilio_port"}
    assert all(port > 0 for port in chosen.values())
    with socket.socket() as other:
        other.bind(("127.0.0.1", chosen["http_port"]))


@pytest.mark.parametrize(
    ("name", "kind", "option"),
    [
        ("http_port", socket.SOCK_STREAM, "--http-port"),
        ("sip_port", socket.SOCK_DGRAM, "--sip-port"),
        ("twilio_port", socket.SOCK_STREAM, "--twilio-port"),
    ],
)
def test_a_taken_port_names_variable_option_and_number(name: str, kind: socket.SocketKind, option: str) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError) as error:
            choose_ports(settings_of(**{name: port}))
    for part in (option, f"AI_ADMIN_{name.upper()}", str(port)):
        assert part in error.value.message


def test_sip_and_http_may_share_a_number() -> None:
    """UDP and TCP ports are different things."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        try:
            chosen = choose_ports(settings_of(http_port=port))
        except ConfigurationError:
            pytest.skip("another program listens on this number by TCP")
    assert chosen["http_port"] == port


EDGE = """# HELP calls_active Calls.
# TYPE calls_active gauge
calls_active{channel="phone"} 2.0
# HELP turns Turns.
# TYPE turns counter
turns_total 5.0
"""
BRAIN = """# HELP turns Turns.
# TYPE turns counter
turns_total 7.0
# HELP wait_seconds Wait.
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.1"} 1.0
wait_seconds_bucket{le="+Inf"} 2.0
wait_seconds_count 2.0
wait_seconds_sum 0.5
"""


def samples(text: bytes) -> dict[tuple[str, str, str], float]:
    return {
        (
            sample.name,
            sample.labels["process"],
            sample.labels.get("le") or sample.labels.get("channel", ""),
        ): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_measures_of_all_processes_are_told_apart_by_a_label(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    (folder / "edge.prom").write_text(EDGE)
    (folder / "brain-0.prom").write_text(BRAIN)
    (folder / "brain-1.new").write_text("half writ")
    found = samples(merged_metrics(tmp_path))
    assert found[("calls_active", "edge", "phone")] == 2
    assert (found[("turns_total", "edge", "")], found[("turns_total", "brain-0", "")]) == (5, 7)
    assert found[("wait_seconds_bucket", "brain-0", "+Inf")] == 2
    assert found[("wait_seconds_sum", "brain-0", "")] == 0.5
    assert not [key for key in found if key[1] == "brain-1"]


def test_no_process_has_written_yet(tmp_path: Path) -> None:
    assert merged_metrics(tmp_path) == b""


# --- lifeline ---------------------------------------------------------------------------------------------------------


async def test_a_lifeline_announces_and_notices_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    monkeypatch.setenv(LIFELINE_FD, str(theirs.detach()))
    line = Lifeline.inherited()
    line.announce(port=5, path="/tmp/x")
    assert json.loads(ours.recv(1000)) == {"ready": True, "port": 5, "path": "/tmp/x"}
    waiting = asyncio.create_task(line.wait_gone())
    ours.send(b"a word")
    await asyncio.sleep(0.05)
    assert not waiting.done(), "a word is not the end"
    ours.close()
    async with asyncio.timeout(2):
        await waiting
    assert line._sock is not None
    line._sock.close()


async def test_a_process_started_by_hand_prints_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(LIFELINE_FD, raising=False)
    line = Lifeline.inherited()
    line.announce(port=5)
    assert json.loads(capsys.readouterr().out) == {"ready": True, "port": 5}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await line.wait_gone()


# --- recordings -------------------------------------------------------------------------------------------------------

CALL = CallInfo(CallId("call-1"), Direction.INBOUND, "+79000000101", "myata", "sip")
DAY = datetime(2026, 12, 1, 23, 59, tzinfo=UTC)


def test_a_call_is_recorded_in_the_folder_of_its_day(tmp_path: Path) -> None:
    journal = RecordingFiles(tmp_path, FrozenClock(DAY), enabled=True).open(CALL)
    assert journal is not None
    journal.close()
    path = tmp_path / "recordings" / "2026-12-01" / "call-1.journal"
    assert path.is_file()
    with pytest.raises(EmptyRecording):
        finish(path)


def test_no_recording_when_it_is_off_or_the_disk_refuses(tmp_path: Path) -> None:
    assert RecordingFiles(tmp_path, FrozenClock(DAY), enabled=False).open(CALL) is None
    assert not list(tmp_path.iterdir())
    (tmp_path / "recordings").write_text("a file where the folder should be")
    assert RecordingFiles(tmp_path, FrozenClock(DAY), enabled=True).open(CALL) is None
