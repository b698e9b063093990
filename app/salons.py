"""Which companies there are, and the one that is made when there is none."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from core.api_keys import ApiKeys
from core.clock import SystemClock
from core.companies import Companies, Company
from core.database import Database
from core.errors import ConfigurationError
from core.installation import InstallationSecrets
from core.settings import Settings
from crm.company_file import load_company

DEMO_SALON = Path(__file__).parent / "demo" / "myata.yaml"
DEMO_NUMBER = "+79000000000"
"""Reaches the demo salon through Twilio's door while no number is configured; belongs to no operator."""
KEY_NAME = "ai-admin serve"
KEY_LIFE = timedelta(days=30)


async def ensure_company(
    database: Database, settings: Settings, file: Path | None, on_step: Callable[[str], None]
) -> tuple[Company, str]:
    """The company of the file, or the demo salon moved to the current week; and the number that reaches it.

    A salon that is there already stands as it is: its bookings are worth more than the file.
    """
    companies = Companies(database)
    loaded = await load_company(database, file or DEMO_SALON, shift_to=None if file else date.today())  # noqa: DTZ011
    company = await companies.by_slug(loaded.slug)
    assert company is not None
    if loaded.created:
        on_step(f"loaded the salon «{company.name}»")
    number = settings.twilio_number or DEMO_NUMBER
    await companies.assign_number(company.scope, company.slug)
    await companies.assign_number(company.scope, number)
    return company, number


async def fresh_api_key(database: Database, secrets: InstallationSecrets, company: Company) -> str:
    """A key for this run; the one of the last run ends, since a key is shown only once."""
    clock = SystemClock()
    keys = ApiKeys(database, secrets.api_key_pepper, clock)
    for key in await keys.list(company.scope):
        if key.name == KEY_NAME and key.revoked_at is None:
            await keys.revoke(company.scope, key.id)
    return await keys.create(company.scope, KEY_NAME, ["*"], expires_at=clock.now() + KEY_LIFE)


async def one_company(companies: Companies, slug: str) -> Company:
    """The company that a command means. Raises ConfigurationError with the choice when it is not clear."""
    known = await companies.all()
    if slug:
        found = next((company for company in known if company.slug == slug), None)
    else:
        found = known[0] if len(known) == 1 else None
    if found is None:
        names = ", ".join(company.slug for company in known) or "none: load one with `ai-admin company load FILE`"
        raise ConfigurationError(f"name a company; there are: {names}")
    return found
