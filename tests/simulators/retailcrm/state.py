"""What the account holds: customers, orders with their history, users, goods, statuses; and the rules for writing."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from crm.company_yaml import CompanyFile

ORDER_FIELDS = {
    "externalId", "number", "customer", "firstName", "lastName", "patronymic", "phone", "email", "status", "orderType",
    "orderMethod", "managerId", "items", "delivery", "customFields", "managerComment", "customerComment",
}  # fmt: skip
CUSTOMER_FIELDS = {
    "externalId", "firstName", "lastName", "patronymic", "email", "phones", "birthday", "sex", "customFields", "source",
    "tags",
}  # fmt: skip
ITEM_FIELDS = {"offer", "productName", "initialPrice", "quantity"}
STATUSES = {
    "new": ("Новый", "new"), "client-confirmed": ("Согласовано с клиентом", "approval"),
    "send-to-delivery": ("Передан в доставку", "delivery"), "complete": ("Выполнен", "complete"),
    "no-call": ("Недозвон", "cancel"), "cancel-other": ("Отменен", "cancel"),
}  # fmt: skip
STAFF_FIELD = "master"
SHAPES = ("{0}", "8 ({1}) {2}-{3}{4}", "+7 {1} {2}{3}{4}", "{1}{2}{3}{4}")


class Refusal(Exception):
    def __init__(self, status: int, message: str, errors: Any = None) -> None:
        super().__init__(message)
        self.status, self.message, self.errors = status, message, errors


def wrong(name: str, why: str) -> Refusal:
    return Refusal(400, "Errors in the entity format", {name: why})


class Account:
    def __init__(self, file: CompanyFile, now: Callable[[], datetime], *, by_manager: bool = True) -> None:
        self.file = file
        self.now = now
        self.by_manager = by_manager
        self._next = 100
        self.customers: dict[int, dict[str, Any]] = {}
        self.orders: dict[int, dict[str, Any]] = {}
        self.history: list[dict[str, Any]] = []
        self.users = {17 + n: member for n, member in enumerate(file.staff)}
        self.offers = {501 + n: service for n, service in enumerate(file.services[:-2])}
        """The last two services of the salon are in no catalogue: they are known by name."""
        self.clients = {c.id: self.add_client(c.name, c.phone.e164 if c.phone else "") for c in file.clients}
        for booking in file.bookings:
            customer = self.clients[booking.client_id] if booking.client_id else self.add_client("Гость", "")
            self.add_order(booking.staff_id, list(booking.service_ids), booking.start, customer, booking.end)

    def _id(self) -> int:
        self._next += 1
        return self._next

    def stamp(self) -> str:
        return self.now().astimezone(self.file.zone).strftime("%Y-%m-%d %H:%M:%S")

    # --- by hand

    def add_client(self, name: str, phone: str) -> int:
        number = self._id()
        first, _, last = name.partition(" ")
        row: dict[str, Any] = {
            "id": number,
            "firstName": first,
            "createdAt": self.stamp(),
            "site": "main",
            "bad": False,
        }
        row |= {"lastName": last} if last else {}
        if phone:
            d = phone.removeprefix("+7")
            row["phones"] = [{"number": SHAPES[number % len(SHAPES)].format(phone, d[:3], d[3:6], d[6:8], d[8:])}]
        self.customers[number] = row
        return number

    def add_order(
        self, staff: str, services: list[str], start: datetime, customer: int, end: datetime | None = None
    ) -> int:
        start = start.astimezone(self.file.zone)
        hours = {"from": f"{start:%H:%M}"}
        if end is not None:
            hours["to"] = f"{end.astimezone(self.file.zone):%H:%M}"
        user = next(number for number, member in self.users.items() if member.id == staff)
        by = {"managerId": user} if self.by_manager else {"customFields": {STAFF_FIELD: str(user)}}
        items = [self._item_of(key) for key in services]
        number = self._id()
        self.orders[number] = {
            "id": number, "number": f"{number}C", "status": "new", "createdAt": self.stamp(), "site": "main",
            "customer": customer, "items": items, "delivery": {"date": f"{start:%Y-%m-%d}", "time": hours}, **by,
        }  # fmt: skip
        self._note(number, created=True)
        return number

    def _item_of(self, key: str) -> dict[str, Any]:
        offer = next((number for number, service in self.offers.items() if service.id == key), None)
        service = next(service for service in self.file.services if service.id == key)
        return {"offer": offer, "productName": service.name, "initialPrice": 1000, "quantity": 1}

    def key_of(self, item: dict[str, Any]) -> str:
        if item["offer"] is not None:
            return self.offers[item["offer"]].id
        return next((s.id for s in self.file.services if s.name == item["productName"]), "")

    def staff_of(self, order: dict[str, Any]) -> str:
        number = order.get("managerId") if self.by_manager else order.get("customFields", {}).get(STAFF_FIELD)
        return self.users[int(number)].id if number else ""

    # --- by program

    def create_customer(self, body: dict[str, Any]) -> int:
        self._known(body, CUSTOMER_FIELDS, "customer")
        self._once(self.customers, body, "Customer already exists.")
        for phone in body.get("phones", []):
            if set(phone) != {"number"} or not isinstance(phone["number"], str):
                raise wrong("customer[phones]", "Invalid phone.")
        number = self._id()
        self.customers[number] = {**body, "id": number, "createdAt": self.stamp(), "site": "main", "bad": False}
        return number

    def create_order(self, body: dict[str, Any]) -> int:
        self._known(body, ORDER_FIELDS, "order")
        self._once(self.orders, body, f"Order with externalId={body.get('externalId')} already exists.")
        number = self._id()
        order = {
            "id": number,
            "number": f"{number}C",
            "status": "new",
            "createdAt": self.stamp(),
            "site": "main",
            "items": [],
        }
        self.orders[number] = order | self._checked(body)
        self._note(number, created=True)
        return number

    def edit_order(self, number: int, body: dict[str, Any]) -> None:
        self._known(body, ORDER_FIELDS - {"externalId"}, "order")
        order, checked = self.orders[number], self._checked(body)
        if "delivery" in checked:
            checked["delivery"] = {**order.get("delivery", {}), **checked["delivery"]}
        if "customFields" in checked:
            checked["customFields"] = {**order.get("customFields", {}), **checked["customFields"]}
        changed = [key for key, value in checked.items() if order.get(key) != value]
        order.update(checked)
        for key in changed:
            self._note(number, field={"managerId": "manager", "delivery": "delivery_date"}.get(key, key))

    def _checked(self, body: dict[str, Any]) -> dict[str, Any]:
        found = dict(body)
        if "status" in body and body["status"] not in STATUSES:
            raise wrong("order[status]", "Status does not exist.")
        if "managerId" in body and body["managerId"] not in self.users:
            raise wrong("order[managerId]", "This value is not valid.")
        if "customer" in body:
            number = body["customer"].get("id") if set(body["customer"]) == {"id"} else None
            if number not in self.customers:
                raise wrong("order[customer]", "Customer is not found.")
            found["customer"] = number
        if "items" in body:
            found["items"] = [self._item(item) for item in body["items"]]
        if "customFields" in body and set(body["customFields"]) - {STAFF_FIELD}:
            raise wrong("order[customFields]", "This form should not contain extra fields.")
        if "delivery" in body:
            self._check_delivery(body["delivery"])
        return found

    def _check_delivery(self, delivery: dict[str, Any]) -> None:
        if set(delivery) - {"date", "time", "code", "address", "cost"}:
            raise wrong("order[delivery]", "This form should not contain extra fields.")
        if "date" in delivery and not re.fullmatch(r"\d{4}-\d\d-\d\d", str(delivery["date"])):
            raise wrong("order[delivery][date]", "This value is not valid.")
        hours = delivery.get("time", {})
        if set(hours) - {"from", "to", "custom"} or not all(
            re.fullmatch(r"\d\d:\d\d", hours[key]) for key in ("from", "to") if key in hours
        ):
            raise wrong("order[delivery][time]", "This value is not valid.")

    def _item(self, item: dict[str, Any]) -> dict[str, Any]:
        if set(item) - ITEM_FIELDS or not isinstance(item.get("initialPrice"), int | float):
            raise wrong("order[items]", "This form should not contain extra fields.")
        offer = item.get("offer")
        if offer is None and not item.get("productName"):
            raise wrong("order[items][0][productName]", "This value should not be blank.")
        number = None if offer is None else offer.get("id")
        if offer is not None and number not in self.offers:
            raise wrong("order[items][0][offer]", "Offer is not found.")
        name = item.get("productName") or (self.offers[number].name if number is not None else "")
        return {
            "offer": number,
            "productName": name,
            "initialPrice": item["initialPrice"],
            "quantity": item["quantity"],
        }

    def _known(self, body: dict[str, Any], fields: set[str], what: str) -> None:
        if not isinstance(body, dict):
            raise Refusal(400, f"Parameter '{what}' is not a valid JSON object")
        if unknown := set(body) - fields:
            raise Refusal(400, "Errors in the entity format", [f"{what}: extra fields {sorted(unknown)}"])

    def _once(self, rows: dict[int, dict[str, Any]], body: dict[str, Any], message: str) -> None:
        own = body.get("externalId")
        if own is not None and (not isinstance(own, str) or any(row.get("externalId") == own for row in rows.values())):
            raise Refusal(400, message)

    def _note(self, number: int, *, created: bool = False, field: str = "status") -> None:
        order = self.orders[number]
        entry: dict[str, Any] = {
            "id": len(self.history) + 1, "createdAt": self.stamp(), "source": "api", "field": field,
            "oldValue": None, "newValue": None, "order": {"id": number, "site": "main", "status": order["status"]},
        }  # fmt: skip
        self.history.append(entry | ({"created": True} if created else {}))
