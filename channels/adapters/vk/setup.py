"""Our server among the community's callback servers (at most ten): made, found again by its title, taken away."""

from typing import Any

from channels import json_fields as read
from channels.adapters.vk.reading import SUBSCRIBED
from channels.adapters.vk.wire import DENIED, VERSION, Community, failure
from channels.json_fields import Fields
from core.errors import Unavailable
from core.outside_http import Kind

TITLE = "AI-Admin"
"""At most 14 characters."""


class Servers:
    def __init__(self, community: Community) -> None:
        self._community = community

    async def ours(self) -> list[Fields]:
        """Raises AccessDenied without the right to manage the community."""
        found = await self._community.result("groups.getCallbackServers", self._own())
        return [server for server in read.rows(read.fields(found), "items") if read.text(server, "title") == TITLE]

    async def confirmation(self) -> str:
        found = await self._community.result("groups.getCallbackConfirmationCode", self._own())
        code = read.text(read.fields(found), "code")
        if not code:
            raise Unavailable("VK tells no confirmation code")
        return code

    async def install(self, url: str, secret: str) -> None:
        """The server that is there already is changed only where it differs: VK asks for a confirmation each time."""
        server = {"url": url, "title": TITLE, "secret_key": secret}
        ours = await self.ours()
        if not ours:
            added = await self._community.result("groups.addCallbackServer", {**self._own(), **server}, Kind.REPEATABLE)
            number = read.whole(read.fields(added), "server_id")
        else:
            number = read.whole(ours[0], "id")
            same = read.text(ours[0], "url") == url and read.text(ours[0], "secret_key") == secret
            if not same or read.text(ours[0], "status") == "failed":
                changed = {**self._own(), "server_id": number, **server}
                await self._community.result("groups.editCallbackServer", changed, Kind.REPEATABLE)
        wanted = {"server_id": number, "api_version": VERSION, **self._subscriptions(1)}
        await self._community.result("groups.setCallbackSettings", {**self._own(), **wanted}, Kind.REPEATABLE)

    async def poll_instead(self) -> None:
        """The long poll on, our callback server away: else everything would come twice."""
        wanted = {"enabled": 1, "api_version": VERSION, **self._subscriptions(1)}
        await self._community.result("groups.setLongPollSettings", {**self._own(), **wanted}, Kind.REPEATABLE)
        await self.remove()

    async def remove(self) -> None:
        """A key that is not taken any more is no error: then VK's calls are refused by us."""
        answer = await self._community.call("groups.getCallbackServers", self._own())
        if not answer.ok:
            if answer.code in DENIED:
                return
            raise failure(answer, "groups.getCallbackServers")
        for server in read.rows(read.fields(answer.result), "items"):
            if read.text(server, "title") == TITLE:
                gone = {**self._own(), "server_id": read.whole(server, "id")}
                await self._community.result("groups.deleteCallbackServer", gone, Kind.REPEATABLE)

    def _own(self) -> dict[str, Any]:
        return {"group_id": self._community.group_id}

    def _subscriptions(self, value: int) -> dict[str, int]:
        return dict.fromkeys(SUBSCRIBED, value)
