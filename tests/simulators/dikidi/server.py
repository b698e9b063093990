"""The widget's questions. A wrong one gets a page or an error with status 200, as there."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from crm.company_yaml import CompanyFile
from tests.simulators.vendor.crm import Delivery, Held, Now
from tests.simulators.vendor.faults import FaultPlan, Faulty
from tests.simulators.yclients.state import Branch

COMPANY = "550001"
PAGE = "<!DOCTYPE html><html><head><title>DIKIDI</title></head><body>Онлайн-запись</body></html>"


class Broken(StrEnum):
    """What may happen to private endpoints from one day to the next."""

    NO = "no"
    PAGE = "page"
    """A page with status 200."""
    LOGIN = "login"
    """A redirect to the login."""
    NO_DATA = "no_data"
    EMPTY = "empty"
    """{"error": {"code": 0}, "data": {}}: fields are gone."""
    REFUSED = "refused"
    """An error with status 200."""


@dataclass(frozen=True, slots=True)
class Variant:
    wrapped: bool = True
    """{"error", "data"} or the data at the root."""
    texts: bool = True
    """Ids and numbers as texts."""
    php_lists: bool = True
    """Empty objects are []."""
    day_objects: bool = False
    """dates_true of {"day": …}."""


class DikidiSimulator:
    booking_write = r"^POST "

    def __init__(self, file: CompanyFile, now: Now, variant: Variant | None = None) -> None:
        self.variant = variant or Variant()
        self.branch = Branch(file, now)
        self.faults = FaultPlan()
        self.deliveries: list[Delivery] = []
        self.broken = Broken.NO
        route = Route("/{path:path}", self._entry, methods=["GET", "POST"])
        self.app = Faulty(Starlette(routes=[route]), self.faults)
        new, mobile = "ru/ajax/newrecord/", "ru/mobile/ajax/newrecord/"
        self._questions: dict[str, tuple[Callable[[Request], dict[str, Any]], set[str]]] = {
            f"{mobile}project_options/": (self._company, {"company", "social_key", "session"}),
            "mobile/ajax/newrecord/company_services/": (
                self._services, {"lang", "array", "company", "master", "share"},
            ),
            f"{new}to_master_get_masters/": (self._masters, {"company_id"}),
            f"{mobile}master_info/": (self._card, {"company_id", "master_id", "social_key"}),
            f"{mobile}get_datetimes/": (
                self._times, {"company_id", "service_id[]", "master_id", "date", "with_first", "day_month"},
            ),
        }  # fmt: skip

    # --- what tests hold on to

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        return {"company_id": COMPANY, "base_url": base_url}, {}

    def service_id(self, key: str) -> str:
        return str(self.branch.service_keys[key])  # type: ignore[index]

    def staff_id(self, key: str) -> str:
        return str(self.branch.staff_keys[key])  # type: ignore[index]

    def client_id(self, key: str) -> str:
        return str(self.branch.client_keys[key])  # type: ignore[index]

    def bookings(self) -> list[Held]:
        b = self.branch
        return [
            Held(
                str(row.id), b.staff[row.staff].id, tuple(b.services[s].id for s in row.services), row.start,
                b.clients[row.client]["phone"] if row.client else "", row.comment, row.deleted,
            )
            for row in b.rows.values()
        ]  # fmt: skip

    def book_elsewhere(self, staff: str, service: str, start: datetime) -> str:
        keys = self.branch.staff_keys[staff], [self.branch.service_keys[service]]  # type: ignore[index]
        return str(self.branch.write(keys[0], keys[1], None, start, force=True).id)

    def add_clients(self, count: int) -> None:
        for number in range(count):
            self.branch.add_client(f"Гость {number}", f"+7901{number:07d}")

    def revoke(self) -> None:
        self.broken = Broken.LOGIN

    def expire_tokens(self) -> bool:
        return False

    def renewals(self) -> int:
        return 0

    # --- the door

    async def _entry(self, request: Request) -> Response:
        match self.broken:
            case Broken.PAGE:
                return HTMLResponse(PAGE)
            case Broken.LOGIN:
                return RedirectResponse("https://auth.dikidi.ru/", 302)
            case Broken.NO_DATA:
                return JSONResponse({"error": {"code": 0, "message": ""}})
            case Broken.EMPTY:
                return JSONResponse({"error": {"code": 0, "message": ""}, "data": {}})
            case Broken.REFUSED:
                return JSONResponse({"error": {"code": 403, "message": "Ошибка доступа"}, "data": []})
        found = self._questions.get(request.path_params["path"])
        if request.method != "GET" or request.headers.get("x-requested-with") != "XMLHttpRequest" or found is None:
            return HTMLResponse(PAGE)
        handler, known = found
        query = request.query_params
        if set(query) - known or query.get("company", query.get("company_id")) != COMPANY:
            return JSONResponse({"error": {"code": 404, "message": "Компания не найдена"}, "data": []})
        try:
            data = handler(request)
        except (KeyError, ValueError):
            return JSONResponse({"error": {"code": 1, "message": "Неверный запрос"}, "data": []})
        bare = not self.variant.wrapped or handler == self._masters
        return JSONResponse(data if bare else {"error": {"code": 0, "message": ""}, "data": data})

    def _n(self, number: float) -> Any:
        return f"{number:g}" if self.variant.texts else number

    # --- answers

    def _company(self, request: Request) -> dict[str, Any]:
        schedule = [{"day": day, "work_from": "10:00", "work_to": "21:00"} for day in range(1, 8)]
        name = self.branch.file.profile.name
        return {
            "company": {
                "id": self._n(int(COMPANY)), "name": name, "description": "", "image": "", "phones": [],
                "address": "", "currency_abbr": "₽", "schedule": schedule,
            }
        }  # fmt: skip

    def _services(self, request: Request) -> dict[str, Any]:
        rows = []
        for number, service in self.branch.services.items():
            cheapest = min((offer.price.amount.minor for offer in service.offers), default=0)
            minutes = int(service.duration.total_seconds() // 60)
            rows.append(
                {"id": self._n(number), "name": service.name, "image": "", "time": self._n(minutes),
                 "cost": self._n(cheapest / 100)}
            )  # fmt: skip
        half = len(rows) // 2
        return {
            "list": [
                {"id": self._n(1), "name": "Волосы", "services": rows[:half]},
                {"id": self._n(2), "name": "Остальное", "services": rows[half:]},
            ]
        }

    def _masters(self, request: Request) -> dict[str, Any]:
        cards = {
            str(number): {"id": self._n(number), "username": member.name, "post": member.role, "image": ""}
            for number, member in self.branch.staff.items()
        }
        return {"masters_order": [self._n(number) for number in self.branch.staff], "masters": cards}

    def _card(self, request: Request) -> dict[str, Any]:
        number = int(request.query_params["master_id"])
        member = self.branch.staff[number]
        rows = []
        for service_number, service in self.branch.services.items():
            offer = service.offer_by(member.id)
            if offer is not None:
                minutes = int(offer.duration.total_seconds() // 60)
                rows.append(
                    {"id": self._n(service_number), "name": service.name, "time": self._n(minutes),
                     "cost": self._n(offer.price.amount.minor / 100)}
                )  # fmt: skip
        currency = {"id": 1, "title": "Российский рубль", "abbr": "₽", "iso": "RUB"}
        return {
            "id": self._n(number), "username": member.name, "post": member.role, "description": "",
            "currency": currency, "services": rows,
        }  # fmt: skip

    def _times(self, request: Request) -> dict[str, Any]:
        query = request.query_params
        services = [int(text) for text in query.getlist("service_id[]")]
        if len(services) != 1:
            raise ValueError("one service a question")
        master = int(query["master_id"])
        self.branch.staff[master]
        today = self.branch.now().astimezone(self.branch.file.zone).date()
        day = date.fromisoformat(query["date"]) if query.get("date") else today
        free_days = [one for n in range(40) if self._starts(master, services, one := today + timedelta(days=n))]
        starts = [f"{at:%Y-%m-%d %H:%M:%S}" for at in self._starts(master, services, day)]
        empty: Any = [] if self.variant.php_lists else {}
        days: list[Any] = [{"day": str(one)} if self.variant.day_objects else str(one) for one in free_days]
        return {
            "date_near": str(free_days[0]) if free_days else "", "dates_true": days,
            "masters": {str(master): {"id": self._n(master), "username": self.branch.staff[master].name}},
            "times": {str(master): starts} if starts else empty,
        }  # fmt: skip

    def _starts(self, master: int, services: list[int], day: date) -> list[datetime]:
        try:
            return self.branch.starts(master, services, day)
        except KeyError:
            return []
