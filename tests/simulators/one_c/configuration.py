"""Configurations of 1C bases: which sets with which fields, and what the simulator's own people use them for."""

from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

GUID, TEXT, BOOL, DATE, INT64, DOUBLE, INT16 = (
    "Edm.Guid", "Edm.String", "Edm.Boolean", "Edm.DateTime", "Edm.Int64", "Edm.Double", "Edm.Int16"
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    fields: dict[str, str]
    targets: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Set:
    name: str
    fields: dict[str, str]
    targets: dict[str, str] = field(default_factory=dict)
    """Navigation property to set."""
    parts: dict[str, Part] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    """Longest text of a field; what is longer is cut silently."""

    @property
    def is_document(self) -> bool:
        return self.name.startswith("Document_")


@dataclass(frozen=True)
class Roles:
    """What the salon's people do with the sets. The adapter must find it out by itself."""

    clients: str
    staff: str
    services: str
    visit: str
    start: str
    client: str
    master: str
    part: str
    part_service: str
    contacts: str = "КонтактнаяИнформация"
    end: str = ""
    minutes: str = ""
    comment: str = "Комментарий"
    posts: bool = False


@dataclass(frozen=True)
class Configuration:
    sets: dict[str, Set]
    roles: Roles
    enums: dict[str, tuple[str, ...]] = field(default_factory=dict)


def catalogue(name: str, fields: dict[str, str] | None = None, **more: dict[str, Part] | dict[str, str]) -> Set:
    usual = {
        "Ref_Key": GUID, "DataVersion": TEXT, "DeletionMark": BOOL, "Parent_Key": GUID, "IsFolder": BOOL, "Code": TEXT,
        "Description": TEXT, "Predefined": BOOL, "PredefinedDataName": TEXT,
    }  # fmt: skip
    return Set(f"Catalog_{name}", {**usual, **(fields or {})}, cut={"Description": 100}, **more)  # type: ignore[arg-type]


def document(
    name: str, fields: dict[str, str], targets: dict[str, str], parts: dict[str, Part], comment_cut: int = 0
) -> Set:
    usual = {
        "Ref_Key": GUID, "DataVersion": TEXT, "DeletionMark": BOOL, "Number": TEXT, "Date": DATE, "Posted": BOOL,
        "Комментарий": TEXT,
    }  # fmt: skip
    cut = {"Комментарий": comment_cut} if comment_cut else {}
    return Set(f"Document_{name}", {**usual, **fields}, targets, parts, cut)


CONTACTS = Part(
    {
        "LineNumber": INT64, "Тип": TEXT, "Вид_Key": GUID, "Представление": TEXT, "НомерТелефона": TEXT,
        "АдресЭП": TEXT,
    },
    {"Вид": "Catalog_ВидыКонтактнойИнформации"},
)  # fmt: skip
GOODS = Part(
    {"LineNumber": INT64, "Номенклатура_Key": GUID, "Количество": DOUBLE, "Цена": DOUBLE, "Сумма": DOUBLE},
    {"Номенклатура": "Catalog_Номенклатура"},
)


def _sets(*sets: Set) -> dict[str, Set]:
    return {item.name: item for item in sets}


KINDS = catalogue("ВидыКонтактнойИнформации")
SALON = Configuration(
    _sets(
        KINDS,
        catalogue("Клиенты", parts={"КонтактнаяИнформация": CONTACTS}),
        catalogue("Сотрудники", {"Должность": TEXT}),
        catalogue("Номенклатура", {"ТипНоменклатуры": TEXT}),
        catalogue("Организации"),
        document(
            "ЗаписьКлиента",
            {
                "Клиент_Key": GUID, "Сотрудник_Key": GUID, "Автор_Key": GUID, "ДатаНачала": DATE,
                "ДатаОкончания": DATE, "СуммаДокумента": DOUBLE, "Статус": TEXT,
            },
            {"Клиент": "Catalog_Клиенты", "Сотрудник": "Catalog_Сотрудники", "Автор": "Catalog_Сотрудники"},
            {"Услуги": GOODS},
        ),
        document(
            "РеализацияТоваровУслуг",
            {"Клиент_Key": GUID, "Ответственный_Key": GUID, "СуммаДокумента": DOUBLE},
            {"Клиент": "Catalog_Клиенты", "Ответственный": "Catalog_Сотрудники"},
            {"Товары": GOODS},
        ),
    ),
    Roles(
        "Catalog_Клиенты", "Catalog_Сотрудники", "Catalog_Номенклатура", "Document_ЗаписьКлиента", "ДатаНачала",
        "Клиент_Key", "Сотрудник_Key", "Услуги", "Номенклатура_Key", end="ДатаОкончания",
    ),
)  # fmt: skip
"""A base made for a salon."""

FIRM = Configuration(
    _sets(
        KINDS,
        catalogue("Контрагенты", parts={"КонтактнаяИнформация": CONTACTS}),
        catalogue("Сотрудники"),
        catalogue("Номенклатура"),
        document(
            "ЗаказПокупателя",
            {
                "Контрагент": TEXT, "Контрагент_Type": TEXT, "Ответственный_Key": GUID, "Длительность": INT64,
                "СуммаДокумента": DOUBLE,
            },
            {"Ответственный": "Catalog_Сотрудники"},
            {"Запасы": GOODS},
            comment_cut=60,
        ),
    ),
    Roles(
        "Catalog_Контрагенты", "Catalog_Сотрудники", "Catalog_Номенклатура", "Document_ЗаказПокупателя", "Date",
        "Контрагент", "Ответственный_Key", "Запасы", "Номенклатура_Key", minutes="Длительность", posts=True,
    ),
)  # fmt: skip
"""Like УНФ: an order with a client of several types, its length an Int64, a short comment, and posting."""


def edmx(configuration: Configuration) -> str:
    """`$metadata`, as platform 8.3 writes it."""
    types, rows, associations = [], [], []

    def association(owner: str, name: str, target: str) -> str:
        relationship = f"{owner}_{name}"
        associations.append(
            f'<Association Name={quoteattr(relationship)}>'
            f'<End Role="Begin" Type={quoteattr("StandardODATA." + owner)} Multiplicity="*"/>'
            f'<End Role="End" Type={quoteattr("StandardODATA." + target)} Multiplicity="0..1"/></Association>'
        )  # fmt: skip
        return (
            f"<NavigationProperty Name={quoteattr(name)} Relationship={quoteattr('StandardODATA.' + relationship)} "
            'FromRole="Begin" ToRole="End"/>'
        )

    for item in configuration.sets.values():
        lines = [_property(name, kind) for name, kind in item.fields.items()]
        for part, shape in item.parts.items():
            row_type = f"{item.name}_{part}_RowType"
            lines.append(_property(part, f"Collection(StandardODATA.{row_type})"))
            columns = "".join(_property(name, kind) for name, kind in {"Ref_Key": GUID, **shape.fields}.items())
            rows.append(f"<ComplexType Name={quoteattr(row_type)}>{columns}</ComplexType>")
            links = "".join(association(f"{item.name}_{part}", name, to) for name, to in shape.targets.items())
            types.append(
                f'<EntityType Name={quoteattr(f"{item.name}_{part}")}><Key><PropertyRef Name="Ref_Key"/>'
                f'<PropertyRef Name="LineNumber"/></Key>{columns}{links}</EntityType>'
            )  # fmt: skip
        lines += [association(item.name, name, target) for name, target in item.targets.items()]
        types.append(
            f'<EntityType Name={quoteattr(item.name)}><Key><PropertyRef Name="Ref_Key"/></Key>'
            f'{"".join(lines)}</EntityType>'
        )  # fmt: skip
    for name, members in configuration.enums.items():
        inner = "".join(f"<Member Name={quoteattr(member)}/>" for member in members)
        rows.append(f"<EnumType Name={quoteattr(name)}>{inner}</EnumType>")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"><edmx:DataServices '
        'm:DataServiceVersion="3.0" m:MaxDataServiceVersion="3.0" '
        'xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
        '<Schema Namespace="StandardODATA" xmlns="http://schemas.microsoft.com/ado/2009/11/edm">'
        f'{"".join(types)}{"".join(rows)}{"".join(associations)}</Schema></edmx:DataServices></edmx:Edmx>'
    )  # fmt: skip


def _property(name: str, kind: str) -> str:
    return f'<Property Name={quoteattr(name)} Type={quoteattr(kind)} Nullable="true"/>'
