"""How a bot stands at Telegram: who it is, and whether messages reach us. Nothing is written."""

from datetime import UTC, datetime

from channels import json_fields as read
from channels.adapters.telegram.wire import REVOKED_RU, Bot
from channels.json_fields import Fields
from channels.ports import Probe, ProbeItem, ProbeState
from core.errors import AppError

_ADDRESS_RU = (
    "Telegram не может доставить сообщения на ваш адрес: он должен открываться из интернета по HTTPS, порт 443, 80, 88 "
    "или 8443, с действующим сертификатом. Без внешнего адреса подключите с --setting mode=poll."
)
_CONNECT_RU = "Вебхук не установлен: выполните `ai-admin channels connect telegram` ещё раз."
_POLL_RU = "У бота стоит вебхук, а салон подключён опросом: подключите заново, вебхук будет снят."


async def probe(bot: Bot, mode: str) -> Probe:
    try:
        me = await bot.call("getMe")
        if not me.ok:
            state = ProbeState.DENIED if me.code in (401, 403, 404) else ProbeState.FAILED
            remedy = REVOKED_RU if state is ProbeState.DENIED else ""
            return Probe((ProbeItem("auth", state, f"{me.code} {me.description}".strip(), remedy),))
        who = read.fields(me.result)
        hook = await bot.call("getWebhookInfo")
    except AppError as error:
        return Probe((ProbeItem("auth", ProbeState.FAILED, error.message, "Telegram не отвечает, проверьте позже."),))
    username = read.text(who, "username")
    items = [ProbeItem("auth", ProbeState.WORKS, f"@{username}" if username else read.text(who, "first_name"))]
    items.append(_webhook(read.fields(hook.result), mode) if hook.ok else ProbeItem("webhook", ProbeState.FAILED))
    business = who.get("can_connect_to_business") is True
    items.append(
        ProbeItem(
            "business",
            ProbeState.WORKS if business else ProbeState.ABSENT,
            "" if business else "не включено",
            "" if business else "Если бот должен отвечать в личном аккаунте салона: @BotFather → Business Mode.",
        )
    )
    name = f"@{username}" if username else read.text(who, "first_name")
    return Probe(tuple(items), read.text(who, "id"), name)


def _webhook(info: Fields, mode: str) -> ProbeItem:
    url, error = read.text(info, "url"), read.text(info, "last_error_message")
    waiting = read.whole(info, "pending_update_count") or 0
    if mode == "poll" and url:
        return ProbeItem("webhook", ProbeState.DENIED, "webhook is set", _POLL_RU)
    if not url and mode != "webhook":
        return ProbeItem("poll", ProbeState.WORKS, f"ждут: {waiting}")
    if not url:
        return ProbeItem("webhook", ProbeState.DENIED, "not set", _CONNECT_RU)
    if error and waiting:  # an old error with nothing waiting has passed
        seconds = read.whole(info, "last_error_date") or 0
        when = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="minutes") if 0 < seconds < 10**11 else ""
        return ProbeItem("webhook", ProbeState.FAILED, f"{error} ({when}), ждут: {waiting}", _ADDRESS_RU)
    return ProbeItem("webhook", ProbeState.WORKS, f"ждут: {waiting}")
