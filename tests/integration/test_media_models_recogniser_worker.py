"""Calls on a recognition worker that dies, hangs, or cannot start: no word is lost but those that kill it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigurationError, Unavailable
from media_models.adapters.faster_whisper import WhisperStream
from media_models.recogniser_client import RecogniserClient
from media_models.recogniser_worker.wire import WorkerOptions
from media_models.worker_process import DiedAtStart
from tests.simulators.mortal_recogniser import DEADLY, FATAL_ONCE, STUCK

MODULE = "tests.simulators.mortal_recogniser"


def client_of(folder: Path, deadline_s: float = 30.0, device: str = "cpu") -> RecogniserClient:
    return RecogniserClient(WorkerOptions(str(folder), device, "default", {}), "mortal", deadline_s, MODULE)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[RecogniserClient]:
    client = client_of(tmp_path)
    await client.start()
    yield client
    await client.close()


def call(client: RecogniserClient, ms: int = 0, value: int = 1000) -> WhisperStream:
    stream = WhisperStream(client, client.open(8000, "ru", ()))
    feed(stream, ms, value)
    return stream


def feed(stream: WhisperStream, ms: int, value: int = 1000) -> None:
    stream.feed(np.full(8 * ms, value, "<i2").tobytes())


async def test_a_turn_goes_on_in_the_next_worker_with_all_its_audio(client: RecogniserClient) -> None:
    stream = call(client, 400)
    assert (await stream.partial()).text == "звук 400"
    first = client.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    feed(stream, 300)
    assert (await stream.final()).text == "звук 700"
    assert client.pid not in (None, first)
    assert client.restarts == 1
    feed(stream, 100)
    assert (await stream.final()).text == "звук 800"
    stream.close()


async def test_decodes_that_wait_when_the_worker_dies_are_answered_by_the_next(client: RecogniserClient) -> None:
    turns = [call(client, 100 + number) for number in range(20)]
    waiting = [asyncio.create_task(turn.final()) for turn in turns]
    await asyncio.sleep(0)
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    texts = [(await task).text for task in waiting]
    assert texts == [f"звук {100 + number}" for number in range(20)]


async def test_a_stopped_worker_is_replaced(client: RecogniserClient) -> None:
    stopped = client.pid
    assert stopped is not None
    os.kill(stopped, signal.SIGSTOP)
    assert (await call(client, 250).final()).text == "звук 250"
    assert client.pid != stopped
    with pytest.raises(ProcessLookupError):
        os.kill(stopped, 0)


async def test_a_decode_that_never_ends_costs_itself_alone(tmp_path: Path) -> None:
    client = client_of(tmp_path, deadline_s=0.6)
    stuck = asyncio.create_task(call(client, 200, STUCK).final())
    await asyncio.sleep(0.01)
    behind = [asyncio.create_task(call(client, 300 + number).final()) for number in range(3)]
    with pytest.raises(Unavailable, match="ends the speech engine"):
        await stuck
    assert [(await task).text for task in behind] == ["звук 300", "звук 301", "звук 302"]
    await client.close()


async def test_audio_that_kills_is_given_up_and_the_others_are_served(client: RecogniserClient) -> None:
    deadly = asyncio.create_task(call(client, 200, DEADLY).final())
    others = [asyncio.create_task(call(client, 300 + number).final()) for number in range(3)]
    with pytest.raises(Unavailable, match="ends the speech engine"):
        await deadly
    assert [(await task).text for task in others] == ["звук 300", "звук 301", "звук 302"]
    assert client.restarts == 2


async def test_audio_that_killed_once_is_decoded_again(client: RecogniserClient) -> None:
    assert (await call(client, 200, FATAL_ONCE).final()).text == "звук 200"
    assert client.restarts == 1


async def test_a_worker_that_never_starts_fails_its_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media_models.recogniser_client.REST_S", 0.01)
    client = client_of(tmp_path, device="never starts")
    waiting = asyncio.create_task(call(client, 200).final())
    with pytest.raises(DiedAtStart):
        await client.start()
    with pytest.raises(DiedAtStart):
        await waiting
    await client.close()


async def test_a_model_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"no model")
    client = RecogniserClient(WorkerOptions(str(tmp_path), "cpu", "default", {}), "broken", 30.0)
    with pytest.raises(ConfigurationError, match=r"ai-admin models get"):
        await call(client, 200).final()
    await client.close()


async def test_closing_ends_the_process_and_fails_what_waits(client: RecogniserClient) -> None:
    pid = client.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    waiting = asyncio.create_task(call(client, 200).final())
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(Unavailable):
        await call(client, 200).final()


async def test_a_caller_who_gives_up_leaves_nothing_behind(client: RecogniserClient) -> None:
    for _ in range(5):
        task = asyncio.create_task(call(client, 200).final())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert client._owed == {}
    assert (await call(client, 200).final()).text == "звук 200"
