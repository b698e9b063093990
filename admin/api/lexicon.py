"""How the salon's words are pronounced: list, set, remove, and hear it."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from admin.api.v1.access import ScopeOf
from core.tenancy import CompanyScope
from media_models.lexicon import Pronunciation
from media_models.lexicon_desk import LONGEST_TEXT, LexiconDesk

Word = Annotated[str, Query(min_length=1, max_length=80, description="As it was given")]
Language = Annotated[str, Query(pattern="^(ru|en)$")]


class WordIn(BaseModel):
    word: str = Field(description="Word or phrase as people write it", examples=["волос", "L'Oréal", "каре на ножке"])
    said: str = Field(
        description="[[espeak mnemonics]], the word with its stress (U+0301 after the vowel or + before it), or a "
        "respelling",
        examples=["вол+ос", "лореа́ль", "[[bVlVj'AS]]"],
    )
    language: str = "ru"


class WordOut(BaseModel):
    language: str
    word: str
    said: str
    spoken: str
    """The word as it stands in what the agent says."""
    mnemonics: str
    ipa: str
    updated_at: datetime | None

    @classmethod
    def of(cls, entry: Pronunciation) -> "WordOut":
        return cls(
            language=entry.language,
            word=entry.word,
            said=entry.said,
            spoken=entry.spoken,
            mnemonics=" ".join(entry.saying.mnemonics),
            ipa=" ".join(entry.saying.ipa),
            updated_at=entry.updated_at,
        )


def lexicon_router(scope_of: ScopeOf, desk: LexiconDesk) -> APIRouter:
    router = APIRouter(prefix="/lexicon", tags=["pronunciation"])
    Scope = Annotated[CompanyScope, Depends(scope_of)]  # noqa: N806 (a type, made here because the keys are)

    @router.get("")
    async def list_words(scope: Scope) -> list[WordOut]:
        return [WordOut.of(entry) for entry in await desk.list(scope)]

    @router.put("", responses={201: {"description": "The word is new"}})
    async def set_word(scope: Scope, asked: WordIn, response: Response) -> WordOut:
        """Calls that begin half a minute later say the word this way."""
        entry, new = await desk.set(scope, asked.word, asked.said, asked.language)
        response.status_code = 201 if new else 200
        return WordOut.of(entry)

    @router.delete("", status_code=204)
    async def remove_word(scope: Scope, word: Word, language: Language = "ru") -> None:
        await desk.remove(scope, word, language)

    @router.get("/audio", response_class=Response, responses={200: {"content": {"audio/wav": {}}}})
    async def hear(
        scope: Scope,
        text: Annotated[str, Query(min_length=1, max_length=LONGEST_TEXT, description="Word or sentence")],
        said: Annotated[str, Query(max_length=200, description="Try this saying; nothing is kept")] = "",
        language: Language = "ru",
    ) -> Response:
        """The text as callers of this company hear it."""
        sound = await desk.say(scope, text, language, said)
        return Response(sound, media_type="audio/wav", headers={"Cache-Control": "no-store"})

    return router
