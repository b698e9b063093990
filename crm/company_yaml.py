"""A salon written down by hand: the YAML of a company file becomes domain objects. Pure; accepts no unknown field.

The short form of the demo salon is enough (`price`, `days`, `hours`, `break`); richer keys are optional: `minutes` by
master, `buffer`, `variant_of`, `variant_kind`, `max_age`; `breaks`, `week`, `exceptions` of masters; `phones`,
`blocked`, `language` of clients; bookings as mappings with status, comment and so on. Times are the salon's wall clock.
"""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from core.errors import InvalidInput
from core.money import Money
from core.phone import Phone
from crm.company_fields import Fields, clock, day, hours, known, moment, phone, texts, whole
from crm.company_slug import slug_of
from crm.model import (
    Booking,
    BookingId,
    BookingStatus,
    Certificate,
    Client,
    ClientId,
    Price,
    SalonProfile,
    SalonRules,
    Service,
    ServiceId,
    ServicePass,
    Staff,
    StaffId,
    StaffOffer,
    VariantKind,
    VisitPart,
)
from crm.profile import RULE_NAMES, check_rules
from crm.schedule import DayHours, Span, StaffSchedule
from crm.slot_book import part_options

ROOTS = ("fixture", "company")
_MAX_AGE = re.compile(r"\(до (\d{1,2}) лет\)")


@dataclass(frozen=True, slots=True)
class CompanyFile:
    slug: str
    now: datetime | None
    """The moment for which the file was written; None: none in particular."""
    profile: SalonProfile
    services: tuple[Service, ...]
    staff: tuple[Staff, ...]
    schedules: tuple[StaffSchedule, ...]
    clients: tuple[Client, ...]
    more_phones: dict[ClientId, tuple[Phone, ...]]
    """Further phones beside the client's first one."""
    certificates: tuple[Certificate, ...]
    bookings: tuple[Booking, ...]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.profile.timezone)


def parse_company(text: str) -> CompanyFile:
    """Raises InvalidInput that names the field and what would be right."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InvalidInput(f"file: is not YAML{where}") from None
    top = Fields(document, "file")
    roots = [name for name in ROOTS if name in top]
    if len(roots) != 1:
        raise InvalidInput(f"file: needs exactly one of the keys {' or '.join(ROOTS)} at the top")
    root = Fields(top.raw(roots[0]), roots[0])
    top.done()
    profile = _profile(root)
    zone = ZoneInfo(profile.timezone)
    staff = {StaffId(key): Fields(value, root.at(f"staff.{key}")) for key, value in root.items("staff").items()}
    services = _services(root, tuple(staff))
    by_id = {service.id: service for service in services}
    clients, more_phones = _clients(root, by_id)
    now = root.raw("now")
    file = CompanyFile(
        slug=root.text("slug", "") or slug_of(profile.name),
        now=None if now is None else moment(now, root.at("now")).replace(tzinfo=zone),
        profile=profile,
        services=services,
        staff=tuple(_staff(key, fields) for key, fields in staff.items()),
        schedules=tuple(_schedule(key, fields) for key, fields in staff.items()),
        clients=clients,
        more_phones=more_phones,
        certificates=_certificates(root, by_id),
        bookings=_bookings(root, by_id, {c.id: c for c in clients}, staff, zone),
    )
    for fields in staff.values():
        fields.done()
    root.done()
    return file


def shifted(file: CompanyFile, to: date) -> CompanyFile:
    """The same salon moved by whole weeks, so that the file's week becomes the week of that day. Weekdays stay.

    Raises InvalidInput when the file does not say for which moment it was written.
    """
    if file.now is None:
        raise InvalidInput("now: the file must say for which moment it was written before it can be moved")
    days = (_monday(to) - _monday(file.now.date())).days
    move = timedelta(days=days)  # aware datetimes of one zone move by wall clock, as a week should
    return replace(
        file,
        now=file.now + move,
        schedules=tuple(
            replace(s, exceptions={d + move: hours for d, hours in s.exceptions.items()}) for s in file.schedules
        ),
        certificates=tuple(replace(c, valid_until=c.valid_until + move) for c in file.certificates),
        bookings=tuple(replace(b, start=b.start + move, end=b.end + move) for b in file.bookings),
    )


def _profile(root: Fields) -> SalonProfile:
    salon = Fields(root.raw("salon"), root.at("salon"))
    admin = Fields(root.raw("admin") or {}, root.at("admin"))
    zone = salon.text("timezone", "Europe/Moscow")
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise InvalidInput(f"{salon.at('timezone')}: a name of the IANA list, for example Europe/Moscow") from None
    opening = salon.hours("open")
    on_duty = admin.hours("hours") if "hours" in admin else opening
    transfer_to = admin.raw("transfer_to")
    profile = SalonProfile(
        name=salon.text("name"),
        timezone=zone,
        address=salon.text("address", ""),
        metro=salon.text("metro", ""),
        parking=salon.text("parking", ""),
        opens=clock(opening.start_min),
        closes=clock(opening.end_min),
        payment=salon.texts("pay"),
        languages=salon.texts("languages", ("ru",)),
        admin_from=clock(on_duty.start_min),
        admin_until=clock(on_duty.end_min),
        transfer_to=None if transfer_to is None else phone(transfer_to, admin.at("transfer_to")),
        email=salon.text("email", ""),
        sends_messages=salon.flag("sends_messages"),
        rules=_rules(root),
    )
    salon.done()
    admin.done()
    return profile


def _rules(root: Fields) -> SalonRules:
    fields = Fields(root.raw("rules") or {}, root.at("rules"))
    values: dict[str, Any] = {}
    for name in sorted(RULE_NAMES):
        value = fields.optional_integer(name)
        if value is not None:
            values[name] = Money.roubles(value) if name == "prepay_sum" else value
    fields.done()
    rules = SalonRules(**values)
    check_rules(rules)
    return rules


def _services(root: Fields, staff: tuple[StaffId, ...]) -> tuple[Service, ...]:
    services = []
    for key, value in root.items("services").items():
        fields = Fields(value, root.at(f"services.{key}"))
        services.append(_service(ServiceId(key), fields, staff))
        fields.done()
    if not services:
        raise InvalidInput(f"{root.at('services')}: a salon needs at least one service")
    ids = {service.id: service for service in services}
    linked = []
    for service in services:
        if service.variant_of is not None:
            known(service.variant_of, ids, root.at(f"services.{service.id}.variant_of"), "service")
            linked.append(service)
        else:
            linked.append(_recognised_variant(service, services))
    return tuple(linked)


def _service(service_id: ServiceId, fields: Fields, staff: tuple[StaffId, ...]) -> Service:
    name = fields.text("name")
    minutes = fields.integer("min", least=1)
    own_minutes = fields.items("minutes")
    offers: list[StaffOffer] = []
    table = dict.fromkeys(staff)
    for kind in ("price", "price_from"):
        for who, roubles in fields.items(kind).items():
            path = fields.at(f"{kind}.{who}")
            staff_id = known(StaffId(who), table, path, "master")
            if any(offer.staff_id == staff_id for offer in offers):
                raise InvalidInput(f"{path}: has a price already; a price is either exact or from")
            length = whole(own_minutes.pop(who, minutes), fields.at(f"minutes.{who}"), least=1)
            price = Price(Money.roubles(whole(roubles, path)), kind == "price_from")
            offers.append(StaffOffer(staff_id, price, timedelta(minutes=length)))
    if own_minutes:
        raise InvalidInput(f"{fields.at('minutes')}.{next(iter(own_minutes))}: this master has no price here")
    if "price" not in fields and "price_from" not in fields:
        raise InvalidInput(f"{fields.path}: needs price or price_from with a sum for each master")
    deposit = fields.optional_integer("deposit")
    age = _MAX_AGE.search(name)
    variant_of, kind_name = fields.text("variant_of", ""), fields.text("variant_kind", "")
    if kind_name and kind_name not in set(VariantKind):
        raise InvalidInput(f"{fields.at('variant_kind')}: one of {', '.join(VariantKind)}, got {kind_name!r}")
    return Service(
        id=service_id,
        name=name,
        duration=timedelta(minutes=minutes),
        offers=tuple(offers),
        buffer_after=timedelta(minutes=fields.integer("buffer", 0)),
        variant_of=ServiceId(variant_of) if variant_of else None,
        variant_kind=VariantKind(kind_name) if kind_name else (VariantKind.OTHER if variant_of else None),
        max_age=fields.integer("max_age", int(age[1]) if age else -1, least=0) if age or "max_age" in fields else None,
        deposit=None if deposit is None else Money.roubles(deposit),
        consultation_first=fields.flag("consultation_first"),
    )


def _recognised_variant(service: Service, services: list[Service]) -> Service:
    """«Женская стрижка, длинные волосы» is the long-hair variant of «Женская стрижка»."""
    base = next(
        (other for other in services if other.id != service.id and service.name.startswith(f"{other.name}, ")), None
    )
    if base is None:
        return service
    rest = service.name[len(base.name) :].casefold()
    kind = VariantKind.HAIR_LENGTH if "волос" in rest or "hair" in rest else VariantKind.OTHER
    kind = VariantKind.AGE if " лет" in rest else kind
    return replace(service, variant_of=base.id, variant_kind=kind)


def _staff(staff_id: StaffId, fields: Fields) -> Staff:
    return Staff(staff_id, fields.text("name"), fields.text("role", ""), fields.optional_integer("child_from"))


def _schedule(staff_id: StaffId, fields: Fields) -> StaffSchedule:
    breaks = tuple(hours(text, fields.at("breaks")) for text in fields.texts("breaks"))
    if "break" in fields:
        breaks = (fields.hours("break"), *breaks)
    weekly: dict[int, DayHours] = {}
    if "days" in fields:
        usual = DayHours((fields.hours("hours"),), breaks)
        days = fields.raw("days")
        if not isinstance(days, list) or not all(isinstance(d, int) and 1 <= d <= 7 for d in days):
            raise InvalidInput(f"{fields.at('days')}: a list of weekdays, 1 is Monday and 7 is Sunday")
        weekly = dict.fromkeys(sorted(days), usual)
    for weekday, text in fields.items("week").items():
        path = fields.at(f"week.{weekday}")
        if weekday not in "1234567" or len(weekday) != 1:
            raise InvalidInput(f"{path}: weekdays are 1 (Monday) to 7")
        weekly[int(weekday)] = _day_hours(text, breaks, path)
    if not weekly:
        raise InvalidInput(f"{fields.path}: needs days with hours, or week")
    exceptions = {
        day(key, fields.at("exceptions")): _day_hours(text, (), fields.at(f"exceptions.{key}"))
        for key, text in fields.items("exceptions").items()
    }
    return StaffSchedule(staff_id, weekly, exceptions)


def _day_hours(value: Any, breaks: tuple[Span, ...], path: str) -> DayHours:
    """ "10:00-14:00", a list of them, or "off". Breaks outside these hours do no harm."""
    if value in ("off", False, "выходной"):
        return DayHours()
    stretches = [value] if isinstance(value, str) else list(texts(value, path))
    return DayHours(tuple(hours(text, path) for text in stretches), breaks)


def _clients(
    root: Fields, services: dict[ServiceId, Service]
) -> tuple[tuple[Client, ...], dict[ClientId, tuple[Phone, ...]]]:
    clients, more = [], {}
    for key, value in root.items("clients").items():
        fields = Fields(value, root.at(f"clients.{key}"))
        phones = [phone(text, fields.at("phones")) for text in fields.texts("phones")]
        if "phone" in fields:
            phones.insert(0, phone(fields.raw("phone"), fields.at("phone")))
        service_pass = None
        if "pass" in fields:
            inner = Fields(fields.raw("pass"), fields.at("pass"))
            service = known(ServiceId(inner.text("service")), services, inner.at("service"), "service")
            service_pass = ServicePass(service, inner.integer("left"))
            inner.done()
        client_id = ClientId(key)
        clients.append(
            Client(
                client_id,
                fields.text("name"),
                phones[0] if phones else None,
                note=fields.text("note", ""),
                no_shows=fields.integer("no_shows", 0),
                blocked=fields.flag("blocked"),
                language=fields.text("language", "ru"),
                service_pass=service_pass,
            )
        )
        more[client_id] = tuple(phones[1:])
        fields.done()
    return tuple(clients), more


def _certificates(root: Fields, services: dict[ServiceId, Service]) -> tuple[Certificate, ...]:
    found = []
    for number, value in root.items("certificates").items():
        fields = Fields(value, root.at(f"certificates.{number}"))
        amount = fields.optional_integer("sum")
        service = fields.text("service", "")
        if (amount is None) == (not service):
            raise InvalidInput(f"{fields.path}: needs either sum or service")
        found.append(
            Certificate(
                number,
                fields.day("until"),
                None if amount is None else Money.roubles(amount),
                known(ServiceId(service), services, fields.at("service"), "service") if service else None,
                Money.roubles(fields.integer("used", 0)),
            )
        )
        fields.done()
    return tuple(found)


def _bookings(
    root: Fields,
    services: dict[ServiceId, Service],
    clients: dict[ClientId, Client],
    staff: dict[StaffId, Fields],
    zone: ZoneInfo,
) -> tuple[Booking, ...]:
    found = []
    for key, value in root.items("bookings").items():
        path = root.at(f"bookings.{key}")
        if isinstance(value, list):
            if len(value) != 4:
                raise InvalidInput(f"{path}: the short form is [client, master, [services], start]")
            value = dict(zip(("client", "staff", "services", "start"), value, strict=True))
        fields = Fields(value, path)
        staff_id = known(StaffId(fields.text("staff")), staff, fields.at("staff"), "master")
        wanted = tuple(
            known(ServiceId(item), services, fields.at("services"), "service") for item in fields.texts("services")
        )
        options = part_options(VisitPart(wanted, (staff_id,)), services) if wanted else []
        if not options:
            raise InvalidInput(f"{fields.at('services')}: {staff_id} does not do {', '.join(wanted) or 'nothing'}")
        client = fields.text("client")
        start = moment(fields.raw("start"), fields.at("start")).replace(tzinfo=zone)
        price = fields.optional_integer("price")
        status = fields.text("status", BookingStatus.BOOKED.value)
        if status not in set(BookingStatus):
            raise InvalidInput(f"{fields.at('status')}: one of {', '.join(BookingStatus)}, got {status!r}")
        found.append(
            Booking(
                id=BookingId(key),
                client_id=None if client == "-" else known(ClientId(client), clients, fields.at("client"), "client"),
                staff_id=staff_id,
                service_ids=wanted,
                start=start,
                end=start + timedelta(minutes=options[0].length_min),
                status=BookingStatus(status),
                price=options[0].price if price is None else Price(Money.roubles(price)),
                staff_locked=fields.flag("staff_locked"),
                for_whom=fields.text("for", ""),
                certificate=fields.text("certificate", ""),
                comment=fields.text("comment", ""),
                visit_id=fields.text("visit", ""),
            )
        )
        fields.done()
    return tuple(found)


def _monday(of: date) -> date:
    return of - timedelta(days=of.weekday())
