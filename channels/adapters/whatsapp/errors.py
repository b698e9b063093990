"""What each error code of the WhatsApp Business Platform means for us. Decided by the code, never by words or status.

https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""

from dataclasses import dataclass
from enum import StrEnum

from channels.json_fields import Fields, fields, text, whole
from channels.model import Refusal, Refused
from core.errors import AppError
from core.outside_http import Malformed, Reply


class Pause(StrEnum):
    """Passes by itself; nothing was sent."""

    PAIR = "pair"
    """This person only."""
    NUMBER = "number"
    """Our number: too many messages a second."""
    APP = "app"
    """The app or business account: too many requests an hour."""
    SERVICE = "service"
    """Meta has a fault of its own."""


_NEW_KEY = (
    "Выпустите новый постоянный токен системного пользователя (Business Manager → Пользователи → Системные) и введите."
)
_RIGHTS = (
    "Дайте системному пользователю права whatsapp_business_messaging и whatsapp_business_management на этот аккаунт."
)
_LOCKED = "Откройте Business Manager → Качество аккаунта: Meta ограничила аккаунт. Обжалуйте там или подождите срока."
_REGISTER = (
    "Номер не зарегистрирован в Cloud API: зарегистрируйте его в WhatsApp Manager или введите PIN и подключите снова."
)
_TEMPLATE = "Откройте WhatsApp Manager → Шаблоны сообщений и сверьте шаблон: название, язык, число переменных и статус."
_WINDOW = (
    "Клиент не писал больше 24 часов: WhatsApp пускает только одобренный шаблон. Включите шаблоны или другой канал."
)
_OURS = "Сообщение составлено не так, как требует WhatsApp: сообщите в поддержку номер ошибки."
_ABSENT = "Клиент не получает сообщений: нет WhatsApp, старая версия или вас заблокировали. Напишите по другому каналу."
_PAY = "Проверьте способ оплаты: Business Manager → Оплата → WhatsApp."
_MARKETING = "WhatsApp не доставляет этому человеку рекламные сообщения. Напишите позже или по другому каналу."


@dataclass(frozen=True, slots=True)
class Meaning:
    why: Refusal | Pause
    remedy_ru: str = ""


MEANINGS: dict[int, Meaning] = {
    0: Meaning(Refusal.ACCOUNT, _NEW_KEY),
    190: Meaning(Refusal.ACCOUNT, _NEW_KEY),
    3: Meaning(Refusal.ACCOUNT, _RIGHTS),
    10: Meaning(Refusal.ACCOUNT, _RIGHTS),
    1: Meaning(Pause.SERVICE),
    2: Meaning(Pause.SERVICE),
    4: Meaning(Pause.APP),
    80007: Meaning(Pause.APP),
    33: Meaning(Refusal.ACCOUNT, "Проверьте ID номера: такого номера у этого токена нет."),
    100: Meaning(Refusal.BAD_MESSAGE, _OURS),
    368: Meaning(Refusal.ACCOUNT, _LOCKED),
    130429: Meaning(Pause.NUMBER),
    130472: Meaning(Refusal.POLICY, _MARKETING),
    130497: Meaning(Refusal.POLICY, "WhatsApp не даёт писать в эту страну. Напишите по другому каналу."),
    131000: Meaning(Pause.SERVICE),
    131005: Meaning(Refusal.ACCOUNT, _RIGHTS),
    131008: Meaning(Refusal.BAD_MESSAGE, _OURS),
    131009: Meaning(Refusal.BAD_MESSAGE, _OURS),
    131016: Meaning(Pause.SERVICE),
    131021: Meaning(Refusal.BAD_MESSAGE, "Сообщение адресовано собственному номеру салона."),
    131026: Meaning(Refusal.UNREACHABLE, _ABSENT),
    131030: Meaning(
        Refusal.UNREACHABLE, "Номер тестовый: добавьте телефон клиента в список получателей или подключите свой номер."
    ),
    131031: Meaning(Refusal.ACCOUNT, _LOCKED),
    131037: Meaning(Refusal.ACCOUNT, "Отображаемое имя номера не одобрено: дождитесь проверки в WhatsApp Manager."),
    131042: Meaning(Refusal.ACCOUNT, _PAY),
    131045: Meaning(Refusal.ACCOUNT, _REGISTER),
    131047: Meaning(Refusal.WINDOW_CLOSED, _WINDOW),
    131048: Meaning(
        Refusal.POLICY,
        "Meta считает рассылку спамом и придержала номер: сократите сообщения, проверьте качество номера.",
    ),
    131049: Meaning(Refusal.POLICY, _MARKETING),
    131050: Meaning(Refusal.POLICY, "Человек отказался от рекламы в WhatsApp."),
    131051: Meaning(Refusal.BAD_MESSAGE, _OURS),
    131052: Meaning(Refusal.BAD_MESSAGE, "Файл не скачался у Meta: попросите прислать его снова."),
    131053: Meaning(Refusal.BAD_MESSAGE, "Файл не принят: WhatsApp берёт Ogg/Opus до 16 МБ, JPEG и PNG до 5 МБ."),
    131056: Meaning(Pause.PAIR),
    131057: Meaning(Pause.SERVICE),
    131062: Meaning(
        Refusal.BAD_MESSAGE, "Этому клиенту без номера телефона такое сообщение послать нельзя: спросите номер."
    ),
    132000: Meaning(Refusal.BAD_MESSAGE, _TEMPLATE),
    132001: Meaning(Refusal.BAD_MESSAGE, _TEMPLATE),
    132005: Meaning(Refusal.BAD_MESSAGE, _TEMPLATE),
    132007: Meaning(Refusal.POLICY, "Текст шаблона нарушает правила WhatsApp: измените его в WhatsApp Manager."),
    132012: Meaning(Refusal.BAD_MESSAGE, _TEMPLATE),
    132015: Meaning(Refusal.POLICY, "Шаблон приостановлен из-за жалоб: измените его или подождите."),
    132016: Meaning(Refusal.POLICY, "Шаблон отключён навсегда: создайте новый."),
    132018: Meaning(Refusal.BAD_MESSAGE, _TEMPLATE),
    133004: Meaning(Pause.SERVICE),
    133005: Meaning(
        Refusal.ACCOUNT, "PIN двухэтапной проверки не подходит: введите верный или сбросьте его в WhatsApp Manager."
    ),
    133006: Meaning(
        Refusal.ACCOUNT, "Номер не подтверждён: пройдите проверку кодом из СМС или звонка в WhatsApp Manager."
    ),
    133010: Meaning(Refusal.ACCOUNT, _REGISTER),
    135000: Meaning(Refusal.BAD_MESSAGE, _OURS),
}


def meaning_of(code: int | None) -> Meaning | None:
    """None: a code that nobody knows."""
    if code is not None and 200 <= code <= 299:
        return Meaning(Refusal.ACCOUNT, _RIGHTS)
    return MEANINGS.get(code) if code is not None else None


def refusal_of(code: int | None) -> Refusal:
    """Of a `failed` status, which is final: what would have passed by itself did not."""
    meaning = meaning_of(code)
    if meaning is None:
        return Refusal.BAD_MESSAGE
    return meaning.why if isinstance(meaning.why, Refusal) else Refusal.POLICY


@dataclass(frozen=True, slots=True)
class GraphError:
    code: int | None
    message: str
    details: str
    transient: bool

    @property
    def meaning(self) -> Meaning | None:
        found = meaning_of(self.code)
        if found is None and self.transient:
            return Meaning(Pause.SERVICE)
        return found

    def refused(self) -> Refused:
        meaning = self.meaning
        why = meaning.why if meaning and isinstance(meaning.why, Refusal) else Refusal.BAD_MESSAGE
        reason = self.details or self.message
        return Refused(why, str(self.code or ""), reason, meaning.remedy_ru if meaning else _OURS)


def error_of(reply: Reply) -> GraphError | None:
    """The error of an answer; None when it holds none."""
    try:
        answer = reply.json()
    except Malformed:
        return None
    error: Fields = fields(answer, "error")
    if not error:
        return None
    return GraphError(
        whole(error, "code"),
        text(error, "message"),
        text(fields(error, "error_data"), "details") or text(error, "error_user_msg"),
        error.get("is_transient") is True,
    )


def remedy_of(error: AppError) -> str:
    code = error.facts.get("code")
    meaning = meaning_of(code) if isinstance(code, int) else None
    return meaning.remedy_ru if meaning and meaning.remedy_ru else "Повторите проверку позже."
