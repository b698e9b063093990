"""The table of feedback, and what people do with it: tell, propose, accept, reject."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from uuid import UUID

import asyncpg

from agent.llm.model import Example
from agent.prompts.examples import MAX_ANSWER, MAX_SITUATION, MOST_KEPT, masked
from agent.prompts.feedback import Feedback, SeenTurn, Status, Thumb, talk_until, turns_of, valid_correction
from agent.prompts.model import valid_name
from core.database import Database
from core.errors import InvalidInput, NotFound
from core.ids import ConversationId
from core.tenancy import CompanyScope
from core.timeline import TimelineReader


class FeedbackDesk:
    def __init__(self, database: Database, timeline: TimelineReader, is_name: Callable[[str], bool]) -> None:
        """`is_name`: tells names of people from other words, for masking."""
        self._database = database
        self._timeline = timeline
        self._is_name = is_name

    async def tell(
        self, scope: CompanyScope, conversation_id: ConversationId, turn: int, thumb: Thumb, correction: str, *, by: str
    ) -> Feedback:
        """Stores the thumb and the correction with the talk so far. Raises NotFound, InvalidInput."""
        author, correction = valid_name(by), valid_correction(correction, thumb)
        events = await self._timeline.read(scope, conversation_id)
        async with self._database.company(scope) as conn:
            known = await conn.fetchrow(
                """select c.channel, s.version from conversations c
                   left join prompt_servings s on s.company_id = c.company_id and s.conversation_id = c.id
                   where c.company_id = $1 and c.id = $2""",
                scope.company_id,
                conversation_id,
            )
            if known is None:
                raise NotFound("conversation: this company has no such conversation")
            talk = talk_until(turns_of(events), turn)
            row = await conn.fetchrow(
                """insert into turn_feedback
                       (company_id, conversation_id, turn, thumb, correction, channel, version, talk, author)
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning *""",
                scope.company_id,
                conversation_id,
                turn,
                thumb.value,
                correction,
                known["channel"],
                known["version"],
                [asdict(seen) for seen in talk],
                author,
            )
        assert row is not None
        return _feedback(row)

    async def list(
        self, scope: CompanyScope, *, status: Status | None = None, limit: int = 100
    ) -> "Sequence[Feedback]":
        """Newest first."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select * from turn_feedback where company_id = $1 and ($2::text is null or status = $2)
                   order by created_at desc, id limit $3""",
                scope.company_id,
                status.value if status else None,
                limit,
            )
        return [_feedback(row) for row in rows]

    async def get(self, scope: CompanyScope, feedback_id: UUID) -> Feedback:
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                "select * from turn_feedback where company_id = $1 and id = $2", scope.company_id, feedback_id
            )
        if row is None:
            raise NotFound("feedback: this company has none with this id")
        return _feedback(row)

    async def propose(self, scope: CompanyScope, feedback_id: UUID) -> Feedback:
        """Writes down the example as the model would see it, for a person to read. Decided feedback stays as it is."""
        feedback = await self.get(scope, feedback_id)
        if feedback.status is not Status.NEW:
            return feedback
        situation, answer = await asyncio.to_thread(self._example, feedback)
        return await self._update(scope, feedback_id, Status.PROPOSED, situation, answer, "")

    async def accept(
        self, scope: CompanyScope, feedback_id: UUID, *, by: str, situation: str = "", answer: str = ""
    ) -> Feedback:
        """From now on the correction is an example for the model. `situation` and `answer`: better words for it.

        Names and figures are masked in given words too. Raises InvalidInput when there is nothing to show.
        """
        author = valid_name(by)
        feedback = await self.get(scope, feedback_id)
        ready = await asyncio.to_thread(self._example, feedback)  # the dictionary takes its time to open
        situation = masked(situation, self._is_name) or feedback.situation or ready[0]
        answer = masked(answer, self._is_name) or feedback.answer or ready[1]
        if not situation or not answer:
            raise InvalidInput("feedback: an example needs the client's words and a correction; this one lacks them")
        if len(situation) > MAX_SITUATION or len(answer) > MAX_ANSWER:
            raise InvalidInput(f"situation, answer: at most {MAX_SITUATION} and {MAX_ANSWER} characters")
        return await self._update(scope, feedback_id, Status.ACCEPTED, situation, answer, author)

    async def reject(self, scope: CompanyScope, feedback_id: UUID, *, by: str) -> Feedback:
        """Not shown to the model, or no longer."""
        author = valid_name(by)
        feedback = await self.get(scope, feedback_id)
        return await self._update(
            scope, feedback_id, Status.REJECTED, feedback.situation, feedback.answer, author
        )  # fmt: skip

    def _example(self, feedback: Feedback) -> tuple[str, str]:
        self._is_name("")
        if not feedback.correction:
            return "", ""
        situation = masked(feedback.talk[-1].caller, self._is_name)[:MAX_SITUATION]
        return situation, masked(feedback.correction, self._is_name)[:MAX_ANSWER]

    async def _update(
        self, scope: CompanyScope, feedback_id: UUID, status: Status, situation: str, answer: str, by: str
    ) -> Feedback:
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                """update turn_feedback set status = $3, situation = $4, answer = $5, decided_by = $6,
                       decided_at = case when $6 = '' then null else clock_timestamp() end
                   where company_id = $1 and id = $2 returning *""",
                scope.company_id,
                feedback_id,
                status.value,
                situation,
                answer,
                by,
            )
        if row is None:
            raise NotFound("feedback: this company has none with this id")
        return _feedback(row)


async def accepted_examples(database: Database, scope: CompanyScope) -> list[Example]:
    """What people have accepted, newest first."""
    async with database.company(scope) as conn:
        rows = await conn.fetch(
            """select situation, answer from turn_feedback where company_id = $1 and status = 'accepted'
               order by decided_at desc, id limit $2""",
            scope.company_id,
            MOST_KEPT,
        )
    return [Example(row["situation"], row["answer"]) for row in rows]


def _feedback(row: "asyncpg.Record") -> Feedback:
    return Feedback(
        id=row["id"],
        conversation_id=ConversationId(row["conversation_id"]),
        turn=row["turn"],
        thumb=Thumb(row["thumb"]),
        correction=row["correction"],
        channel=row["channel"],
        version=row["version"],
        talk=tuple(SeenTurn(**seen) for seen in row["talk"]),
        author=row["author"],
        created_at=row["created_at"],
        status=Status(row["status"]),
        situation=row["situation"],
        answer=row["answer"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
    )
