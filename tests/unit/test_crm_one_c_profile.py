"""1C's metadata to a mapping profile, and the profile as a setting. Pure."""

import json
from dataclasses import replace

import pytest

from core.errors import InvalidInput
from crm.adapters.one_c.metadata import Metadata, read_metadata
from crm.adapters.one_c.profile import Profile, contradictions, parse_profile
from crm.adapters.one_c.proposing import CannotPropose, propose_profile
from crm.model import BookingStatus
from tests.simulators.one_c.configuration import (
    BOOL,
    DATE,
    DOUBLE,
    FIRM,
    GUID,
    INT16,
    SALON,
    TEXT,
    Configuration,
    catalogue,
    document,
    edmx,
)


def base(*names: str, more: tuple[object, ...] = ()) -> Metadata:
    """The salon's base with only these sets published."""
    sets = {name: item for name, item in SALON.sets.items() if name in names}
    sets |= {item.name: item for item in more}  # type: ignore[attr-defined]
    return read_metadata(edmx(Configuration(sets, SALON.roles)))


def test_a_salon_base_is_understood() -> None:
    profile = propose_profile(edmx(SALON))
    assert (profile.clients.set, profile.clients.contacts) == ("Catalog_Клиенты", "КонтактнаяИнформация")
    assert (profile.staff.set, profile.services.set) == ("Catalog_Сотрудники", "Catalog_Номенклатура")
    visit = profile.visit
    assert visit.set == "Document_ЗаписьКлиента", "not the sale, which has a client and a person too"
    assert (visit.client, visit.staff) == ("Клиент_Key", "Сотрудник_Key"), "not the author"
    assert (visit.start, visit.end) == ("ДатаНачала", "ДатаОкончания")
    assert (visit.part, visit.part_service, visit.part_price) == ("Услуги", "Номенклатура_Key", "Цена")
    assert visit.total == "СуммаДокумента"


def test_an_order_of_a_trade_base_serves_as_a_visit() -> None:
    profile = propose_profile(edmx(FIRM))
    visit = profile.visit
    assert (visit.set, visit.client, visit.staff) == ("Document_ЗаказПокупателя", "Контрагент", "Ответственный_Key")
    assert (visit.start, visit.end, visit.minutes) == ("Date", "", "Длительность")
    assert profile.int64 == ("Длительность",)


def test_a_small_base_with_one_service_a_visit_and_a_status() -> None:
    metadata = base(
        more=(
            catalogue("Гости", {"Телефон": TEXT}),
            catalogue("КлиентыСалона", {"МобильныйТелефон": TEXT}),
            catalogue("Мастера"),
            catalogue("Сотрудники"),
            catalogue("УслугиСалона"),
            document(
                "ЗаписьНаПрием",
                {"Клиент_Key": GUID, "Мастер_Key": GUID, "Услуга_Key": GUID, "ВремяНачала": DATE,
                 "Продолжительность": INT16, "Стоимость": DOUBLE, "Отправлено": BOOL},
                {"Мастер": "Catalog_Мастера"},
                {},
            ),
        )
    )  # fmt: skip
    profile = propose_profile(metadata)
    visit = profile.visit
    assert (profile.clients.set, profile.clients.phone) == ("Catalog_КлиентыСалона", "МобильныйТелефон")
    assert profile.staff.set == "Catalog_Мастера", "the document points there, whatever the usual name is"
    assert (visit.service, visit.part, visit.staff) == ("Услуга_Key", "", "Мастер_Key")
    assert (visit.start, visit.minutes, visit.total) == ("ВремяНачала", "Продолжительность", "Стоимость")
    assert parse_profile(profile.to_json()) == profile


def test_listed_values_of_a_status_are_used() -> None:
    visit = SALON.sets["Document_ЗаписьКлиента"]
    visit = replace(visit, fields={**visit.fields, "Состояние": "StandardODATA.СостоянияЗаписей"})
    sets = {**SALON.sets, visit.name: visit}
    members = ("Записан", "Подтверждена", "Отменена", "НеЯвился", "Завершена")
    profile = propose_profile(edmx(Configuration(sets, SALON.roles, {"СостоянияЗаписей": members})))
    assert profile.visit.status == "Состояние"
    assert profile.visit.status_value(BookingStatus.CANCELLED) == "Отменена"
    assert profile.visit.status_value(BookingStatus.CONFIRMED) == "Подтверждена"
    assert profile.visit.status_value(BookingStatus.ARRIVED) == "Завершена"


def test_a_status_without_listed_values_is_only_read() -> None:
    visit = propose_profile(edmx(SALON)).visit
    assert (visit.status, visit.status_read) == ("", "Статус")
    item = SALON.sets["Document_ЗаписьКлиента"]
    fields = {name: kind for name, kind in item.fields.items() if name != "Статус"} | {"СтатусОплаты": TEXT}
    sets = {**SALON.sets, item.name: replace(item, fields=fields)}
    assert propose_profile(edmx(Configuration(sets, SALON.roles))).visit.status_read == ""


def test_parts_that_are_only_sets_of_their_own_are_seen() -> None:
    text = edmx(SALON)
    start = text.index('<Property Name="Услуги"')
    stripped = text[:start] + text[text.index("/>", start) + 2 :]
    assert propose_profile(stripped).visit.part == "Услуги"


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("Catalog_Клиенты", "clients"),
        ("Catalog_Сотрудники", "staff"),
        ("Catalog_Номенклатура", "services"),
    ],
)
def test_what_is_not_published_is_named(missing: str, named: str) -> None:
    with pytest.raises(CannotPropose) as wrong:
        propose_profile(base(*(name for name in SALON.sets if name != missing)))
    assert [sentence.split(":")[0] for sentence in wrong.value.missing] == [named]


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(CannotPropose) as wrong:
        propose_profile(base("Catalog_Организации"))
    assert [sentence.split(":")[0] for sentence in wrong.value.missing] == ["clients", "staff", "services", "visit"]


def test_the_nearest_document_says_what_it_lacks() -> None:
    lists = [name for name in SALON.sets if name.startswith("Catalog_")]
    poor = document("Визит", {"Клиент_Key": GUID}, {"Клиент": "Catalog_Клиенты"}, {})
    with pytest.raises(CannotPropose, match="Document_Визит lacks a master, a service"):
        propose_profile(base(*lists, more=(poor,)))


@pytest.mark.parametrize(
    "document_text",
    ["", "<html><body>401", '{"value": []}', "<a/>", '<!DOCTYPE x [<!ENTITY a "b">]><edmx/>'],
)
def test_what_is_no_metadata_is_said(document_text: str) -> None:
    with pytest.raises(InvalidInput, match="metadata"):
        propose_profile(document_text)


def given(**changes: object) -> str:
    profile = json.loads(propose_profile(edmx(SALON)).to_json())
    for path, value in changes.items():
        part, name = path.split("__")
        profile[part][name] = value
    return json.dumps(profile)


def test_a_profile_survives_its_json() -> None:
    for configuration in (SALON, FIRM):
        profile = propose_profile(edmx(configuration))
        assert parse_profile(profile.to_json()) == profile
        assert parse_profile(json.loads(profile.to_json())) == profile


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", "profile: no JSON"),
        ("[]", "profile: an object"),
        ("{}", "profile.clients"),
        (given(visit__colour="red"), "profile.visit: there is no colour"),
        (given(visit__post="yes"), "profile.visit.post"),
        (given(visit__service="Услуга_Key"), "either `service` or the tabular part"),
        (given(visit__part_service=""), "profile.visit.part_service"),
        (given(visit__comment=""), "name `comment` or `marker`"),
        (given(visit__statuses={"gone": "x"}), "profile.visit.statuses: unknown gone"),
        (given(visit__status="Состояние"), "booked and cancelled are needed"),
        (given(clients__contacts=""), "profile.clients: name the field"),
    ],
)
def test_a_wrong_profile_is_refused_by_the_field(text: str, field: str) -> None:
    with pytest.raises(InvalidInput) as wrong:
        parse_profile(text)
    assert field in wrong.value.message


def test_a_profile_without_its_sets_says_which() -> None:
    with pytest.raises(InvalidInput, match=r"profile\.visit: set, client, staff must be named"):
        parse_profile(
            {"clients": {"set": "a", "phone": "b"}, "staff": {"set": "c"}, "services": {"set": "d"}, "visit": {}}
        )


def test_names_that_the_base_has_not_are_listed() -> None:
    metadata = read_metadata(edmx(SALON))
    profile: Profile = propose_profile(metadata)
    assert contradictions(profile, metadata) == []
    wrong = replace(profile, visit=replace(profile.visit, comment="Коментарий", part_price="Ценник"))
    assert contradictions(wrong, metadata) == [
        "Document_ЗаписьКлиента.Коментарий",
        "Document_ЗаписьКлиента.Услуги.Ценник",
    ]
