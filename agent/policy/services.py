"""Which service is meant: candidates narrowed by what is known, or the one question that decides."""

from dataclasses import dataclass

from agent.salon import Salon
from agent.state import Question, VisitWish, Wanted
from crm.model import Service, ServiceId, StaffId, VariantKind

MALE_RELATIONS = frozenset(
    {"сын", "муж", "папа", "отец", "брат", "дедушка", "дед", "внук", "парень", "мальчик", "друг"}
)
FEMALE_RELATIONS = frozenset(
    {"дочь", "дочка", "жена", "мама", "мать", "сестра", "бабушка", "внучка", "подруга", "девочка"}
)
CHILD_RELATIONS = frozenset({"сын", "дочь", "дочка", "ребёнок", "ребенок", "внук", "внучка", "мальчик", "девочка"})


@dataclass(frozen=True, slots=True)
class Open:
    """A question about one of the wanted services."""

    question: Question
    wanted: Wanted
    options: tuple[ServiceId, ...]


@dataclass(frozen=True, slots=True)
class Resolution:
    services: tuple[ServiceId, ...]
    open: tuple[Open, ...]
    unknown: tuple[str, ...]
    """Phrases for which the salon has nothing."""


def resolve(wish: VisitWish, salon: Salon) -> Resolution:
    services: list[ServiceId] = []
    questions: list[Open] = []
    unknown: list[str] = []
    for wanted in wish.services:
        if not wanted.candidates:
            unknown.append(wanted.phrase)
            continue
        options = narrow(wanted, wish, salon)
        if len(options) == 1:
            if options[0] not in services:
                services.append(options[0])
        else:
            questions.append(Open(_question(options, wish, salon), wanted, options))
    return Resolution(tuple(services), tuple(questions), tuple(unknown))


def narrow(wanted: Wanted, wish: VisitWish, salon: Salon) -> tuple[ServiceId, ...]:
    """The candidates that what is known leaves open; at least one."""
    options = [salon.service(service_id) for service_id in wanted.candidates if salon.has_service(service_id)]
    options += [s for s in _variants(options, salon) if s not in options]
    options = _by_age(options, wish, salon)
    options = _by_gender(options, wish)
    options = _by_hair(options, wish)
    options = _by_staff(options, wish.staff)
    return tuple(service.id for service in options)


def is_child_visit(wish: VisitWish, salon: Salon) -> bool:
    if wish.age is not None:
        return wish.age <= salon.rules.child_max_age
    return wish.for_whom in CHILD_RELATIONS


def visitor_gender(wish: VisitWish) -> str:
    """female, male, or empty when unknown."""
    if wish.gender:
        return wish.gender
    if wish.for_whom in MALE_RELATIONS:
        return "male"
    if wish.for_whom:
        return "female" if wish.for_whom in FEMALE_RELATIONS else ""
    return wish.implied_gender


def service_gender(service: Service) -> str:
    name = service.name.lower()
    if "мужск" in name or "для мужчин" in name:
        return "male"
    return "female" if "женск" in name or "для женщин" in name else ""


def _variants(options: list[Service], salon: Salon) -> list[Service]:
    """Asking for a service opens its variants by hair length: the plain name says nothing about them. Those by age
    are opened too: whether a child comes is known or not, but never implied by the word."""
    ids = {service.id for service in options}
    families = [s for s in salon.services if s.variant_of in ids]
    return [s for s in families if s.variant_kind in (VariantKind.HAIR_LENGTH, VariantKind.AGE)]


def _by_age(options: list[Service], wish: VisitWish, salon: Salon) -> list[Service]:
    children = [s for s in options if s.max_age is not None]
    adults = [s for s in options if s.max_age is None]
    if wish.age is not None:
        age = wish.age
        fitting = [s for s in children if s.max_age is not None and age <= s.max_age]
        return fitting or adults or _grown_up(children, salon) or options
    if wish.for_whom in CHILD_RELATIONS:
        return options
    return adults or options


def _grown_up(children: list[Service], salon: Salon) -> list[Service]:
    """The same work for somebody too old for the child's service: by its noun, «стрижка»."""
    nouns = {s.name.split("(", 1)[0].split()[-1].lower() for s in children}
    return [s for s in salon.services if s.max_age is None and nouns & set(s.name.lower().replace(",", "").split())]


def _by_gender(options: list[Service], wish: VisitWish) -> list[Service]:
    gender = visitor_gender(wish)
    if not gender:
        return options
    return [s for s in options if service_gender(s) in (gender, "")] or options


def _by_hair(options: list[Service], wish: VisitWish) -> list[Service]:
    if wish.hair_long is None:
        return options
    longs = [s for s in options if s.variant_kind is VariantKind.HAIR_LENGTH]
    bases = {s.variant_of for s in longs}
    if not longs:
        return options
    return longs if wish.hair_long else [s for s in options if s.id in bases] or options


def _by_staff(options: list[Service], staff: tuple[StaffId, ...]) -> list[Service]:
    if not staff:
        return options
    return [s for s in options if any(s.offer_by(staff_id) for staff_id in staff)] or options


def _question(options: tuple[ServiceId, ...], wish: VisitWish, salon: Salon) -> Question:
    services = [salon.service(service_id) for service_id in options]
    if any(s.max_age is not None for s in services) and wish.age is None and wish.for_whom in CHILD_RELATIONS:
        return Question.AGE
    if {"male", "female"} <= {service_gender(s) for s in services}:
        return Question.GENDER
    if any(s.variant_kind is VariantKind.HAIR_LENGTH for s in services) and wish.hair_long is None:
        return Question.HAIR
    return Question.VARIANT
