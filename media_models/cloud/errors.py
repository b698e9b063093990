"""What can go wrong at a vendor, as errors of our own tree. Texts are for the salon's owner: Russian, with the remedy.

Vendors answer with the caller's words at times, so no text of theirs is passed on; status and code are kept as facts.
"""

from enum import StrEnum

from core.errors import ConfigurationError, DeadlineExceeded, Unavailable


class Fault(StrEnum):
    """Closed set: label of metrics and reason of a switch."""

    UNREACHABLE = "unreachable"
    SILENT = "silent"
    RESET = "reset"
    QUOTA = "quota"
    AUTH = "auth"
    REFUSED = "refused"
    GARBAGE = "garbage"
    RECOVERED = "recovered"
    FAILED = "failed"


class EngineUnreachable(Unavailable):
    """No connection, or it broke before or in the middle of an answer."""

    code = "speech_engine_unreachable"
    fault = Fault.UNREACHABLE


class EngineReset(EngineUnreachable):
    code = "speech_engine_reset"
    fault = Fault.RESET


class EngineSilent(DeadlineExceeded):
    """The vendor took the request and says nothing."""

    code = "speech_engine_silent"
    fault = Fault.SILENT


class QuotaExceeded(Unavailable):
    code = "speech_quota"
    fault = Fault.QUOTA


class EngineGarbage(Unavailable):
    """An answer that the vendor's documentation does not know."""

    code = "speech_engine_garbage"
    fault = Fault.GARBAGE


class KeyRefused(ConfigurationError):
    code = "speech_key_refused"
    fault = Fault.AUTH


class RequestRefused(ConfigurationError):
    """A voice, model or format that the vendor does not have."""

    code = "speech_request_refused"
    fault = Fault.REFUSED


KEY_REMEDY = {
    "yandex": "проверьте API-ключ сервисного аккаунта Yandex Cloud с ролями ai.speechkit-stt.user и "
    "ai.speechkit-tts.user и введите его снова: ai-admin speech key yandex",
    "google": "проверьте ключ сервисного аккаунта Google Cloud и включён ли в проекте Speech-to-Text и Text-to-Speech "
    "API, затем введите ключ снова: ai-admin speech key google",
    "elevenlabs": "проверьте ключ ElevenLabs (Profile → API keys) и введите его снова: ai-admin speech key elevenlabs",
}
QUOTA_REMEDY = {
    "yandex": "увеличьте квоту SpeechKit в консоли Yandex Cloud или подождите",
    "google": "увеличьте квоту Cloud Speech в консоли Google Cloud или подождите",
    "elevenlabs": "пополните баланс ElevenLabs или смените тариф: в нём мало символов или одновременных запросов",
}
NAMES = {"yandex": "Yandex SpeechKit", "google": "Google Cloud Speech", "elevenlabs": "ElevenLabs"}


def key_refused(vendor: str, status: str) -> KeyRefused:
    return KeyRefused(f"{NAMES[vendor]} не принимает ключ: {KEY_REMEDY[vendor]}", speech_engine=vendor, status=status)


def quota_exceeded(vendor: str, status: str) -> QuotaExceeded:
    return QuotaExceeded(
        f"{NAMES[vendor]}: исчерпана квота; {QUOTA_REMEDY[vendor]}", speech_engine=vendor, status=status
    )


def request_refused(vendor: str, status: str) -> RequestRefused:
    return RequestRefused(
        f"{NAMES[vendor]} отклоняет запрос: проверьте голос, модель и каталог или проект в настройках речи компании "
        "(ai-admin speech show)",
        speech_engine=vendor,
        status=status,
    )


def unreachable(vendor: str, status: str) -> EngineUnreachable:
    return EngineUnreachable(f"{NAMES[vendor]} не отвечает", speech_engine=vendor, status=status)


def reset(vendor: str, status: str) -> EngineReset:
    return EngineReset(f"{NAMES[vendor]} оборвал ответ", speech_engine=vendor, status=status)


def silent(vendor: str, waited_for: str, timeout_s: float) -> EngineSilent:
    return EngineSilent(f"{NAMES[vendor]} молчит дольше {timeout_s:g} с", speech_engine=vendor, waited_for=waited_for)


def garbage(vendor: str, what: str) -> EngineGarbage:
    return EngineGarbage(f"{NAMES[vendor]} прислал непонятный ответ", speech_engine=vendor, what=what)


def fault_of(error: BaseException) -> Fault:
    """The label of any error that an engine raises, also a local one."""
    if isinstance(error, TimeoutError):
        return Fault.SILENT
    fault = getattr(error, "fault", Fault.FAILED)
    return fault if isinstance(fault, Fault) else Fault.FAILED


def grpc_error(vendor: str, code: str, *, answered: bool) -> Unavailable | ConfigurationError:
    """Our error for a gRPC status name (google.rpc.Code). answered: something had come before the status."""
    match code:
        case "UNAUTHENTICATED" | "PERMISSION_DENIED":
            return key_refused(vendor, code)
        case "RESOURCE_EXHAUSTED":
            return quota_exceeded(vendor, code)
        case "INVALID_ARGUMENT" | "NOT_FOUND" | "FAILED_PRECONDITION" | "UNIMPLEMENTED" | "OUT_OF_RANGE":
            return request_refused(vendor, code)
        case "DEADLINE_EXCEEDED":
            return EngineSilent(f"{NAMES[vendor]} молчит", speech_engine=vendor, status=code)
        case "UNAVAILABLE" if not answered:
            return unreachable(vendor, code)
        case _:
            return reset(vendor, code)


def http_error(vendor: str, status: int) -> Unavailable | ConfigurationError:
    match status:
        case 401 | 403:
            return key_refused(vendor, str(status))
        case 402 | 429:
            return quota_exceeded(vendor, str(status))
        case _ if 400 <= status < 500:
            return request_refused(vendor, str(status))
        case _:
            return unreachable(vendor, str(status))
