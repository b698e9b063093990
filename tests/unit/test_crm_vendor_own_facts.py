"""Facts of our own price list on the services of a CRM, by their names and with the CRM's ids."""

from datetime import timedelta

from core.money import Money
from crm.catalogue import Catalogue
from crm.model import SalonProfile, Service, ServiceId, VariantKind
from crm.vendor.own_facts import with_own_facts

HOUR = timedelta(hours=1)


def service(key: str, name: str, **more: object) -> Service:
    return Service(ServiceId(key), name, HOUR, (), **more)  # type: ignore[arg-type]


def test_variants_point_to_the_crms_own_ids() -> None:
    own = Catalogue(
        SalonProfile("Мята", "Europe/Moscow"),
        {s.id: s for s in (
            service("S1", "Женская стрижка"),
            service("S2", "Женская стрижка, длинные волосы", variant_of=ServiceId("S1"),
                    variant_kind=VariantKind.HAIR_LENGTH),
            service("S3", "Окрашивание", deposit=Money.roubles(500), consultation_first=True),
            service("S4", "Детская стрижка", variant_of=ServiceId("S9"), variant_kind=VariantKind.AGE, max_age=10),
        )},
        {},
        {},
    )  # fmt: skip
    theirs = {s.id: s for s in (
        service("11", "женская Стрижка"), service("12", "Женская стрижка, длинные волосы"),
        service("13", "Окрашивание"), service("14", "Детская стрижка"), service("15", "Массаж"),
    )}  # fmt: skip
    found = with_own_facts(theirs, own)
    assert list(found) == list(theirs)
    assert (found[ServiceId("12")].variant_of, found[ServiceId("12")].variant_kind) == ("11", VariantKind.HAIR_LENGTH)
    assert (found[ServiceId("13")].deposit, found[ServiceId("13")].consultation_first) == (Money.roubles(500), True)
    child = found[ServiceId("14")]
    assert (child.variant_of, child.variant_kind, child.max_age) == (None, None, 10), "its base is not in the CRM"
    assert found[ServiceId("15")] is theirs[ServiceId("15")]
