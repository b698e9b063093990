"""A company's choice of models: what is accepted, and what the complaint says."""

import pytest

from agent.llm.arguments import FindTimes
from agent.llm.failures import failure_of, retry_after_s
from agent.llm.health import Failure, Health
from agent.llm.model import Confirms, Provider
from agent.llm.prompt import prompt_text
from agent.llm.providers import OWN_ADDRESS, check_region
from agent.llm.schema import plain, tool_schemas
from agent.llm.settings import model_from_json, settings_from_json, settings_to_json
from core.errors import ConfigurationError, Forbidden, InvalidInput

GOOD = {"name": "main", "provider": "openai", "model": "qwen3", "base_url": "http://10.0.0.5:8000/v1/"}


def test_a_choice_survives_its_json():
    settings = settings_from_json({"models": [GOOD, {"provider": "gigachat", "model": "GigaChat-2"}], "early": False,
                                   "instructions": "Говори тепло.", "confirms": "model"})  # fmt: skip
    assert [m.name for m in settings.models] == ["main", "gigachat"]
    assert settings.models[0].base_url == "http://10.0.0.5:8000/v1"
    assert settings.confirms is Confirms.MODEL
    assert settings_from_json(settings_to_json(settings)) == settings


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"provider": "gpt"}, "provider: one of"),
        ({"model": ""}, "model: the model's id"),
        ({"name": "Main Model"}, "name: lower-case"),
        ({"base_url": "http://user:pw@host/v1"}, "without keys"),
        ({"base_url": "ftp://host"}, "an address such as"),
        ({"temperature": 3}, "temperature: a number from 0 to 2"),
        ({"temperature": True}, "temperature"),
        ({"max_tokens": 5}, "max_tokens: a whole number"),
        ({"thinking": "very"}, "thinking: one of"),
        ({"api_key": "x"}, "ai-admin llm key"),
        ({"provider": "yandexgpt"}, "folder"),
    ],
)
def test_a_wrong_field_is_named(change, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        model_from_json(GOOD | change, "llm")


def test_two_models_need_two_names():
    with pytest.raises(InvalidInput, match="same name"):
        settings_from_json({"models": [GOOD, GOOD]})


def test_russian_companies_reach_only_russian_and_own_hosts():
    for provider in Provider:
        choice = model_from_json({"provider": provider.value, "model": "m", "folder": "f"}, "llm")
        if provider in (Provider.GIGACHAT, Provider.YANDEXGPT):
            check_region(choice, "RU")
        else:
            with pytest.raises(Forbidden, match="marked RU"):
                check_region(choice, "RU")
            check_region(choice, "DE")
    assert set(OWN_ADDRESS) == set(Provider)


def test_tokens_of_gigachat_are_fetched_inside_the_country_too():
    data = {"provider": "gigachat", "model": "m", "auth_url": "https://tokens.example.com/oauth"}
    with pytest.raises(Forbidden):
        check_region(model_from_json(data, "llm"), "RU")


def test_every_tool_has_a_plain_schema_and_no_field_that_only_the_service_may_know():
    schemas = {name: schema for name, _, schema in tool_schemas()}
    assert {"find_times", "read_back", "book", "move_booking", "cancel_booking", "hand_over"} <= schemas.keys()
    for schema in schemas.values():
        text = str(schema)
        assert not any(word in text for word in ("anyOf", "$ref", "default"))
        forbidden = {"price", "phone", "client_id", "company", "staff_locked", "prepay"}
        assert not forbidden & schema.get("properties", {}).keys()
    assert schemas["book"]["required"] == ["offer_id"]
    assert plain(FindTimes.model_json_schema())["properties"]["first_day"]["type"] == "string"


def test_prompt_versions_are_there_in_both_languages():
    assert "read_back" in prompt_text("v1", "ru")
    assert "read_back" in prompt_text("v1", "en")
    with pytest.raises(ConfigurationError, match="no version"):
        prompt_text("v99", "ru")


def test_a_failed_model_rests_and_is_tried_again():
    health = Health(rest_s=30, rest_refused_s=300)
    health.failed("a", Failure.OVERLOADED, now_s=0)
    health.failed("b", Failure.AUTH, now_s=0)
    health.failed("c", Failure.EMPTY, now_s=0)
    assert health.awake(["a", "b", "c"], 10) == ["c"]
    assert health.awake(["a", "b", "c"], 31) == ["a", "c"]
    assert health.awake(["a", "b", "c"], 301) == ["a", "b", "c"]
    health.failed("a", Failure.LIMIT, now_s=400, retry_after_s=2)
    assert health.awake(["a"], 403) == ["a"]
    health.failed("a", Failure.STALLED, now_s=500)
    health.answered("a")
    assert health.awake(["a"], 500) == ["a"]


def test_errors_become_reasons():
    from pydantic_ai.exceptions import ModelHTTPError, UnexpectedModelBehavior

    def error(status, body=None, headers=None):
        return ModelHTTPError(status, "m", body, headers=headers)

    assert failure_of(error(401)) is Failure.AUTH
    assert failure_of(error(402)) is Failure.MONEY
    assert failure_of(error(404)) is Failure.NO_MODEL
    assert failure_of(error(429)) is Failure.LIMIT
    assert failure_of(error(429, {"error": {"code": "insufficient_quota"}})) is Failure.MONEY
    assert failure_of(error(400, {"error": {"message": "User location is not supported"}})) is Failure.REGION
    assert failure_of(error(422)) is Failure.BAD_REQUEST
    assert failure_of(error(529)) is Failure.OVERLOADED
    assert failure_of(UnexpectedModelBehavior("x")) is Failure.GARBAGE
    assert failure_of(TimeoutError()) is Failure.STALLED
    assert retry_after_s(error(429, headers={"retry-after": "7"})) == 7
    assert retry_after_s(error(429, {"error": {"details": [{"retryDelay": "27s"}]}})) == 27
