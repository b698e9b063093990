"""Sentences that a salon's callers hear again and again are rendered before they are needed, in the voice of today.

What is frequent is read from the timeline: a sentence that several conversations of the last weeks had. The phrase
cache keeps them on disk, so after a change of the voice or of the lexicon only what has changed is made anew.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

import structlog

from core.clock import Clock
from core.companies import Companies
from core.database import Database
from core.errors import AppError
from core.tenancy import CompanyScope
from core.timeline import EventKind
from media_models.lexicon_store import LexiconStore
from voice.phrases import phrases_for

LOOK_BACK = timedelta(days=14)
LEAST_CONVERSATIONS = 3
"""A sentence with somebody's name or number in it is not said in so many."""
MOST_SENTENCES = 200
"""Of a company: five minutes of speech, 5 MB on disk at telephone rate."""
LONGEST_LETTERS = 220
AGAIN_AFTER_S = 3600.0

log = structlog.get_logger(__name__)

Prepare = Callable[[Sequence[str], str], Awaitable[None]]
"""Renders texts of a language that are not kept yet: media_models.engines.Engines.prepare_phrases."""
SpokenForm = Callable[[str, str], str]


class PhrasesAhead:
    def __init__(self, database: Database, clock: Clock, spoken_form: SpokenForm, prepare: Prepare) -> None:
        self._database = database
        self._companies = Companies(database)
        self._words = LexiconStore(database)
        self._clock = clock
        self._spoken_form = spoken_form
        self._prepare = prepare

    async def frequent(self, scope: CompanyScope) -> Sequence[str]:
        """What the agent said in several conversations of late, the most frequent first, as it was written."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select data->>'pii_text' as text
                   from timeline_events
                   where company_id = $1 and kind = $2 and at > $3 and length(data->>'pii_text') between 1 and $4
                   group by 1
                   having count(distinct conversation_id) >= $5
                   order by count(distinct conversation_id) desc, 1
                   limit $6""",
                scope.company_id,
                EventKind.AGENT_SAID.value,
                self._clock.now() - LOOK_BACK,
                LONGEST_LETTERS,
                LEAST_CONVERSATIONS,
                MOST_SENTENCES,
            )
        return [row["text"] for row in rows]

    async def render(self) -> int:
        """Renders the fixed phrases and every company's frequent sentences; gives how many there are."""
        count = 0
        for company in await self._companies.all():
            sentences = await self.frequent(company.scope)
            lexicon = await self._words.lexicon(company.scope)
            spoken = [self._spoken_form(sentence, company.language) for sentence in sentences]
            texts = [*phrases_for(company.language).all, *spoken]
            await self._prepare([lexicon.mark(text, company.language) for text in texts], company.language)
            count += len(texts)
        return count

    async def go_on_rendering(self) -> None:
        """Now and every hour. A database that is away costs a round."""
        while True:
            try:
                count = await self.render()
                log.info("phrases_rendered_ahead", phrases=count)
            except AppError as error:
                log.warning("phrases_not_rendered_ahead", code=error.code)
            await asyncio.sleep(AGAIN_AFTER_S)


@contextlib.asynccontextmanager
async def phrases_ahead(work: PhrasesAhead) -> AsyncIterator[None]:
    task = asyncio.create_task(work.go_on_rendering(), name="phrases ahead")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
