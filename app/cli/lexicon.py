"""ai-admin lexicon: how a salon's words are pronounced; list, set, remove, and hear it."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from agent.language.speech import to_speech
from app.cli.serve import settings_with
from app.processes.brain import engine_settings
from app.salons import one_company
from app.stack import prepared_servers
from core.companies import Companies
from core.database import Database
from core.errors import ConfigurationError
from core.settings import LogLevel
from core.tenancy import CompanyScope
from media_models.engines import build_engines
from media_models.lexicon_desk import LexiconDesk
from media_models.lexicon_store import LexiconStore

application = typer.Typer(
    help="Произношение слов салона: список, задать, убрать, послушать. / Pronunciation.", no_args_is_help=True
)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Папка данных. / Data folder.")]
Company = Annotated[str, typer.Argument(help="Салон (slug). / Company slug.")]
Word = Annotated[str, typer.Argument(help="Слово или фраза, как её пишут. / Word or phrase as it is written.")]
Language = Annotated[str, typer.Option("--language", help="ru или en.")]

PLAYERS = (("aplay", "-q"), ("paplay",), ("pw-play",), ("afplay",), ("ffplay", "-nodisp", "-autoexit", "-v", "error"))

Work = Callable[[LexiconDesk, CompanyScope], Awaitable[None]]


@application.command("list")
def list_words(
    company: Company, json_: Annotated[bool, typer.Option("--json", help="JSON.")] = False, data_dir: DataDir = None
) -> None:
    """Слова салона и как они произносятся."""

    async def work(desk: LexiconDesk, scope: CompanyScope) -> None:
        entries = await desk.list(scope)
        if json_:
            rows = [
                {"language": e.language, "word": e.word, "said": e.said, "ipa": list(e.saying.ipa)} for e in entries
            ]
            print(json.dumps(rows, ensure_ascii=False))
            return
        table = Table("слово", "произносится", "фонемы", "МФА", "язык")
        for entry in entries:
            sounds = (" ".join(entry.saying.mnemonics), " ".join(entry.saying.ipa))
            table.add_row(entry.word, entry.said.replace("[", r"\["), *sounds, entry.language)
        Console().print(table)

    _run(company, data_dir, work)


@application.command("set")
def set_word(
    company: Company,
    word: Word,
    said: Annotated[str, typer.Argument(help="«вол+ос», «лореа́ль» или «[[vVl'os]]» (фонемы espeak-ng).")],
    language: Language = "ru",
    data_dir: DataDir = None,
) -> None:
    """Задаёт произношение; звонки, начавшиеся через полминуты, говорят так."""

    async def work(desk: LexiconDesk, scope: CompanyScope) -> None:
        entry, new = await desk.set(scope, word, said, language)
        verb = "добавлено" if new else "изменено"
        print(f"{verb}: {entry.word} → {' '.join(entry.saying.mnemonics)}  /{' '.join(entry.saying.ipa)}/")
        print(f"послушать: ai-admin lexicon say {company} {json.dumps(word, ensure_ascii=False)}")

    _run(company, data_dir, work)


@application.command("remove")
def remove(company: Company, word: Word, language: Language = "ru", data_dir: DataDir = None) -> None:
    """Убирает слово: голос произносит его по-своему."""

    async def work(desk: LexiconDesk, scope: CompanyScope) -> None:
        entry = await desk.remove(scope, word, language)
        print(f"убрано: {entry.word}")

    _run(company, data_dir, work)


@application.command("say")
def say(
    company: Company,
    word: Annotated[str, typer.Argument(help="Слово или целая фраза. / Word or sentence.")],
    said: Annotated[str, typer.Option("--as", help="Попробовать так, не сохраняя. / Try this saying.")] = "",
    out: Annotated[Path, typer.Option("--out", help="Файл WAV. / WAV file.")] = Path("say.wav"),
    play: Annotated[bool, typer.Option("--play", help="Ещё и проиграть. / Play it too.")] = False,
    language: Language = "ru",
    data_dir: DataDir = None,
) -> None:
    """Произносит слово так, как его слышат звонящие: записывает WAV и по желанию проигрывает."""

    async def work(desk: LexiconDesk, scope: CompanyScope) -> None:
        sound = await desk.say(scope, word, language, said)
        out.write_bytes(sound)
        print(f"{out}: {(len(sound) - 44) / 16_000:.2f} с, голос без словаря: {await desk.phonemes(word, language)}")

    _run(company, data_dir, work)
    if play:
        _play(out)


def _play(file: Path) -> None:
    player = next((command for command in PLAYERS if shutil.which(command[0])), None)
    if player is None:
        names = ", ".join(command[0] for command in PLAYERS)
        raise ConfigurationError(f"no player is installed ({names}); the sound is in {file}")
    done = subprocess.run([*player, str(file)], check=False, stdin=subprocess.DEVNULL, timeout=60)  # noqa: S603
    if done.returncode:
        raise ConfigurationError(f"{player[0]} could not play it: is there a sound card? The sound is in {file}")


def _run(slug: str, data_dir: Path | None, work: Work) -> None:
    asyncio.run(_with_desk(slug, data_dir, work))


async def _with_desk(slug: str, data_dir: Path | None, work: Work) -> None:
    settings = settings_with({"data_dir": data_dir, "log_level": LogLevel.ERROR})
    async with (
        prepared_servers(settings) as settings,
        await Database.open(settings.database_url, max_size=2) as database,
    ):
        company = await one_company(Companies(database), slug)
        desk = LexiconDesk(
            LexiconStore(database), to_speech, lambda: build_engines(engine_settings(settings)).synthesizer
        )
        try:
            await work(desk, company.scope)
        finally:
            await desk.close()
