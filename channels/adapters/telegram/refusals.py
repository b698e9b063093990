"""What Telegram's refusals of a sending mean. The code decides; words only where one code means several things.

Descriptions are no contract, so they are compared in lower case and by a part, and an unknown one falls to its code.
"""

from channels.adapters.telegram.wire import REVOKED_RU, Answer
from channels.model import Refusal, Refused

_NO_BUSINESS_RU = (
    "Бот отключён от бизнес-аккаунта или не может в нём отвечать: Telegram → Настройки → Telegram для бизнеса → "
    "Чат-боты, добавьте бота и разрешите ему отвечать."
)
_WINDOW_RU = "Клиент не писал больше суток: в чате бизнес-аккаунта бот может ответить только после нового сообщения."
_UNREACHABLE_RU = "Клиент остановил бота или ещё не нажал «Начать»: напишите ему другим способом."

_BY_WORDS: tuple[tuple[int, str, Refusal, str], ...] = (
    (400, "business_peer_usage_missing", Refusal.WINDOW_CLOSED, _WINDOW_RU),
    (400, "business_peer_invalid", Refusal.WINDOW_CLOSED, _WINDOW_RU),
    (400, "business_connection", Refusal.ACCOUNT, _NO_BUSINESS_RU),
    (400, "business connection", Refusal.ACCOUNT, _NO_BUSINESS_RU),
    (403, "business", Refusal.ACCOUNT, _NO_BUSINESS_RU),
    (400, "chat not found", Refusal.UNREACHABLE, _UNREACHABLE_RU),
    (400, "user not found", Refusal.UNREACHABLE, _UNREACHABLE_RU),
    (400, "peer_id_invalid", Refusal.UNREACHABLE, _UNREACHABLE_RU),
    (400, "user_is_blocked", Refusal.UNREACHABLE, _UNREACHABLE_RU),
    (400, "not enough rights", Refusal.UNREACHABLE, _UNREACHABLE_RU),
    (400, "have no rights", Refusal.UNREACHABLE, _UNREACHABLE_RU),
)
_BY_CODE: dict[int, tuple[Refusal, str]] = {
    400: (Refusal.BAD_MESSAGE, ""),
    401: (Refusal.ACCOUNT, REVOKED_RU),
    403: (Refusal.UNREACHABLE, _UNREACHABLE_RU),
    404: (Refusal.ACCOUNT, REVOKED_RU),
    406: (Refusal.POLICY, "Telegram не принимает это сообщение по своим правилам."),
    413: (Refusal.BAD_MESSAGE, ""),
}


def refused(answer: Answer) -> Refused:
    code = str(answer.code)
    for known, words, why, remedy in _BY_WORDS:
        if answer.code == known and answer.says(words):
            return Refused(why, code, answer.description, remedy)
    why, remedy = _BY_CODE.get(answer.code, (Refusal.BAD_MESSAGE, ""))
    return Refused(why, code, answer.description, remedy)
