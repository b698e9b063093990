"""Connecting a number: the app listens to the business account, the number is registered, and what is missing is said.

Before that people do by hand what has no API: docs/channels/whatsapp.md.
"""

from collections.abc import Awaitable, Callable

from channels.adapters.whatsapp.errors import remedy_of
from channels.adapters.whatsapp.wire import Graph, denied
from channels.json_fields import Fields, fields, rows, text
from channels.model import Account
from channels.ports import Probe, ProbeItem, ProbeState
from core.errors import AppError
from core.outside_http import AccessDenied, Kind

NUMBER_FIELDS = "verified_name,display_phone_number,code_verification_status,quality_rating,status"
MESSAGE_FIELDS = "messages"
INVALID_PARAMETER = 100


async def connect(graph: Graph, account: Account, url: str) -> None:
    """Twice is the same as once."""
    number = await _number(graph)
    if text(number, "code_verification_status") == "NOT_VERIFIED" and text(number, "status") != "CONNECTED":
        raise AccessDenied(
            "the phone number is not verified",
            "Подтвердите номер кодом из СМС или звонка: WhatsApp Manager → Номера телефонов.",
        )
    pin = account.secrets.get("pin", "")
    if pin and text(number, "status") not in ("", "CONNECTED"):
        await graph.tell("register", "POST", f"/{graph.number}/register", {"messaging_product": "whatsapp", "pin": pin})
    app_id, secret = str(account.settings.get("app_id") or ""), account.secrets.get("app_secret", "")
    if app_id:
        await _call_us(graph, app_id, secret, url, account.secrets.get("verify_token", ""))
    await graph.tell("subscribe", "POST", f"/{graph.waba}/subscribed_apps")


async def _call_us(graph: Graph, app_id: str, secret: str, url: str, verify_token: str) -> None:
    """The app's callback address. Meta asks it at once (hub.challenge), so it must answer already."""
    _, error = await graph.request(
        "callback",
        "POST",
        f"/{app_id}/subscriptions",
        kind=Kind.REPEATABLE,
        headers={"Authorization": f"Bearer {app_id}|{secret}"},
        json_body={
            "object": "whatsapp_business_account",
            "callback_url": url,
            "verify_token": verify_token,
            "fields": MESSAGE_FIELDS,
        },
    )
    if error is not None:
        raise AccessDenied(
            "WhatsApp does not accept the callback address",
            f"Meta не смогла проверить адрес {url}: он должен открываться снаружи по https; проверьте ID и секрет "
            "приложения, либо впишите адрес и проверочный токен вручную (App Dashboard → WhatsApp → Configuration).",
            code=error.code,
        )


async def disconnect(graph: Graph) -> None:
    """The subscription belongs to the whole business account: with other numbers on it, it stays."""
    if await _numbers(graph) > 1:
        return
    _, error = await graph.request("unsubscribe", "DELETE", f"/{graph.waba}/subscribed_apps", kind=Kind.REPEATABLE)
    if error is not None and error.code in (0, 190):
        return  # the token is gone, and with it what it could do


async def _numbers(graph: Graph) -> int:
    answer, error = await graph.request("numbers", "GET", f"/{graph.waba}/phone_numbers", params={"fields": "id"})
    return 1 if error is not None else len(list(rows(answer, "data")))


async def probe(graph: Graph, account: Account) -> Probe:
    """Nothing is written."""
    name = ""

    async def auth() -> str:
        nonlocal name
        number = await _number(graph)
        name = text(number, "verified_name")
        return text(number, "display_phone_number")

    async def registered() -> str:
        number = await _number(graph)
        status, verified = text(number, "status"), text(number, "code_verification_status")
        if status not in ("", "CONNECTED"):
            raise AccessDenied(
                f"the number is {status}",
                "Номер ещё не работает в Cloud API: подтвердите его и зарегистрируйте (PIN двухэтапной проверки).",
            )
        return ", ".join(filter(None, (status, verified, text(number, "quality_rating"))))

    async def webhook() -> str:
        answer = await graph.ask("subscribed_apps", f"/{graph.waba}/subscribed_apps")
        apps = [text(fields(row, "whatsapp_business_api_data"), "name") for row in rows(answer, "data")]
        if not apps:
            raise AccessDenied(
                "the app does not listen to this business account",
                "Подключите канал (ai-admin channels connect whatsapp) и впишите адрес вебхука в приложение Meta.",
            )
        return ", ".join(filter(None, apps))

    async def templates() -> str:
        answer = await graph.ask(
            "templates", f"/{graph.waba}/message_templates", {"limit": "100", "fields": "name,language,status"}
        )
        approved = [text(row, "name") for row in rows(answer, "data") if text(row, "status").upper() == "APPROVED"]
        return f"одобрено: {', '.join(sorted(set(approved))) or 'нет'}"

    questions: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        ("auth", auth),
        ("send", registered),
        ("webhook", webhook),
        ("templates", templates),
    ]
    items = tuple([await _asked(what, question) for what, question in questions])
    return Probe(items, address=graph.number if items[0].state is ProbeState.WORKS else "", name=name)


async def _number(graph: Graph) -> Fields:
    """What Meta says of our number. A version that lacks one of the fields is asked for what it has."""
    path = f"/{graph.number}"
    answer, error = await graph.request("number", "GET", path, params={"fields": NUMBER_FIELDS})
    if error is not None and error.code == INVALID_PARAMETER:
        answer, error = await graph.request("number", "GET", path)
    if error is not None:
        raise denied(error, "number")
    return answer


async def _asked(what: str, question: Callable[[], Awaitable[str]]) -> ProbeItem:
    try:
        return ProbeItem(what, ProbeState.WORKS, await question())
    except AccessDenied as error:
        return ProbeItem(what, ProbeState.DENIED, error.message, error.remedy)
    except AppError as error:
        return ProbeItem(what, ProbeState.FAILED, error.message, remedy_of(error))
