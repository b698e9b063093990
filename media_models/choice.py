"""Which speech engines a company has chosen: the `speech` part of its settings.

    {"recognizers": ["yandex", "embedded"], "synthesizers": ["elevenlabs", "yandex"], "data_region": "",
     "yandex": {"voice": "alena"}, "google": {"project": "…"}, "elevenlabs": {"voice": "…"}}

Keys are not part of it: they lie among the company's secrets, under SECRET_NAMES.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core.errors import InvalidInput
from media_models.regions import check_vendor

SECTION = "speech"
LOCAL = "embedded"
SECRET_NAMES = {vendor: f"speech.{vendor}" for vendor in ("yandex", "google", "elevenlabs")}

RecognizerName = Literal["yandex", "google", "embedded"]
SynthesizerName = Literal["yandex", "google", "elevenlabs", "embedded"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class YandexChoice(_Part):
    voice: str = Field("alena", min_length=1)
    role: str = ""
    speed: float = Field(1.0, ge=0.1, le=3.0)
    model: str = Field("general", min_length=1)
    folder_id: str = ""


class GoogleChoice(_Part):
    voice: str = ""
    speed: float = Field(1.0, ge=0.25, le=4.0)
    model: str = Field("long", min_length=1)
    project: str = ""
    location: str = Field("global", pattern=r"^[a-z0-9-]{2,32}$")


class ElevenLabsChoice(_Part):
    voice: str = ""
    model: str = Field("eleven_flash_v2_5", min_length=1)
    stability: float = Field(0.5, ge=0, le=1)
    similarity_boost: float = Field(0.8, ge=0, le=1)
    speed: float = Field(1.0, ge=0.7, le=1.2)


class SpeechChoice(_Part):
    """`embedded` is what this installation runs itself; it is the last of every order, named or not."""

    recognizers: tuple[RecognizerName, ...] = ()
    synthesizers: tuple[SynthesizerName, ...] = ()
    data_region: Literal["", "RU"] = ""
    """RU: keeps speech in Russia though the company's own region is another. It can only make the rule stricter."""
    yandex: YandexChoice = YandexChoice()
    google: GoogleChoice = GoogleChoice()
    elevenlabs: ElevenLabsChoice = ElevenLabsChoice()

    @field_validator("recognizers", "synthesizers")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("каждый движок называется один раз")
        if LOCAL in value[:-1]:
            raise ValueError("embedded работает всегда и стоит последним")
        return tuple(name for name in value if name != LOCAL)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "SpeechChoice":
        """From a company's settings. Raises InvalidInput that names the wrong field."""
        try:
            return cls.model_validate(settings.get(SECTION) or {})
        except ValidationError as error:
            problem = error.errors(include_input=False, include_url=False)[0]
            place = ".".join([SECTION, *(str(step) for step in problem["loc"])])
            raise InvalidInput(f"{place}: {problem['msg']}") from None

    @property
    def vendors(self) -> tuple[str, ...]:
        """Those whose keys are needed."""
        return tuple(dict.fromkeys((*self.recognizers, *self.synthesizers)))

    def region_of(self, company_region: str) -> str:
        return self.data_region or company_region

    def check(self, company_region: str) -> None:
        """Raises ForeignTransfer for an engine that the company's region forbids. For whoever stores a choice."""
        for vendor in self.vendors:
            check_vendor(self.region_of(company_region), vendor)
