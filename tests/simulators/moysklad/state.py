"""What the account holds: entities by kind, the fields and states of its orders, and the rules for writing them."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from crm.company_yaml import CompanyFile
from tests.simulators.moysklad.filters import TIME, UUID

MOSCOW = ZoneInfo("Europe/Moscow")
ROOT = "/api/remap/1.2"
KINDS = ("organization", "counterparty", "service", "employee", "customerorder", "webhook")
ATTRIBUTE_TYPES = {"string", "text", "long", "double", "time", "boolean", "link", "employee", "counterparty"}
WRITABLE = {
    "counterparty": {"syncId", "name", "companyType", "phone", "email", "description", "tags", "archived"},
    "customerorder": {"syncId", "organization", "agent", "deliveryPlannedMoment", "description", "positions", "state",
                      "attributes", "moment", "externalCode", "applicable", "name"},
    "webhook": {"url", "action", "entityType", "diffType"},
}  # fmt: skip
NEEDED = {
    "counterparty": {"name"},
    "customerorder": {"organization", "agent"},
    "webhook": {"url", "action", "entityType"},
}
COMPANY_TYPES = {"legal", "entrepreneur", "individual"}
SHAPES = ("{0}", "8 ({1}) {2}-{3}-{4}", "+7 {1} {2} {3} {4}", "{1}{2}{3}{4} (мама)", "7{1}{2}{3}{4}")


class Refusal(Exception):
    def __init__(self, status: int, code: int | None, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


class Account:
    def __init__(self, file: CompanyFile, now: Callable[[], datetime]) -> None:
        self.file = file
        self.now = now
        self.id = str(uuid4())
        self.base = f"http://127.0.0.1{ROOT}"
        """Of the addresses in answers, as the last request called us."""
        self.rows: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in KINDS}
        self.binned: set[str] = set()
        """Orders in the bin: read by their id still, in no list."""
        self.attributes: dict[str, dict[str, Any]] = {}
        self.states: dict[str, dict[str, Any]] = {}
        self._add("organization", {"name": "ООО Архив", "archived": True})
        self.organization = self._add("organization", {"name": "ИП Мятная", "archived": False})
        self.employees = {m.id: self._add("employee", {"name": m.name, "archived": False}) for m in file.staff}
        self.services = {s.id: self._add("service", {"name": s.name, "archived": False}) for s in file.services}
        for name, kind in (("Новый", "Regular"), ("Подтвержден", "Regular"), ("Доставлен", "Successful"),
                           ("Возврат", "Unsuccessful"), ("Отменен", "Unsuccessful")):  # fmt: skip
            number = str(uuid4())
            self.states[number] = {
                "id": number,
                "name": name,
                "stateType": kind,
                "color": 1,
                "entityType": "customerorder",
            }
        self.master = self.add_attribute("Мастер", "employee")
        self.add_attribute("Мастер", "string")  # an older one of the salon's, of another type
        self.end = self.add_attribute("Окончание визита", "time")
        self.clients = {
            client.id: self.add_client(client.name, client.phone.e164 if client.phone else "")
            for client in file.clients
        }
        for booking in file.bookings:
            agent = self.clients[booking.client_id] if booking.client_id else self._somebody()
            self.add_order(booking.staff_id, list(booking.service_ids), booking.start, agent, booking.end)

    # --- by hand

    def add_attribute(self, name: str, kind: str) -> str:
        number = str(uuid4())
        self.attributes[number] = {"id": number, "name": name, "type": kind, "required": False, "show": True}
        return number

    def add_client(self, name: str, phone: str) -> str:
        """A phone as people type it, each in another way."""
        body: dict[str, Any] = {"name": name, "companyType": "individual", "archived": False}
        if phone:
            d = phone.removeprefix("+7")
            shape = SHAPES[len(self.rows["counterparty"]) % len(SHAPES)]
            body["phone"] = shape.format(phone, d[:3], d[3:6], d[6:8], d[8:])
        return self._add("counterparty", body)

    def _somebody(self) -> str:
        return self.add_client("Розничный покупатель", "")

    def add_order(
        self, staff: str, services: list[str], start: datetime, agent: str, end: datetime | None = None
    ) -> str:
        attributes = {self.master: {"value": self.employees[staff]}}
        if end is not None:
            attributes[self.end] = {"value": wall(end)}
        positions = [
            {"id": str(uuid4()), "quantity": 1.0, "price": 100000.0, "assortment": self.services[s]} for s in services
        ]
        body = {
            "organization": self.organization, "agent": agent, "deliveryPlannedMoment": wall(start),
            "attributes": attributes, "positions": positions, "description": "", "state": "",
        }  # fmt: skip
        return self._add("customerorder", body)

    def _add(self, kind: str, body: dict[str, Any]) -> str:
        number = str(uuid4())
        stamp = wall(self.now(), "%Y-%m-%d %H:%M:%S.%f")[:-3]
        self.rows[kind][number] = {"id": number, "created": stamp, "updated": stamp, **body}
        return number

    # --- by program

    def write(self, kind: str, body: Any, number: str = "") -> tuple[dict[str, Any], bool]:
        """The row, and whether something changed (a known syncId changes nothing)."""
        if not isinstance(body, dict):
            raise Refusal(400, 2001, "Ошибка формата: ожидается объект")
        if unknown := set(body) - WRITABLE[kind]:
            raise Refusal(400, 1002, f"Неизвестное поле {sorted(unknown)}")
        values = {key: self._value(kind, key, value) for key, value in body.items()}
        if not number:
            if missing := NEEDED[kind] - set(body):
                raise Refusal(412, 3000, f"Ошибка сохранения объекта: поле {sorted(missing)} не может быть пустым")
            known = [
                row
                for row in self.rows[kind].values()
                if values.get("syncId") and row.get("syncId") == values["syncId"]
            ]
            if known:
                return known[0], False
            if kind == "customerorder":
                values = {"attributes": {}, "positions": [], "description": "", "state": "", **values}
            if kind == "webhook":
                self._check_hook(values)
            number = self._add(kind, {"archived": False, **values} if kind == "counterparty" else values)
            return self.rows[kind][number], True
        row = self.rows[kind].get(number)
        if row is None:
            raise Refusal(404, 1021, "Объект не найден")
        if "syncId" in values and row.get("syncId") not in (None, values["syncId"]):
            raise Refusal(400, 1002, "syncId недоступен для изменения")
        if "attributes" in values:
            values["attributes"] = {**row["attributes"], **values["attributes"]}
        row.update(values)
        row["updated"] = wall(self.now(), "%Y-%m-%d %H:%M:%S.%f")[:-3]
        return row, True

    def delete(self, kind: str, number: str) -> None:
        if number not in self.rows[kind]:
            raise Refusal(404, 1021, "Объект не найден")
        if kind == "counterparty" and any(order["agent"] == number for order in self.rows["customerorder"].values()):
            raise Refusal(409, 1028, "Объект используется")
        del self.rows[kind][number]

    def new_attributes(self, body: Any) -> list[dict[str, Any]]:
        if not isinstance(body, list) or not body:
            raise Refusal(400, 2001, "ожидается массив")
        for item in body:
            if (
                set(item) - {"name", "type", "required", "description", "show"}
                or item.get("type") not in ATTRIBUTE_TYPES
            ):
                raise Refusal(400, 1002, "доп. поле")
        return [self.attributes[self.add_attribute(item["name"], item["type"])] for item in body]

    def _check_hook(self, values: dict[str, Any]) -> None:
        if values["action"] not in ("CREATE", "UPDATE", "DELETE", "PROCESSED") or len(values["url"]) > 255:
            raise Refusal(400, 1002, "action, url")
        triple = ("url", "action", "entityType")
        if any(all(row[key] == values[key] for key in triple) for row in self.rows["webhook"].values()):
            raise Refusal(412, 3006, "такой вебхук уже есть")

    def _value(self, kind: str, key: str, value: Any) -> Any:
        match key:
            case "syncId":
                if not isinstance(value, str) or not UUID.match(value):
                    raise Refusal(400, 1052, "Неверный формат UUID")
            case "organization" | "agent":
                return self._reference(value, "organization" if key == "organization" else "counterparty")
            case "state":
                return self._path_reference(value, "state", f"/entity/{kind}/metadata/states/", self.states)
            case "deliveryPlannedMoment" | "moment":
                return f"{self._time(value)[:16]}:00"
            case "positions":
                return [self._position(item) for item in value]
            case "attributes":
                return dict(self._attribute(kind, item) for item in value)
            case "companyType":
                if value not in COMPANY_TYPES:
                    raise Refusal(400, 1002, "companyType")
            case "archived" | "applicable":
                if not isinstance(value, bool):
                    raise Refusal(400, 1002, key)
            case "tags":
                return list(value)
            case _:
                most = 4096 if key == "description" else 255
                if not isinstance(value, str) or len(value) > most:
                    raise Refusal(400, 1002, f"{key}: строка до {most} знаков")
        return value

    def _position(self, item: Any) -> dict[str, Any]:
        if set(item) - {"quantity", "price", "discount", "vat", "assortment"} or not isinstance(
            item["price"], int | float
        ):
            raise Refusal(400, 1002, "positions")
        service = self._reference(item["assortment"], "service")
        return {
            "id": str(uuid4()),
            "quantity": float(item["quantity"]),
            "price": float(item["price"]),
            "assortment": service,
        }

    def _attribute(self, kind: str, item: Any) -> tuple[str, dict[str, Any]]:
        if set(item) - {"meta", "value"}:
            raise Refusal(400, 1002, "attributes: указываются meta и value")
        path = f"/entity/{kind}/metadata/attributes/"
        number = self._path_reference({"meta": item["meta"]}, "attributemetadata", path, self.attributes)
        value, wanted = item["value"], self.attributes[number]["type"]
        if value is None:
            return number, {"value": None}
        if wanted == "employee":
            return number, {"value": self._reference(value, "employee")}
        if wanted == "time":
            return number, {"value": f"{self._time(value)[:16]}:00"}
        if wanted in ("string", "text") and not (isinstance(value, str) and len(value) <= 255):
            raise Refusal(400, 1002, "attributes: строка")
        return number, {"value": value}

    def _reference(self, value: Any, kind: str) -> str:
        return self._path_reference(value, kind, f"/entity/{kind}/", self.rows[kind])

    def _path_reference(self, value: Any, kind: str, path: str, known: dict[str, Any]) -> str:
        meta = value.get("meta") if isinstance(value, dict) and set(value) == {"meta"} else None
        if not isinstance(meta, dict) or meta.get("type") != kind or meta.get("mediaType") != "application/json":
            raise Refusal(400, 1006, f"{kind}: нужна ссылка meta с type и mediaType")
        href = str(meta.get("href", ""))
        number = href.removeprefix(f"{self.base}{path}")
        if not UUID.match(number) or not href.startswith(self.base):
            raise Refusal(400, 1052, f"Неверная ссылка {href}")
        if number not in known:
            raise Refusal(404, 1021, f"{kind}: объект не найден")
        return number

    def _time(self, value: Any) -> str:
        if not isinstance(value, str) or not TIME.match(value) or not re.search(r":\d\d:\d\d", value):
            raise Refusal(400, 1084, "время: ГГГГ-ММ-ДД ЧЧ:мм:сс")
        return value


def wall(moment: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return moment.astimezone(MOSCOW).strftime(form)
