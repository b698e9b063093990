"""The scope of one company (tenant). Repositories take it first; row-level security stands behind it."""

from dataclasses import dataclass

from core.ids import CompanyId


@dataclass(frozen=True, slots=True)
class CompanyScope:
    """Right to act inside one company. Made at the edge (dialled number, session, API key), never by the model."""

    company_id: CompanyId
