"""What VK's error codes of messages.send mean (https://dev.vk.com/ru/reference/errors)."""

from channels.adapters.vk.wire import REVOKED_RU, Answer
from channels.model import Refusal, Refused

_UNREACHABLE_RU = "Клиент не разрешал сообществу писать ему или запретил: напишите ему другим способом."
_BOTS_RU = "Включите возможности ботов: Управление → Сообщения → Настройки для бота → Возможности ботов."
_CAPTCHA_RU = "ВКонтакте просит капчу: войдите как администратор сообщества и отправьте сообщение вручную."
_WINDOW_RU = "Время, за которое сообщество может ответить этому клиенту, прошло: ждите его сообщения."

TABLE: dict[int, tuple[Refusal, str]] = {
    5: (Refusal.ACCOUNT, REVOKED_RU),
    7: (Refusal.ACCOUNT, REVOKED_RU),
    14: (Refusal.ACCOUNT, _CAPTCHA_RU),
    15: (Refusal.ACCOUNT, REVOKED_RU),
    27: (Refusal.ACCOUNT, REVOKED_RU),
    28: (Refusal.ACCOUNT, REVOKED_RU),
    100: (Refusal.BAD_MESSAGE, ""),
    113: (Refusal.UNREACHABLE, _UNREACHABLE_RU),
    900: (Refusal.UNREACHABLE, "Клиент в чёрном списке сообщества: уберите его оттуда, чтобы писать."),
    901: (Refusal.UNREACHABLE, _UNREACHABLE_RU),
    902: (Refusal.UNREACHABLE, _UNREACHABLE_RU),
    909: (Refusal.BAD_MESSAGE, ""),
    910: (Refusal.BAD_MESSAGE, ""),
    911: (Refusal.BAD_MESSAGE, ""),
    912: (Refusal.ACCOUNT, _BOTS_RU),
    913: (Refusal.BAD_MESSAGE, ""),
    914: (Refusal.BAD_MESSAGE, ""),
    917: (Refusal.UNREACHABLE, _UNREACHABLE_RU),
    922: (Refusal.UNREACHABLE, _UNREACHABLE_RU),
    927: (Refusal.UNREACHABLE, _UNREACHABLE_RU),
    936: (Refusal.UNREACHABLE, _UNREACHABLE_RU),
    940: (Refusal.BAD_MESSAGE, ""),
    943: (Refusal.POLICY, "ВКонтакте не разрешает сообществу такие сообщения."),
    944: (Refusal.POLICY, "Исчерпана квота таких сообщений: повторите позже."),
    945: (Refusal.UNREACHABLE, _UNREACHABLE_RU),
    946: (Refusal.UNREACHABLE, _UNREACHABLE_RU),
    950: (Refusal.WINDOW_CLOSED, _WINDOW_RU),
    985: (Refusal.UNREACHABLE, _UNREACHABLE_RU),
    987: (Refusal.UNREACHABLE, _UNREACHABLE_RU),
    988: (Refusal.UNREACHABLE, _UNREACHABLE_RU),
    3300: (Refusal.ACCOUNT, _CAPTCHA_RU),
}
KEYBOARD = frozenset({911, 912})
"""The same message is taken without its buttons."""


def refused(answer: Answer) -> Refused:
    why, remedy = TABLE.get(answer.code, (Refusal.BAD_MESSAGE, ""))
    return Refused(why, str(answer.code), answer.description, remedy)
