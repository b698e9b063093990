"""A base's `$metadata`: which sets are published, with which fields, references and tabular parts. Pure.

EDMX as platform 8.3 writes it: entity types by set name; a reference is a property `X_Key` with a navigation property
`X` whose association names the target; a tabular part is a property of type Collection(…_RowType).
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import InvalidInput

_COLLECTION = re.compile(r"Collection\((.+)\)")


@dataclass(frozen=True, slots=True)
class Rows:
    """A tabular part."""

    fields: Mapping[str, str]
    """Name to Edm type."""
    targets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EntitySet:
    name: str
    fields: Mapping[str, str]
    """Name to Edm type: Ref_Key to Edm.Guid."""
    targets: Mapping[str, str] = field(default_factory=dict)
    """Reference without _Key to the set that it points to, where an association says so."""
    parts: Mapping[str, Rows] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metadata:
    sets: Mapping[str, EntitySet]
    enums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Members of the enumerations, by type name."""


def read_metadata(document: bytes | str) -> Metadata:
    """Raises InvalidInput when it is no EDMX."""
    text = document.encode() if isinstance(document, str) else document
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:  # entities of entities could fill the memory
        raise InvalidInput("metadata: a document with a DOCTYPE is not read")
    try:
        root = ET.fromstring(text)  # noqa: S314 - no entities: checked above
    except ET.ParseError:
        raise InvalidInput("metadata: no XML; open …/odata/standard.odata/$metadata and look what comes") from None
    types: dict[str, ET.Element] = {}
    rows: dict[str, ET.Element] = {}
    enums: dict[str, tuple[str, ...]] = {}
    ends: dict[str, dict[str, str]] = {}
    for element in root.iter():
        kind, name = _local(element.tag), element.get("Name", "")
        if kind == "EntityType":
            types[name] = element
        elif kind == "ComplexType":
            rows[name] = element
        elif kind == "EnumType":
            enums[name] = tuple(member.get("Name", "") for member in element if _local(member.tag) == "Member")
        elif kind == "Association":
            ends[name] = {
                end.get("Role", ""): _bare(end.get("Type", "")) for end in element if _local(end.tag) == "End"
            }
    if not types:
        raise InvalidInput("metadata: no entity types; publish the objects in the OData settings of the base")
    parts_of: dict[str, dict[str, Rows]] = {name: {} for name in types}
    for name, element in types.items():
        for item in element:
            found = _COLLECTION.fullmatch(item.get("Type", ""))
            if _local(item.tag) == "Property" and found and _bare(found[1]) in rows:
                parts_of[name][item.get("Name", "")] = _rows(rows[_bare(found[1])], ends)
    for name, element in types.items():  # some platforms list the parts only as sets of their own
        owner = next((o for o in types if name.startswith(f"{o}_") and "LineNumber" in _fields(element)), None)
        if owner is not None:
            parts_of[owner].setdefault(name.removeprefix(f"{owner}_"), _rows(element, ends))
    return Metadata(
        {
            name: EntitySet(name, _fields(element), _targets(element, ends), parts_of[name])
            for name, element in types.items()
        },
        enums,
    )


def _rows(element: ET.Element, ends: Mapping[str, Mapping[str, str]]) -> Rows:
    return Rows(_fields(element), _targets(element, ends))


def _fields(element: ET.Element) -> dict[str, str]:
    return {
        item.get("Name", ""): item.get("Type", "Edm.String")
        for item in element
        if _local(item.tag) == "Property" and not item.get("Type", "").startswith("Collection(")
    }


def _targets(element: ET.Element, ends: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    found = {}
    for item in element:
        if _local(item.tag) == "NavigationProperty":
            target = ends.get(_bare(item.get("Relationship", "")), {}).get(item.get("ToRole", ""))
            if target:
                found[item.get("Name", "")] = target
    return found


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


def _bare(name: str) -> str:
    return name.rsplit(".", 1)[-1]
