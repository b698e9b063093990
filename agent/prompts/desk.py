"""What people do with versions: draft, publish, roll back, split, compare. Every change says who and why."""

from dataclasses import dataclass

from agent.prompts.model import (
    AS_SET,
    Act,
    Change,
    Check,
    Content,
    Split,
    Standing,
    Version,
    before,
    obstacle,
    standing,
    valid_name,
    valid_note,
    valid_share,
)
from agent.prompts.statistics import Comparison, Tally, compare
from agent.prompts.store import PromptStore
from core.errors import AppError, InvalidInput, NotFound
from core.tenancy import CompanyScope


class NotReady(AppError):
    """The version may not talk to callers yet; the message says why and what to do."""

    code = "prompt_not_ready"
    http_status = 409


@dataclass(frozen=True, slots=True)
class Overview:
    standing: Standing
    versions: tuple[Version, ...]
    checks: tuple[Check, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one split (compared), or of everything (told, not compared: versions of different weeks had other callers)."""

    split: Split | None
    published: int
    tallies: tuple[Tally, ...]
    comparisons: tuple[Comparison, ...]


class PromptDesk:
    def __init__(self, store: PromptStore) -> None:
        self.store = store

    async def overview(self, scope: CompanyScope) -> Overview:
        changes = await self.store.changes(scope)
        return Overview(
            standing(changes),
            tuple(await self.store.versions(scope)),
            tuple(await self.store.checks(scope)),
            tuple(changes),
        )

    async def content(self, scope: CompanyScope, number: int) -> Content | None:
        """None for version 0: what the settings say. Raises NotFound."""
        return None if number == AS_SET else (await self.store.version(scope, number)).content

    async def draft(self, scope: CompanyScope, content: Content, *, by: str, note: str = "") -> Version:
        """A new version that nobody hears yet. Raises InvalidInput when it says what the last one says."""
        author, note = valid_name(by), valid_note(note, "note")
        versions = await self.store.versions(scope)
        if content == Content() and not versions:
            raise InvalidInput("a draft must change something: give instructions, text_ru or text_en")
        if versions and versions[-1].content == content:
            raise InvalidInput(f"a draft must change something: version {versions[-1].number} says exactly this")
        return await self.store.add_version(scope, content, note=note, author=author)

    async def publish(
        self, scope: CompanyScope, number: int, *, by: str, reason: str = "", force: bool = False
    ) -> Change:
        """From now on (calls hear it within half a minute) the version is in force; a running split ends.

        Raises NotReady when it was not checked or fails where the present one passes, unless forced with a reason.
        """
        author, reason = valid_name(by), valid_note(reason, "reason", needed=force)
        async with self.store.deciding(scope) as conn:
            now = standing(await self.store.changes(scope, conn))
            await self.store.must_exist(scope, conn, number)
            if number == now.published and now.split is None:
                raise InvalidInput(f"version: {number} is in force already")
            why = ""
            if number != now.published:
                why = obstacle(number, now.published, await self.store.checks(scope, conn))
            if why and not force:
                raise NotReady(why)
            return await self.store.add_change(
                scope, conn, Act.PUBLISHED, number, forced=bool(why), author=author, reason=reason
            )

    async def roll_back(self, scope: CompanyScope, number: int | None = None, *, by: str, reason: str) -> Change:
        """To the version before the present one, or to any that was in force once; no check stands in the way."""
        author, reason = valid_name(by), valid_note(reason, "reason", needed=True)
        async with self.store.deciding(scope) as conn:
            changes = await self.store.changes(scope, conn)
            now = standing(changes)
            once = {AS_SET, *(c.version for c in changes if c.act in (Act.PUBLISHED, Act.ROLLED_BACK))}
            target = before(changes) if number is None else number
            if target is None:
                raise NotFound("version: no other version was in force before, there is nothing to roll back to")
            if target == now.published:
                raise InvalidInput(f"version: {target} is in force already")
            if target not in once:
                known = ", ".join(str(version) for version in sorted(once))
                raise InvalidInput(f"version: {target} was never in force; those that were: {known}")
            return await self.store.add_change(scope, conn, Act.ROLLED_BACK, target, author=author, reason=reason)

    async def split(
        self, scope: CompanyScope, number: int, share: float, *, by: str, reason: str = "", force: bool = False
    ) -> Change:
        """A share of the clients gets the candidate until a person ends it. It talks to real callers, so the rules of
        publishing hold. A running split is replaced: its figures stay under its own id."""
        author, reason, share = valid_name(by), valid_note(reason, "reason", needed=force), valid_share(share)
        async with self.store.deciding(scope) as conn:
            now = standing(await self.store.changes(scope, conn))
            await self.store.must_exist(scope, conn, number)
            if number == now.published:
                raise InvalidInput(f"version: {number} is in force, a candidate must be another")
            why = obstacle(number, now.published, await self.store.checks(scope, conn))
            if why and not force:
                raise NotReady(why)
            return await self.store.add_change(
                scope, conn, Act.SPLIT, number, share=share, forced=bool(why), author=author, reason=reason
            )

    async def end_split(self, scope: CompanyScope, *, by: str, reason: str = "") -> Change:
        """Everybody gets the version in force again."""
        author, reason = valid_name(by), valid_note(reason, "reason")
        async with self.store.deciding(scope) as conn:
            now = standing(await self.store.changes(scope, conn))
            if now.split is None:
                raise NotFound("split: none is running")
            return await self.store.add_change(
                scope, conn, Act.SPLIT_ENDED, now.split.candidate, author=author, reason=reason
            )

    async def statistics(self, scope: CompanyScope, split: int | None = None) -> Statistics:
        """`split`: the id of one; None: all conversations. Raises NotFound."""
        changes = await self.store.changes(scope)
        if split is None:
            return Statistics(None, standing(changes).published, tuple(await self.store.tallies(scope)), ())
        begun = next((c for c in changes if c.id == split and c.act is Act.SPLIT), None)
        if begun is None:
            known = ", ".join(str(c.id) for c in changes if c.act is Act.SPLIT) or "none yet"
            raise NotFound(f"split: there is no split {split}; there are: {known}")
        published = standing([c for c in changes if c.id < split]).published
        tallies = await self.store.tallies(scope, split)
        by_version = {tally.version: tally for tally in tallies}
        candidate = by_version.get(begun.version, Tally(begun.version))
        present = by_version.get(published, Tally(published))
        return Statistics(
            Split(begun.id, begun.version, begun.share), published, (candidate, present), compare(candidate, present)
        )
