"""`booking.v1.*`: resources, slot settings, bookings, their clients and deals."""

from typing import Any

from tests.simulators.bitrix24.state import Portal, Visit
from tests.simulators.bitrix24.wire import Params, Refusal, missing, only, whole

FIELDS = {"resourceIds", "name", "description", "datePeriod"}
PAGE = 50


class BookingModule:
    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.cuts_at_page = True
        """Whether the list of bookings stops at 50 rows without a word: the documentation leaves it open."""
        self.overbooking = False
        """A taken time is let in all the same."""
        self.absent_delete: Refusal | bool = True
        """What deleting an absent booking answers: undocumented."""
        self.refuse_clients: Refusal | None = None
        self.resource_key = "resource"

    def call(self, method: str, params: Params) -> tuple[Any, list[tuple[str, int]]]:
        """The result, and the events that it causes: (name, id)."""
        match method:
            case "resource.list":
                return self._resources(params), []
            case "resourceType.list":
                return {"resource": [{"id": 1, "code": "expert", "name": "Специалисты", "moduleId": "booking"}]}, []
            case "resource.slots.list":
                return {"slots": self._slots(params)}, []
            case "booking.list":
                return {"booking": self._bookings(params)}, []
            case "booking.get":
                return {"booking": self._shown(self._visit(params.whole("id"), 1021))}, []
            case "booking.add":
                return self._add(params)
            case "booking.update":
                return self._update(params)
            case "booking.delete":
                return self._delete(params)
            case "booking.client.set":
                return self._set_clients(params), []
            case "booking.client.list":
                return {"bookingClient": self._visit(params.whole("bookingId"), 1021).clients}, []
            case "booking.externalData.set":
                return self._set_external(params), []
            case "booking.externalData.list":
                return {"externalData": self._visit(params.whole("bookingId"), 1021).external}, []
        raise Refusal(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")

    # --- reading

    def _resources(self, params: Params) -> dict[str, Any]:
        only(params.object("filter"), {"searchQuery", "name", "typeId", "isMain", "description"}, "filter")
        only(params.object("order"), {"id", "name"}, "order")
        on = self.portal.notifications
        rows = [
            {
                "id": number, "typeId": 1, "name": self.portal.resource_names[number], "description": None,
                "isMain": "Y",
                "isInfoNotificationOn": on, "isConfirmationNotificationOn": on, "isReminderNotificationOn": on,
                "isDelayedNotificationOn": on, "isFeedbackNotificationOn": on, "templateTypeInfo": "animate",
                "infoNotificationDelay": None, "reminderNotificationDelay": -1,
            }
            for number in self.portal.resources
        ]  # fmt: skip
        return {self.resource_key: rows}

    def _slots(self, params: Params) -> list[dict[str, Any]]:
        number = params.whole("resourceId")
        if number not in self.portal.resources:
            raise Refusal(400, 1009, "Resource not found")
        return self.portal.slot_settings(number)

    def _bookings(self, params: Params) -> list[dict[str, Any]]:
        wanted = params.object("filter")
        only(wanted, {"within", "client"}, "filter")
        order = params.object("order")
        only(order, {"id", "dateFrom", "dateTo"}, "order")
        rows = sorted(self.portal.visits.values(), key=lambda visit: visit.id)
        if (within := wanted.get("within")) is not None:
            if set(within) != {"dateFrom", "dateTo"}:
                raise Refusal(400, 0, "Required fields: dateFrom, dateTo")
            start, end = (whole(within[key], key, loose=True) for key in ("dateFrom", "dateTo"))
            if start > end:
                raise Refusal(400, 422, "Invalid date period")
            rows = [visit for visit in rows if visit.start < end and start < visit.end]
        if (client := wanted.get("client")) is not None:
            rows = [visit for visit in rows if self._has_client(visit, client)]
        return [self._shown(visit) for visit in (rows[:PAGE] if self.cuts_at_page else rows)]

    def _has_client(self, visit: Visit, client: Any) -> bool:
        if set(client) != {"entities"} or not isinstance(client["entities"], list):
            raise Refusal(400, 0, "Required fields: entities")
        for entity in client["entities"]:
            if set(entity) != {"code", "module", "id"} or entity["code"] not in ("CONTACT", "COMPANY"):
                raise Refusal(400, 0, "Required fields: code, module, id")
            if any(str(mine["id"]) == str(entity["id"]) for mine in visit.clients):
                return True
        return False

    def _shown(self, visit: Visit) -> dict[str, Any]:
        return {
            "id": visit.id, "name": visit.name, "description": visit.description, "resourceIds": visit.resources,
            "datePeriod": {
                "from": {"timestamp": visit.start, "timezone": visit.zone},
                "to": {"timestamp": visit.end, "timezone": visit.zone},
            },
        }  # fmt: skip

    def _visit(self, number: int, error: int) -> Visit:
        if number not in self.portal.visits:
            raise Refusal(400, error, "Booking not found")
        return self.portal.visits[number]

    # --- writing

    def _add(self, params: Params) -> tuple[Any, list[tuple[str, int]]]:
        fields = params.fields(FIELDS, ("resourceIds", "datePeriod"))
        resources, (start, end, zone) = self._resource_ids(fields), self._period(fields["datePeriod"])
        self._check_free(resources, start, end)
        number = self.portal.id()
        self.portal.visits[number] = Visit(
            number, self._text(fields, "name"), self._text(fields, "description"), resources, start, end, zone
        )
        return {"id": number}, [("ONBOOKINGADD", number)]

    def _update(self, params: Params) -> tuple[Any, list[tuple[str, int]]]:
        visit = self._visit(params.whole("id"), 1019)
        fields = params.fields(FIELDS)
        resources = self._resource_ids(fields) if "resourceIds" in fields else visit.resources
        start, end, zone = visit.start, visit.end, visit.zone
        if "datePeriod" in fields:
            start, end, zone = self._period(fields["datePeriod"])
        if (resources, start, end) != (visit.resources, visit.start, visit.end):
            self._check_free(resources, start, end, visit.id)
        visit.resources, visit.start, visit.end, visit.zone = resources, start, end, zone
        visit.name = self._text(fields, "name") if "name" in fields else visit.name
        visit.description = self._text(fields, "description") if "description" in fields else visit.description
        return True, [("ONBOOKINGUPDATE", visit.id)]

    def _delete(self, params: Params) -> tuple[Any, list[tuple[str, int]]]:
        number = params.whole("id")
        if self.portal.visits.pop(number, None) is None:
            if isinstance(self.absent_delete, Refusal):
                raise self.absent_delete
            return self.absent_delete, []
        return True, [("ONBOOKINGDELETE", number)]

    def _set_clients(self, params: Params) -> bool:
        visit, clients = self._visit(params.whole("bookingId"), 1021), params.get("clients")
        if not isinstance(clients, list):
            raise missing("clients")
        if self.refuse_clients is not None:
            raise self.refuse_clients
        for client in clients:
            if set(client) != {"id", "type"} or set(client["type"]) != {"module", "code"}:
                raise Refusal(400, 0, "Required fields: id, type")
            whole(client["id"], "id")
            if client["type"]["code"] not in ("CONTACT", "COMPANY") or client["type"]["module"] != "crm":
                raise Refusal(400, "INVALID_ARG_VALUE", "type")
            if client["id"] not in self.portal.contacts:
                raise Refusal(400, "INVALID_ARG_VALUE", "no such contact")
        visit.clients = [dict(client) for client in clients]
        return True

    def _set_external(self, params: Params) -> bool:
        visit, data = self._visit(params.whole("bookingId"), 1021), params.get("externalData")
        if not isinstance(data, list):
            raise missing("externalData")
        for item in data:
            if set(item) != {"moduleId", "entityTypeId", "value"} or not all(isinstance(v, str) for v in item.values()):
                raise Refusal(400, 0, "Required fields: moduleId, entityTypeId, value")
            if item["entityTypeId"] == "DEAL" and int(item["value"]) not in self.portal.deals:
                raise Refusal(400, "INVALID_ARG_VALUE", "no such deal")
        visit.external = [dict(item) for item in data]
        return True

    def _resource_ids(self, fields: dict[str, Any]) -> list[int]:
        given = fields["resourceIds"]
        if not isinstance(given, list) or not given:
            raise Refusal(400, 1018, "Empty resource collection")
        numbers = [whole(number, "resourceIds") for number in given]
        if any(number not in self.portal.resources for number in numbers):
            raise Refusal(400, 1018, "Empty resource collection")
        return numbers

    def _period(self, period: Any) -> tuple[int, int, str]:
        if not isinstance(period, dict) or set(period) != {"from", "to"}:
            raise Refusal(400, 0, "Required fields: from, to")
        for side in period.values():
            if not isinstance(side, dict) or set(side) != {"timestamp", "timezone"}:
                raise Refusal(400, 0, "Required fields: timestamp, timezone")
        start, end = (whole(period[side]["timestamp"], "timestamp", loose=True) for side in ("from", "to"))
        if start >= end:
            raise Refusal(400, 422, "Invalid date period")
        return start, end, str(period["from"]["timezone"])

    def _check_free(self, resources: list[int], start: int, end: int, own: int = 0) -> None:
        taken = any(
            visit.start < end and start < visit.end and set(visit.resources) & set(resources)
            for visit in self.portal.visits.values()
            if visit.id != own
        )
        closed = not all(self.portal.in_hours(number, start, end) for number in resources)
        if closed or (taken and not self.overbooking):
            raise Refusal(400, 1018, "Empty resource collection")

    def _text(self, fields: dict[str, Any], name: str) -> str:
        value = fields.get(name, "")
        if not isinstance(value, str):
            raise Refusal(400, "INVALID_ARG_VALUE", f"{name} is text")
        return value
