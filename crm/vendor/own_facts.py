"""What the salon's own price list knows of a service and an outside CRM does not: variants, ages, deposits. Pure.

Services are the same when their names have the same words. Who does them, lengths and prices stay the CRM's.
"""

from collections.abc import Mapping
from dataclasses import replace

from crm.catalogue import Catalogue, name_words
from crm.model import Service, ServiceId


def with_own_facts(services: Mapping[ServiceId, Service], own: Catalogue) -> dict[ServiceId, Service]:
    """The CRM's services with our facts on them; those without a namesake of ours as they are."""
    by_name = {frozenset(name_words(service.name)): service for service in own.services.values()}
    ours = {key: by_name.get(frozenset(name_words(service.name))) for key, service in services.items()}
    theirs = {mine.id: key for key, mine in ours.items() if mine is not None}
    found = {}
    for key, service in services.items():
        mine = ours[key]
        found[key] = service if mine is None else _with(service, mine, theirs)
    return found


def _with(service: Service, mine: Service, theirs: Mapping[ServiceId, ServiceId]) -> Service:
    base = theirs.get(mine.variant_of) if mine.variant_of is not None else None
    return replace(
        service,
        variant_of=base,
        variant_kind=mine.variant_kind if base is not None else None,
        max_age=mine.max_age,
        deposit=mine.deposit,
        consultation_first=mine.consultation_first,
    )
