"""Words of the LLM brain: which models a company uses, and how long each is waited for. Frozen data, no I/O."""

from dataclasses import dataclass, field
from enum import StrEnum

MAX_TOOL_CALLS = 6
"""In one turn of the caller. A booking needs three; more is a model that wanders."""
MAX_REPAIRS = 1
"""Second chances in one turn for an answer that broke the schema or a gate; then the scripted brain answers."""
MAX_RESULT_CHARS = 4000
"""Longest tool result that a model is given."""
MAX_SENTENCES = 6
"""Longest answer of one turn: nobody listens to more on the phone."""
HISTORY_LINES = 14
"""Latest lines of the talk that a model is given: the state carries the rest."""
HISTORY_CHARS = 4000


class Provider(StrEnum):
    GEMINI = "gemini"
    OPENAI = "openai"
    """Any server that speaks chat completions: OpenAI, vLLM, Ollama, llama.cpp."""
    ANTHROPIC = "anthropic"
    GIGACHAT = "gigachat"
    YANDEXGPT = "yandexgpt"


class Confirms(StrEnum):
    """Who carries out what the client has just agreed to."""

    CODE = "code"
    """The booking is written at once, no model is waited for."""
    MODEL = "model"
    """The model calls the tool; the tool still checks that the client agreed."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """One model of a company; its key lies in the company's secrets under `secret`."""

    name: str
    """How commands and the fallback order call it."""
    provider: Provider
    model: str
    """As the provider names it. Names are retired every few months, so there is no default."""
    base_url: str = ""
    """Empty: the provider's own address. Needed for servers of one's own."""
    auth_url: str = ""
    """GigaChat: where tokens come from, when it is not Sber's own address."""
    temperature: float | None = 0.3
    """None: not sent (some newer models refuse it)."""
    max_tokens: int = 400
    thinking: str = ""
    """"" leaves the provider's default; off, minimal, low, medium, high. On the phone: minimal or off."""
    folder: str = ""
    """Yandex Cloud folder id."""
    scope: str = "GIGACHAT_API_PERS"
    """GigaChat contract: GIGACHAT_API_PERS, _B2B or _CORP."""
    ca_file: str = ""
    """PEM file with a certificate authority to trust besides the usual ones (GigaChat: Russian Trusted Root CA)."""
    max_calls: int = 0
    """Requests at once that the contract allows (GigaChat for individuals: 1). 0: no limit of ours."""

    @property
    def secret(self) -> str:
        return f"llm.{self.name}"


@dataclass(frozen=True, slots=True)
class LlmSettings:
    """What a company has chosen. No models: the scripted brain talks."""

    models: tuple[ModelChoice, ...] = ()
    """In the order in which they are tried."""
    instructions: str = ""
    """The owner's own words on manner, added to the prompt; no rule of ours gives way to them."""
    prompt: str = "v1"
    """Version of the prompt text."""
    confirms: Confirms = Confirms.CODE
    early: bool = True
    """Ask the model already on a provisional turn: answers sooner, costs up to three requests a turn."""
    text_ru: str = ""
    """The company's own prompt text, of a published version; empty: the text of `prompt`."""
    text_en: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A correction that a person of the salon has accepted."""

    situation: str
    """What a client said, names and figures masked."""
    answer: str
    """What the agent should have said, masked too."""


@dataclass(frozen=True, slots=True)
class Served:
    """The version of the prompt that a conversation gets, with the examples near the words of this turn."""

    version: int
    instructions: str | None = None
    """None: those of the settings."""
    text_ru: str = ""
    text_en: str = ""
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class LlmTimings:
    """Seconds, counted from the start of the answer unless said otherwise. Values: voice/timings.py."""

    hedge_s: float
    """No first event by then: the next model is asked beside the first."""
    scripted_s: float
    """No sentence by then: the scripted brain answers from the same state."""
    gap_s: float
    """Longest silence inside a stream that has begun."""
    turn_s: float
    """Longest turn with all its tool calls."""
    rest_s: float
    """A model that failed is passed over for this long."""
    rest_refused_s: float
    """The same after a wrong key, an unknown model or an empty account: a person must mend it."""


@dataclass(frozen=True, slots=True)
class Account:
    """A company's models with their keys, as the brain gets them."""

    settings: LlmSettings
    region: str
    """ISO 3166 country: where texts may be sent follows from it."""
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    """By name of the model. Never logged."""
