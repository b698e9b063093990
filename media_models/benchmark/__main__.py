"""The process that measures one engine: a request as JSON in the first argument, the figures as JSON on stdout."""

import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.errors import AppError
from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer
from media_models.adapters.piper import PiperOptions
from media_models.benchmark.clips import RATE_HZ, read_clips
from media_models.benchmark.measure import RecognizerFigures, VoiceFigures, measure_recognizer, measure_voice
from media_models.catalogue import EngineKind, ModelKind
from media_models.engines import build_recognizer, build_voice, embedded_recognizer_folder


async def measure(request: dict[str, Any]) -> RecognizerFigures | VoiceFigures:
    engine, language = EngineKind(request["engine"]), request["language"]
    folder = Path(request["folder"]) if request["folder"] else None
    if ModelKind(request["kind"]) is ModelKind.RECOGNIZER:
        recognizer = build_recognizer(
            engine, folder or embedded_recognizer_folder(), request["name"], request["device"]
        )
        try:
            return await measure_recognizer(
                recognizer, read_clips(Path(request["clips"])), language, request["limit_s"]
            )
        finally:
            await recognizer.close()
    if folder is None:
        voice = EspeakSynthesizer(EspeakOptions(rate_hz=RATE_HZ, workers=1))
        try:
            return await measure_voice(voice, language, request["limit_s"])
        finally:
            await voice.close()
    piper = build_voice(folder, PiperOptions(rate_hz=RATE_HZ))
    try:
        return await measure_voice(piper, language, request["limit_s"])
    finally:
        await piper.close()


def main() -> None:
    # The real stdout is for the figures alone: whatever a library prints goes to stderr.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        told = {"figures": asdict(asyncio.run(measure(json.loads(sys.argv[1]))))}
    except AppError as error:
        told = {"error": {"code": error.code, "message": error.message}}
    answer.write(json.dumps(told, ensure_ascii=False))
    answer.flush()


if __name__ == "__main__":
    main()
