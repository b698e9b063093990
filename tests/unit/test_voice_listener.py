"""A turn in the recogniser: what a reading covers when the engine answers with an older text."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from media_models.ports import Transcript
from voice.listener import Hearing, Reading


class SlowEngine:
    """Answers what it was given, in order."""

    def __init__(self, *answers: Transcript) -> None:
        self._answers = list(answers)

    def feed(self, pcm: bytes) -> None:
        return None

    async def partial(self) -> Transcript:
        return self._answers.pop(0)

    async def final(self) -> Transcript:
        return self._answers.pop(0)

    def close(self) -> None:
        return None


async def readings_of(*answers: Transcript, final: bool = False) -> list[Reading]:
    """One decode an answer, with 200 ms of voice before each."""
    got: list[Reading] = []
    tasks: list[asyncio.Task[None]] = []

    def spawn(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(work, name=name))
        return tasks[-1]

    hearing = Hearing(SlowEngine(*answers), lambda _, reading: got.append(reading), spawn)
    for number in range(1, len(answers) + 1):
        hearing.feed(bytes(3200), number * 200, number * 200)
        (hearing.want_final if final else hearing.want_partial)()
        for _ in range(10):  # the decode task runs, and the engine answers at once
            await asyncio.sleep(0)
    hearing.close()
    await asyncio.gather(*tasks, return_exceptions=True)
    return got


async def test_a_reading_covers_all_that_was_fed() -> None:
    first, second = await readings_of(Transcript("на"), Transcript("на завтра", audio_bytes=6400))
    assert (first.upto_ms, first.voiced_ms) == (200, 200)
    assert (second.upto_ms, second.voiced_ms) == (400, 400)


async def test_an_older_text_covers_no_more_than_it_heard_and_comes_once() -> None:
    older = Transcript("на", audio_bytes=1600)
    readings = await readings_of(Transcript("", audio_bytes=0), older, older, Transcript("на завтра", audio_bytes=9600))
    assert [(r.transcript.text, r.upto_ms, r.voiced_ms) for r in readings] == [
        ("на", 100, 100),
        ("на завтра", 600, 600),
    ]


async def test_a_final_text_covers_the_turn_though_it_was_decoded_before_the_last_silence() -> None:
    (only,) = await readings_of(Transcript("на завтра", audio_bytes=1600), final=True)
    assert (only.final, only.upto_ms) == (True, 200)
