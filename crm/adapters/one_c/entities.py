"""What is read once and kept: the profile, and which 1C objects our masters and services are."""

import asyncio
import time
from collections.abc import Mapping

from core.errors import AppError, ConfigurationError, InvalidInput
from core.outside_http import AccessDenied
from crm.adapters.one_c import odata
from crm.adapters.one_c.metadata import Metadata, read_metadata
from crm.adapters.one_c.profile import ListMap, Profile, contradictions, parse_profile
from crm.adapters.one_c.proposing import propose_profile
from crm.adapters.one_c.rows import Refs, is_alive
from crm.adapters.one_c.wire import Wire
from crm.catalogue import Catalogue
from crm.vendor.adapter import AdapterTools, Connection

KEEP_S = 600.0
PROFILE_RU = (
    "Опубликуйте недостающие объекты в составе OData или опишите профиль сами в настройке profile: какой справочник "
    "клиенты, какой сотрудники и услуги, какой документ запись."
)
PROPOSED = "one_c_profile"
"""Kind of link: the proposal for a base, so that its metadata is not read by every process."""


class Entities:
    def __init__(self, connection: Connection, tools: AdapterTools, wire: Wire) -> None:
        self._connection = connection
        self._links = tools.links
        self._wire = wire
        self._profile: Profile | None = None
        self._refs: tuple[float, Refs] | None = None
        self._lock = asyncio.Lock()

    @property
    def confirmed(self) -> bool:
        """A person has entered the profile; else it is our own proposal."""
        return bool(self._connection.settings.get("profile"))

    async def profile(self) -> Profile:
        """The setting's, else the proposal from the base's metadata. Raises AccessDenied: a person must mend it."""
        if self._profile is None:
            async with self._lock:
                try:
                    self._profile = self._profile or await self._find_profile()
                except InvalidInput as wrong:
                    raise AccessDenied(wrong.message, f"{PROFILE_RU} Сейчас: {wrong.message}") from None
        return self._profile

    async def _find_profile(self) -> Profile:
        given = self._connection.settings.get("profile")
        if given:
            return parse_profile(given)
        known = await self._links.get(PROPOSED, self._wire.base)
        if known is not None:
            try:
                return parse_profile(str(known["profile"]))
            except AppError:  # written by another version: propose anew
                pass
        profile = propose_profile(await self.metadata())
        await self._links.put(PROPOSED, self._wire.base, {"profile": profile.to_json()})
        return profile

    async def metadata(self) -> Metadata:
        document = await self._wire.metadata()
        return await asyncio.to_thread(read_metadata, document)  # megabytes of XML: not on the event loop

    async def looked_at_anew(self) -> tuple[Profile, list[str]]:
        """The profile against the base as it is now: a proposal is made anew, and what the base has not is listed."""
        metadata = await self.metadata()
        if not self.confirmed:
            self._profile = propose_profile(metadata)
            await self._links.put(PROPOSED, self._wire.base, {"profile": self._profile.to_json()})
        profile = await self.profile()
        return profile, contradictions(profile, metadata)

    async def refs(self, catalogue: Catalogue) -> Refs:
        """Our masters and services in 1C: by the connection's `map`, else by their names.

        Who is not found is left out: `staff_ref` says so when she is needed. Raises ConfigurationError for a wrong map.
        """
        if self._refs is None or time.monotonic() - self._refs[0] > KEEP_S:
            profile = await self.profile()
            staff = {str(key): item.name for key, item in catalogue.staff.items()}
            services = {str(key): item.name for key, item in catalogue.services.items()}
            found = Refs(
                await self._matched("staff", profile.staff, staff),
                await self._matched("services", profile.services, services),
            )
            self._refs = (time.monotonic(), found)
        return self._refs[1]

    async def _matched(self, what: str, where: ListMap, names: Mapping[str, str]) -> dict[str, str]:
        given = self._connection.mapped(what)
        if unknown := sorted(key for key in given if key not in names):
            raise ConfigurationError(f"map.{what}: the salon has no {', '.join(unknown)}")
        if wrong := sorted(key for key, ref in given.items() if not odata.is_guid(ref)):
            raise ConfigurationError(f"map.{what}: no reference of 1C (Ref_Key) is given for {', '.join(wrong)}")
        if len({ref.lower() for ref in given.values()}) < len(given):
            raise ConfigurationError(f"map.{what}: two entries point to the same object of 1C")
        found = {key: ref.lower() for key, ref in given.items()}
        if set(names) - set(found):
            by_name = await self._names(what, where)
            for key, name in names.items():
                refs = by_name.get(_plain(name), [])
                if key not in found and len(refs) == 1:
                    found[key] = refs[0]
        return found

    async def mapping(self, what: str) -> tuple[int, list[str]]:
        """How many masters or services 1C has, and which entries of the map point to none of them: 1C itself would
        take a reference to nothing."""
        profile = await self.profile()
        names = await self._names(what, profile.staff if what == "staff" else profile.services)
        refs = {ref for found in names.values() for ref in found}
        given = self._connection.mapped(what)
        return len(refs), sorted(key for key, ref in given.items() if ref.lower() not in refs)

    async def _names(self, what: str, where: ListMap) -> dict[str, list[str]]:
        rows = await self._wire.listed(
            what, where.set, where="DeletionMark eq false", select=("Ref_Key", where.name, "DeletionMark")
        )
        found: dict[str, list[str]] = {}
        for row in rows:
            if is_alive(row):
                found.setdefault(_plain(row.text(where.name, "")), []).append(row.id("Ref_Key").lower())
        return found


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("ё", "е").split())
