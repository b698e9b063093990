"""`crm.*`, `calendar.event.*` and `user.get`: contacts, deals with custom fields, calendars of users."""

import re
from datetime import datetime
from typing import Any

from tests.simulators.bitrix24.state import Portal
from tests.simulators.bitrix24.wire import Params, Refusal, missing, whole

DEAL, CONTACT = 2, 3
PAGE = 50
CONTACT_FIELDS = {"name", "secondName", "lastName", "fm", "originatorId", "originId", "comments"}
DEAL_FIELDS = {
    "title", "categoryId", "stageId", "contactId", "contactIds", "opportunity", "currencyId", "isManualOpportunity",
    "begindate", "closedate", "comments", "originatorId", "originId", "additionalInfo",
}  # fmt: skip
EVENT_FIELDS = {
    "type", "ownerId", "from", "to", "name", "description", "accessibility", "is_meeting", "crm_fields", "section",
    "auto_detect_section", "skip_time", "timezone_from", "timezone_to", "color", "importance", "private_event",
    "remind", "location",
}  # fmt: skip


class CrmModule:
    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.empty_duplicates: Any = []
        """Nothing found: [] by PHP's habit, or {}: undocumented."""
        self.normalises = False
        """Whether the search for duplicates knows +7, 7 and 8 as one: undocumented."""
        self.fm_as_object = False

    def call(self, method: str, params: Params) -> tuple[Any, list[tuple[str, int]]]:
        match method:
            case "crm.duplicate.findbycomm":
                return self._duplicates(params), []
            case "crm.item.get":
                table, number = self._table(params), params.whole("id")
                return {"item": self._shown(self._row(table, number), params)}, []
            case "crm.item.list":
                return self._list(params), []
            case "crm.item.add":
                return self._add(params)
            case "crm.item.update":
                return self._update(params)
            case "crm.item.delete":
                table, number = self._table(params), params.whole("id")
                self._row(table, number)
                del table[number]
                return [], []
            case "crm.deal.userfield.list":
                params.object("filter")
                return _page(params, list(self.portal.user_fields.values())), []
            case "crm.deal.userfield.add":
                return self._new_field(params), []
            case "calendar.event.get":
                return self._events(params), []
            case "calendar.event.add":
                return self._new_event(params), []
            case "calendar.event.delete":
                if self.portal.calendar.pop(params.whole("id"), None) is None:
                    raise Refusal(400, "", "При удалении события произошла ошибка")
                return True, []
            case "user.get":
                params.get("FILTER")
                return _page(params, self._users()), []
        raise Refusal(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")

    # --- contacts and deals

    def _table(self, params: Params) -> dict[int, dict[str, Any]]:
        number = params.whole("entityTypeId")
        if number not in (DEAL, CONTACT):
            raise Refusal(400, "NOT_FOUND", "Смарт-процесс не найден")
        return self.portal.deals if number == DEAL else self.portal.contacts

    def _row(self, table: dict[int, dict[str, Any]], number: int) -> dict[str, Any]:
        if number not in table:
            raise Refusal(400, "NOT_FOUND", "Элемент не найден")
        return table[number]

    def _shown(self, row: dict[str, Any], params: Params, *, multifields: bool = True) -> dict[str, Any]:
        original = params.get("useOriginalUfNames") == "Y"
        shown = {(key if original else camel(key)): value for key, value in row.items()}
        if "fm" in shown and not multifields:
            del shown["fm"]
        if "fm" in shown and self.fm_as_object:
            shown["fm"] = {str(item["id"]): item for item in shown["fm"]}
        return shown

    def _duplicates(self, params: Params) -> Any:
        values = params.get("values")
        if params.get("type") not in ("PHONE", "EMAIL"):
            raise Refusal(400, "Communication type is not defined", "")
        if not isinstance(values, list) or not 1 <= len(values) <= 20:
            raise missing("values")
        if params.get("entity_type") not in ("CONTACT", None):
            raise Refusal(400, "Entity type is not defined", "")
        wanted = {_plain(value) if self.normalises else value for value in values}
        found = [
            number
            for number, contact in self.portal.contacts.items()
            if any((_plain(p["value"]) if self.normalises else p["value"]) in wanted for p in contact["fm"])
        ]
        return {"CONTACT": found[:20]} if found else self.empty_duplicates

    def _list(self, params: Params) -> Any:
        table, wanted = self._table(params), params.object("filter")
        select, order = params.get("select") or ["*"], params.object("order")
        params.get("useOriginalUfNames")
        known = {"id", *DEAL_FIELDS, *CONTACT_FIELDS, *self.portal.user_fields, "createdTime", "updatedTime",
                 "stageSemanticId"}  # fmt: skip
        rows = list(table.values())
        for key, value in wanted.items():
            sign, name = re.fullmatch(r"(>=|<=|>|<|@|!|=|%)?(.+)", key).groups()  # type: ignore[union-attr]
            if name not in known:
                raise Refusal(400, "INVALID_ARG_VALUE", f"Invalid filter: field '{name}' is not allowed in filter")
            rows = [row for row in rows if _matches(row.get(name), sign or "=", value)]
        for name, way in reversed(order.items()):
            if name not in known or str(way).upper() not in ("ASC", "DESC"):
                raise Refusal(400, "INVALID_ARG_VALUE", f"Invalid order: field '{name}' is not allowed in order")
            rows.sort(key=lambda row, n=name: row[n], reverse=str(way).upper() == "DESC")  # type: ignore[misc]
        everything = "*" in select
        shown = []
        for row in rows:
            full = self._shown(row, params, multifields=everything)
            shown.append(full if everything else {key: full.get(key) for key in select if key in known})
        return _page(params, shown, "items")

    def _add(self, params: Params) -> tuple[Any, list[tuple[str, int]]]:
        table = self._table(params)
        params.get("useOriginalUfNames")
        if table is self.portal.contacts:
            fields = params.fields(CONTACT_FIELDS)
            number = self.portal.add_contact("", "")
            row = self.portal.contacts[number]
            row |= {key: value for key, value in fields.items() if key != "fm"}
            row["fm"] = self._multifields(fields.get("fm") or {})
            return {"item": self._shown(row, params)}, [("ONCRMCONTACTADD", number)]
        fields = params.fields(DEAL_FIELDS | set(self.portal.user_fields))
        self._check_deal(fields)
        number = self.portal.add_deal(dict(fields))
        return {"item": self._shown(self.portal.deals[number], params)}, [("ONCRMDEALADD", number)]

    def _update(self, params: Params) -> tuple[Any, list[tuple[str, int]]]:
        if self._table(params) is not self.portal.deals:
            raise Refusal(400, "SIM_UNKNOWN_PARAMETER", "only deals are changed here")
        deal = self._row(self.portal.deals, params.whole("id"))
        params.get("useOriginalUfNames")
        fields = params.fields(DEAL_FIELDS | set(self.portal.user_fields))
        self._check_deal({**deal, **fields})
        deal |= fields
        deal["updatedTime"] = self.portal.iso()
        self.portal.mean_stage(deal)
        return {"item": self._shown(deal, params)}, [("ONCRMDEALUPDATE", deal["id"])]

    def _check_deal(self, fields: dict[str, Any]) -> None:
        category, stage = fields.get("categoryId", 0), str(fields.get("stageId", ""))
        if stage and category and not stage.startswith(f"C{category}:"):
            raise Refusal(400, "CRM_FIELD_ERROR_VALUE_NOT_VALID", 'Неверное значение поля "Стадия"')
        if fields.get("contactId") and whole(fields["contactId"], "contactId") not in self.portal.contacts:
            raise Refusal(400, "CRM_FIELD_ERROR_VALUE_NOT_VALID", 'Неверное значение поля "Контакт"')
        for code, field in self.portal.user_fields.items():
            if field.get("USER_TYPE_ID") == "datetime" and fields.get(code):
                try:
                    offset = datetime.fromisoformat(fields[code]).tzinfo
                except ValueError:
                    offset = None
                if offset is None:
                    raise Refusal(400, "CRM_FIELD_ERROR_VALUE_NOT_VALID", code)

    def _multifields(self, given: Any) -> list[dict[str, Any]]:
        if not isinstance(given, dict):
            raise Refusal(400, 100, "Expected iterable value for multiple field")
        rows = []
        for item in given.values():
            if set(item) != {"typeId", "valueType", "value"} or item["valueType"] not in ("WORK", "MOBILE", "HOME"):
                raise Refusal(400, "CRM_FIELD_ERROR_VALUE_NOT_VALID", "fm")
            rows.append({"id": self.portal.id(), **item})
        return rows

    def _new_field(self, params: Params) -> int:
        known = {"FIELD_NAME", "USER_TYPE_ID", "LABEL", "XML_ID", "EDIT_FORM_LABEL", "LIST_COLUMN_LABEL"}
        fields = params.fields(known, ("FIELD_NAME", "USER_TYPE_ID"))
        code = "UF_CRM_" + fields["FIELD_NAME"].upper().removeprefix("UF_CRM_").removeprefix("UF_")
        if not re.fullmatch(r"[A-Z0-9_]{8,50}", code) or code in self.portal.user_fields:
            raise Refusal(400, "ERROR_CORE", "Поле уже существует или имя неверно")
        return self.portal.add_user_field(code, fields["USER_TYPE_ID"])

    # --- calendars and users

    def _events(self, params: Params) -> list[dict[str, Any]]:
        if params.get("type") != "user":
            raise Refusal(400, "", 'Не задан обязательный параметр "type" для метода "calendar.event.get"')
        owner = params.whole("ownerId")
        first, last = params.get("from"), params.get("to")
        zone = self.portal.file.zone
        rows = [event for event in self.portal.calendar.values() if event["OWNER_ID"] == str(owner)]
        if first:
            start = datetime.fromisoformat(first).replace(tzinfo=zone).timestamp()
            rows = [event for event in rows if int(event["DATE_TO_TS_UTC"]) > start]
        if last:
            end = datetime.fromisoformat(last).replace(tzinfo=zone, hour=23, minute=59).timestamp()
            rows = [event for event in rows if int(event["DATE_FROM_TS_UTC"]) < end]
        return rows

    def _new_event(self, params: Params) -> int:
        given = {name: params.get(name) for name in EVENT_FIELDS}
        if given["type"] != "user" or not given["name"] or not given["from"] or not given["to"]:
            raise Refusal(400, "", "Не задан обязательный параметр")
        if given["auto_detect_section"] != "Y" and not given["section"]:
            raise Refusal(400, "", 'Не задан обязательный параметр "section"')
        if whole(given["ownerId"], "ownerId", loose=params.loose) not in self.portal.users:
            raise Refusal(400, "", "Доступ запрещен")
        start, end = (int(datetime.fromisoformat(given[side]).timestamp()) for side in ("from", "to"))
        return self.add_event(int(given["ownerId"]), start, end, str(given["description"] or ""), given["crm_fields"])

    def add_event(self, user: int, start: int, end: int, description: str = "", crm: Any = None) -> int:
        number = self.portal.id()
        self.portal.calendar[number] = {
            "ID": str(number), "PARENT_ID": str(number), "DELETED": "N", "CAL_TYPE": "user", "OWNER_ID": str(user),
            "NAME": "событие", "DATE_FROM_TS_UTC": str(start), "DATE_TO_TS_UTC": str(end), "DT_SKIP_TIME": "N",
            "DT_LENGTH": end - start, "ACCESSIBILITY": "busy", "DESCRIPTION": description, "IS_MEETING": False,
            "MEETING_STATUS": "H", "UF_CRM_CAL_EVENT": crm or False, "TZ_FROM": "Europe/Moscow",
        }  # fmt: skip
        return number

    def _users(self) -> list[dict[str, Any]]:
        names = {member.id: member.name for member in self.portal.file.staff}
        return [
            {"ID": str(number), "ACTIVE": True, "NAME": names[key].split()[0], "LAST_NAME": names[key].split()[-1]}
            for number, key in self.portal.users.items()
        ]  # fmt: skip


class Paged:
    """A list with its `next` and `total` beside the result."""

    def __init__(self, result: Any, next_: int | None, total: int) -> None:
        self.result = result
        self.beside = {"total": total, **({"next": next_} if next_ is not None else {})}


def _page(params: Params, rows: list[Any], key: str = "") -> Paged:
    start = params.get("start")
    at = whole(start, "start", loose=True) if start is not None else 0
    part = rows[at : at + PAGE]
    following = at + PAGE if at + PAGE < len(rows) else None
    return Paged({key: part} if key else part, following, len(rows))


def camel(name: str) -> str:
    """UF_CRM_AI_START is ufCrmAiStart without useOriginalUfNames."""
    if not name.startswith("UF_"):
        return name
    first, *rest = name.lower().split("_")
    return first + "".join(word.capitalize() for word in rest)


def _plain(value: str) -> str:
    return re.sub(r"\D", "", value)[-10:]


def _matches(mine: Any, sign: str, wanted: Any) -> bool:
    if sign in ("=", ""):
        return str(mine) == str(wanted)
    if mine is None:
        return False
    if sign == "@":
        return str(mine) in [str(value) for value in wanted]
    try:
        first, second = datetime.fromisoformat(str(mine)), datetime.fromisoformat(str(wanted))
    except ValueError:
        raise Refusal(400, "INVALID_ARG_VALUE", "Invalid filter: the field has invalid value") from None
    return {">": first > second, "<": first < second, ">=": first >= second, "<=": first <= second}[sign]
