"""A company's language models as the brain gets them: the choice from the company, the keys from its secrets."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from agent.llm.model import Account, LlmSettings, LlmTimings
from agent.llm.ports import Accounts
from agent.llm.settings import settings_from_json, settings_to_json
from core.companies import Companies, Company
from core.errors import AppError, InvalidInput
from core.ids import CompanyId
from core.secrets import CompanySecrets
from core.tenancy import CompanyScope
from voice import timings

log = structlog.get_logger(__name__)

SETTING = "llm"
"""The field of the company's settings."""
FRESH_S = 30.0
"""A change of the owner's is heard after so long; a turn must not wait for two statements each time."""


def llm_timings() -> LlmTimings:
    return LlmTimings(
        hedge_s=timings.LLM_HEDGE_S,
        scripted_s=timings.LLM_SCRIPTED_S,
        gap_s=timings.LLM_GAP_S,
        turn_s=timings.LLM_TURN_S,
        rest_s=timings.LLM_REST_S,
        rest_refused_s=timings.LLM_REST_REFUSED_S,
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    account: Account | None
    read_s: float


class CompanyAccounts:
    """Implements agent.llm.ports.Accounts."""

    def __init__(self, companies: Companies, secrets: CompanySecrets) -> None:
        self._companies = companies
        self._secrets = secrets
        self._entries: dict[CompanyId, _Entry] = {}

    async def of(self, scope: CompanyScope) -> Account | None:
        """Settings that cannot be read count as none, loudly: the salon's calls go on with the rules."""
        entry = self._entries.get(scope.company_id)
        if entry is None or time.monotonic() - entry.read_s > FRESH_S:
            entry = _Entry(await self._read(scope), time.monotonic())
            self._entries[scope.company_id] = entry
        return entry.account

    async def _read(self, scope: CompanyScope) -> Account | None:
        company = await self._companies.get(scope)
        try:
            settings = settings_of(company)
        except InvalidInput as error:
            log.error("llm_settings_unreadable", company=company.slug, code=error.code)
            return None
        return await self.account(company, settings) if settings.models else None

    async def account(self, company: Company, settings: LlmSettings) -> Account:
        """With the keys that there are. A secret that cannot be decrypted counts as missing, loudly."""
        keys = dict.fromkeys((model.name for model in settings.models), "")
        for model in settings.models:
            try:
                keys[model.name] = await self._secrets.get(company.scope, model.secret) or ""
            except AppError as error:
                log.error("llm_key_unreadable", company=company.slug, model=model.name, code=error.code)
        return Account(settings, company.region, keys)


def settings_of(company: Company) -> LlmSettings:
    """Raises InvalidInput."""
    stored = company.settings.get(SETTING)
    return settings_from_json(stored) if stored else LlmSettings()


async def store_settings(companies: Companies, company: Company, settings: LlmSettings) -> None:
    """Replaces the choice; the company's other settings stay."""
    await companies.save(
        company.slug,
        company.name,
        region=company.region,
        timezone=company.timezone,
        language=company.language,
        settings={**company.settings, SETTING: settings_to_json(settings)},
    )


@dataclass(frozen=True, slots=True)
class ChosenAccounts:
    """The same accounts, with one model of them put in front: for trying a model in a chat."""

    inner: CompanyAccounts
    name: str

    async def of(self, scope: CompanyScope) -> Account | None:
        account = await self.inner.of(scope)
        models = account.settings.models if account is not None else ()
        chosen = [model for model in models if model.name == self.name]
        if account is None or not chosen:
            known = ", ".join(model.name for model in models) or "none: add one with `ai-admin llm set`"
            raise InvalidInput(f"--brain llm:{self.name}: the company has no such model; there are: {known}")
        rest = tuple(model for model in models if model.name != self.name)
        return replace(account, settings=replace(account.settings, models=(*chosen, *rest)))


class NoAccounts:
    """Nobody uses a model: the scripted brain alone."""

    async def of(self, scope: CompanyScope) -> Account | None:
        return None


def accounts_for(brain: str) -> Callable[[CompanyAccounts], Accounts] | None:
    """Of the option --brain: empty (as the company has set), scripted, or llm:NAME. Raises InvalidInput."""
    if not brain:
        return None
    if brain == "scripted":
        return lambda _: NoAccounts()
    name = brain.removeprefix("llm:")
    if name == brain or not name:
        raise InvalidInput("--brain: scripted, or llm:NAME with a name of `ai-admin llm show`")
    return lambda own: ChosenAccounts(own, name)
