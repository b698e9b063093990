"""How a community stands at VK. Nothing is written."""

from channels import json_fields as read
from channels.adapters.vk.setup import Servers
from channels.adapters.vk.wire import DENIED, REVOKED_RU, Community
from channels.ports import Probe, ProbeItem, ProbeState
from core.errors import AppError
from core.outside_http import AccessDenied

_SERVER_RU = (
    "ВКонтакте не получил ответа с нашего адреса: он должен открываться из интернета. Исправьте и выполните "
    "`ai-admin channels connect vk` ещё раз."
)
_CONNECT_RU = "Сервер уведомлений не установлен: выполните `ai-admin channels connect vk` ещё раз."


async def probe(community: Community, servers: Servers, mode: str) -> Probe:
    try:
        answer = await community.call("groups.getById", {"group_id": community.group_id})
        if not answer.ok:
            state = ProbeState.DENIED if answer.code in DENIED else ProbeState.FAILED
            remedy = REVOKED_RU if state is ProbeState.DENIED else "Проверьте номер сообщества (group_id)."
            return Probe((ProbeItem("auth", state, f"{answer.code} {answer.description}".strip(), remedy),))
        listed = answer.result if isinstance(answer.result, list) else read.fields(answer.result).get("groups")
        group = read.fields(listed[0]) if isinstance(listed, list) and listed else {}
        if read.text(group, "id") != community.group_id:
            detail = f"the key is of another community: {read.text(group, 'name')}"
            return Probe(
                (ProbeItem("auth", ProbeState.DENIED, detail, "Ключ другого сообщества: возьмите ключ этого."),)
            )
        name = read.text(group, "name")
        items = [ProbeItem("auth", ProbeState.WORKS, name), await _server(servers, mode)]
    except AppError as error:
        return Probe((ProbeItem("auth", ProbeState.FAILED, error.message, "ВКонтакте не отвечает, проверьте позже."),))
    return Probe(tuple(items), community.group_id, name)


async def _server(servers: Servers, mode: str) -> ProbeItem:
    try:
        ours = await servers.ours()
    except AccessDenied as error:
        return ProbeItem("webhook", ProbeState.DENIED, error.message, error.remedy)
    if not ours:
        if mode == "webhook":
            return ProbeItem("webhook", ProbeState.DENIED, "not set", _CONNECT_RU)
        return ProbeItem("poll", ProbeState.WORKS)
    status = read.text(ours[0], "status")
    if status == "failed":
        return ProbeItem("webhook", ProbeState.FAILED, status, _SERVER_RU)
    return ProbeItem("webhook", ProbeState.WORKS, "" if status == "ok" else "ждёт подтверждения")
