"""A company's models in the database: chosen, keyed, read by the brain, bound to the company."""

import pytest
from cryptography.fernet import Fernet

from agent.llm.model import Provider
from agent.llm.settings import settings_from_json
from app.llm_accounts import ChosenAccounts, CompanyAccounts, accounts_for, settings_of, store_settings
from core.companies import Companies
from core.errors import InvalidInput
from core.secrets import CompanySecrets, SecretBox

CHOICE = {
    "models": [
        {"name": "main", "provider": "gigachat", "model": "GigaChat-2"},
        {"name": "spare", "provider": "openai", "model": "q", "base_url": "http://10.0.0.1/v1"},
    ]
}


async def test_the_choice_and_the_keys_reach_the_brain_and_nobody_else(database):
    companies = Companies(database)
    secrets = CompanySecrets(database, SecretBox([Fernet.generate_key().decode()]))
    mine = await companies.save("one", "One", region="RU", settings={"other": 1})
    other = await companies.save("two", "Two", region="DE")
    accounts = CompanyAccounts(companies, secrets)
    assert await accounts.of(other.scope) is None

    await store_settings(companies, mine, settings_from_json(CHOICE))
    await secrets.put(mine.scope, "llm.main", "word")
    account = await accounts.of(mine.scope)
    assert account is not None
    assert [m.provider for m in account.settings.models] == [Provider.GIGACHAT, Provider.OPENAI]
    assert account.keys == {"main": "word", "spare": ""}
    assert account.region == "RU"
    assert "word" not in repr(account)
    stored = await companies.get(mine.scope)
    assert stored.settings["other"] == 1
    assert settings_of(stored) == settings_from_json(CHOICE)

    chosen = await ChosenAccounts(accounts, "spare").of(mine.scope)
    assert chosen is not None
    assert [m.name for m in chosen.settings.models] == ["spare", "main"]
    with pytest.raises(InvalidInput, match="no such model; there are: main, spare"):
        await ChosenAccounts(accounts, "nope").of(mine.scope)


async def test_a_key_sealed_by_another_installation_counts_as_missing(database):
    companies = Companies(database)
    mine = await companies.save("one", "One")
    await store_settings(companies, mine, settings_from_json(CHOICE))
    await CompanySecrets(database, SecretBox([Fernet.generate_key().decode()])).put(mine.scope, "llm.main", "word")
    here = CompanyAccounts(companies, CompanySecrets(database, SecretBox([Fernet.generate_key().decode()])))
    account = await here.of(mine.scope)
    assert account is not None
    assert account.keys["main"] == ""


async def test_settings_that_cannot_be_read_leave_the_rules(database):
    companies = Companies(database)
    mine = await companies.save("one", "One", settings={"llm": {"models": "all"}})
    accounts = CompanyAccounts(companies, CompanySecrets(database, SecretBox([Fernet.generate_key().decode()])))
    assert await accounts.of(mine.scope) is None


def test_the_option_of_a_brain():
    assert accounts_for("") is None
    assert accounts_for("scripted") is not None
    for wrong in ("llm:", "gpt", "model:x"):
        with pytest.raises(InvalidInput, match="--brain"):
            accounts_for(wrong)


async def test_a_model_that_cannot_be_used_is_left_out_and_not_built_on_every_turn(monkeypatch):
    from agent.llm import providers
    from agent.llm.model import Account
    from core.ids import new_conversation_id

    built = []
    real = providers.build_line
    monkeypatch.setattr(providers, "build_line", lambda *given: (built.append(given[0].name), real(*given))[1])
    settings = settings_from_json({"models": [{"provider": "gemini", "model": "g"}, CHOICE["models"][1]]})
    pool, company = providers.LinePool(), new_conversation_id()
    for _ in range(3):
        lines = await pool.lines(company, Account(settings, "RU", {"gemini": "k"}))
        assert [line.name for line in lines] == ["spare"]
    assert built == ["gemini", "spare"]
    await pool.close()
