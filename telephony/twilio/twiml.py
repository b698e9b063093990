"""The TwiML documents we answer. Built with the vendor's library, so that names and escaping are its own."""

from urllib.parse import urlencode

from twilio.twiml.voice_response import (  # type: ignore[import-untyped]
    Connect,
    Dial,
    Hangup,
    VoiceResponse,
)

from telephony.twilio.plans import Plan, PlanKind
from telephony.twilio.tokens import StreamClaims

LANGUAGE = "ru-RU"
DIAL_TIMEOUT_S = 25
"""Five rings: longer and the person is not there."""
MAX_RESUMES = 1
"""Reopened streams of one call: a socket that is lost twice will be lost again."""

NOT_SERVED_TEXT = "Здравствуйте. К сожалению, этот номер пока не обслуживается. До свидания."
FAILED_TEXT = "Извините, у нас неполадки со связью. Пожалуйста, перезвоните через несколько минут. До свидания."

RESUME_PATH = "/telephony/twilio/resume"
AFTER_DIAL_PATH = "/telephony/twilio/after-dial"
STATUS_PATH = "/telephony/twilio/status"


def connect_stream(base_url: str, stream_url: str, claims: StreamClaims, token: str, resumes: int) -> str:
    """The two-way stream, then what happens if its socket closes: the webhook decides, a lost socket resumes once."""
    response = VoiceResponse()
    connect = Connect()
    stream = connect.stream(url=stream_url, status_callback=base_url + STATUS_PATH)
    for name, value in claims.parameters(token).items():
        stream.parameter(name=name, value=value)
    response.append(connect)
    response.redirect(f"{base_url}{RESUME_PATH}?{urlencode({'resumes': resumes + 1})}", method="POST")
    return str(response)


def say_and_hang_up(text: str) -> str:
    response = VoiceResponse()
    response.say(text, language=LANGUAGE)
    response.append(Hangup())
    return str(response)


def hang_up() -> str:
    response = VoiceResponse()
    response.append(Hangup())
    return str(response)


def dial(base_url: str, target: str, caller_id: str) -> str:
    """Gives the call to a person; when nobody answers the webhook takes the caller back."""
    response = VoiceResponse()
    verb = Dial(
        action=base_url + AFTER_DIAL_PATH,
        method="POST",
        timeout=DIAL_TIMEOUT_S,
        **({"caller_id": caller_id} if caller_id else {}),
    )
    if target.startswith("sip:"):
        verb.sip(target)
    else:
        verb.number(target)
    response.append(verb)
    return str(response)


def after_plan(plan: Plan, base_url: str, caller_id: str) -> str:
    match plan.kind:
        case PlanKind.HANG_UP:
            return hang_up()
        case PlanKind.FAILED:
            return say_and_hang_up(FAILED_TEXT)
        case PlanKind.TRANSFER:
            return dial(base_url, plan.target, caller_id)
