"""The command line, driven as a script would: a whole booking, bad files, bad settings, taken ports, reset."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.server import RunningServer, new_bookings, new_folder, run_cli

pytestmark = pytest.mark.timeout(150)

FIXTURE = Path(__file__).parents[2] / "app" / "demo" / "myata.yaml"
CALLER = "+79000000377"
CHAT = ("--json", "--from", CALLER, "--channel", "telegram", "--now", "2026-12-01T11:00")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A data folder of its own with the salon of the dialogue tests, dates as written."""
    path = new_folder()
    status, output, errors = run_cli("company", "load", str(FIXTURE), "--data-dir", str(path))
    assert status == 0, errors
    assert "загружен" in output
    yield path
    shutil.rmtree(path, ignore_errors=True)


def chat(folder: Path, *lines: str) -> list[dict[str, Any]]:
    """The agent's replies: the greeting, then one to each line."""
    stdin = "".join(line + "\n" for line in lines)
    status, output, errors = run_cli("chat", *CHAT, "--data-dir", str(folder), stdin=stdin)
    assert status == 0, errors
    assert "Traceback" not in errors
    return [json.loads(line) for line in output.splitlines()]


def dump(folder: Path) -> dict[str, Any]:
    status, output, errors = run_cli("company", "dump", "--json", "--data-dir", str(folder))
    assert status == 0, errors
    return json.loads(output)


def test_a_script_books_and_the_dump_shows_exactly_that(folder: Path) -> None:
    before = dump(folder)
    replies = chat(
        folder,
        "Здравствуйте! Запишите меня на мужскую стрижку к Игорю завтра в 16:00",
        "меня зовут Алексей",
        "да, всё верно",
        "спасибо, до свидания",
    )
    assert all(reply["texts"] for reply in replies[:4]), replies
    assert [tool["name"] for reply in replies for tool in reply["tools"] if tool["writes"]][:1] == ["book"], replies
    assert replies[-1]["outcome"] == "booked", replies
    after = dump(folder)
    created = new_bookings(before, after)
    assert len(created) == 1
    booking = created[0]
    assert (booking["staff"], booking["services"], booking["start"], booking["status"], booking["price"]) == (
        "igor", ["S03"], "2026-12-02T16:00", "booked", 1800,
    )  # fmt: skip
    client = after["clients"][booking["client"]]
    assert (client["name"], client["phone"]) == ("Алексей", CALLER)
    # Nothing else is different: what was there is as it was, and only this conversation left its traces.
    for name, content in before.items():
        if name in ("bookings", "clients"):
            assert {key: after[name][key] for key in content} == content, name
        elif name not in ("messages", "conversations"):
            assert after[name] == content, name
    assert len(after["bookings"]) == len(before["bookings"]) + 1
    assert len(after["clients"]) == len(before["clients"]) + 1
    assert len(after["conversations"]) == len(before["conversations"]) + 1
    assert [talk["outcome"] for talk in after["conversations"].values()] == ["booked"]
    messages = [message for key, message in after["messages"].items() if key not in before["messages"]]
    assert [message["phone"] for message in messages] == [CALLER]


RUBBISH = (
    "а" * 10_000,
    "💇‍♀️🔥" * 800,
    "\x01\x02\x1b[31m\x7f стрижка \x00\x08",
    "запишите на 32 декабря",
    "на 30 февраля",
    "вчера",
    "на 25:99",
    "'; drop table bookings; --",
    "<script>alert(1)</script>",
    "\u202e\u200f\u0301\u0301\u0301",
    "-1 стрижку на 0 часов минус пять человек",
)


def test_rubbish_in_a_chat_is_answered_and_writes_nothing(folder: Path) -> None:
    before = dump(folder)
    replies = chat(
        folder, *RUBBISH, "запишите меня на 30 февраля на мужскую стрижку", "а сколько стоит мужская стрижка?"
    )
    assert len(replies) == len(RUBBISH) + 3, [reply["texts"] for reply in replies]
    assert all(reply["texts"] for reply in replies), replies
    assert not any(tool["writes"] for reply in replies[:-1] for tool in reply["tools"] if tool["name"] == "book")
    assert "1800" in " ".join(replies[-1]["texts"]), "after all that it still answers a plain question"
    after = dump(folder)
    for name in ("bookings", "clients", "services", "staff"):
        assert after[name] == before[name], name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "12"), "--from"),
        (("--now", "tomorrow"), "--now"),
        (("--company", "nobody"), "name a company"),
    ],
)
def test_wrong_options_of_chat(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    status, output, errors = run_cli("chat", "--json", *arguments, "--data-dir", str(folder))
    assert (status, output) == (1, "")
    assert message in errors
    assert errors.count("\n") == 1, errors


def company_with(**changes: Any) -> str:
    document = yaml.safe_load(FIXTURE.read_text(encoding="utf-8"))
    root = document["fixture"]
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = root
        for name in parents:
            target = target[name]
        if value is None:
            del target[last]
        else:
            target[last] = value
    return yaml.safe_dump(document, allow_unicode=True)


BAD_FILES = {
    "services.S03.min": company_with(services__S03__min=-5),
    "clients.C01.phone": company_with(clients__C01__phone="12"),
    "bookings.B001": company_with(bookings__B001=["C01", "anna", ["S99"], "2026-12-01T10:00"]),
    "salon.name": company_with(salon__name=None),
    "unheard_of": company_with(unheard_of=1),
    "not YAML at line": "fixture: {a: [",
}


@pytest.mark.parametrize("field", BAD_FILES)
def test_a_bad_company_file_names_the_field(folder: Path, tmp_path: Path, field: str) -> None:
    file = tmp_path / "salon.yaml"
    file.write_text(BAD_FILES[field], encoding="utf-8")
    status, output, errors = run_cli("company", "load", str(file), "--replace", "--data-dir", str(folder))
    assert (status, output) == (1, "")
    assert field in errors
    assert errors.count("\n") == 1, errors


def test_bad_files_changed_nothing(folder: Path, tmp_path: Path) -> None:
    status, output, errors = run_cli("company", "load", str(tmp_path / "none.yaml"), "--data-dir", str(folder))
    assert (status, output) == (1, "")
    assert "none.yaml" in errors
    assert len(dump(folder)["services"]) == 17


def test_numbers_of_a_company(folder: Path) -> None:
    status, output, _ = run_cli("company", "numbers", "--add", "8 (495) 000-00-01", "--data-dir", str(folder))
    assert status == 0
    assert "+74950000001" in output.split()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AI_ADMIN_HTTP_PORT", "70000"),
        ("AI_ADMIN_DEFAULT_TIMEZONE", "Mars/Olympus"),
        ("AI_ADMIN_SECRET_KEYS", "not-a-key"),
        ("DATABASE_URL", "mysql://localhost/x"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(tmp_path: Path, variable: str, value: str) -> None:
    status, output, errors = run_cli("serve", "--data-dir", str(tmp_path / "data"), **{variable: value})
    assert (status, output) == (1, "")
    assert variable in errors
    assert value not in errors or variable == "AI_ADMIN_DEFAULT_TIMEZONE"
    assert errors.count("\n") == 1, errors
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("option", "kind"),
    [("--http-port", socket.SOCK_STREAM), ("--sip-port", socket.SOCK_DGRAM), ("--twilio-port", socket.SOCK_STREAM)],
)
def test_a_taken_port_names_its_option(tmp_path: Path, option: str, kind: socket.SocketKind) -> None:
    free = [part for name in ("--http-port", "--sip-port", "--twilio-port") if name != option for part in (name, "0")]
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        status, output, errors = run_cli("serve", "--data-dir", str(tmp_path / "data"), option, str(port), *free)
    assert (status, output) == (1, "")
    assert option in errors
    assert str(port) in errors


def test_a_second_server_in_the_same_folder_is_refused(server: RunningServer) -> None:
    ports = ("--http-port", "0", "--sip-port", "0", "--twilio-port", "0")
    status, output, errors = run_cli("serve", "--data-dir", str(server.folder), *ports)
    assert status == 1, errors
    assert output == ""
    assert str(server.folder) in errors
    assert server.alive()


def test_reset_leaves_foreign_folders_and_running_stacks_alone(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_text("a picture")
    status, _, errors = run_cli("reset", "--yes", "--data-dir", str(tmp_path))
    assert status == 1
    assert "nothing was removed" in errors
    assert (tmp_path / "holiday.jpg").exists()
    status, _, errors = run_cli("reset", "--yes", "--data-dir", str(server.folder))
    assert status == 1
    assert "in use" in errors
    assert server.alive()
    assert server.company()["bookings"]


def test_reset_asks_and_removes() -> None:
    folder = new_folder()
    (folder / "installation-secrets.json").write_text("{}")
    status, output, _ = run_cli("reset", "--data-dir", str(folder), stdin="n\n")
    assert status == 0
    assert "ничего не удалено" in output
    assert (folder / "installation-secrets.json").exists()
    assert run_cli("reset", "--data-dir", str(folder), stdin="")[0] != 0, "no answer is no consent"
    assert folder.exists()
    status, _, _ = run_cli("reset", "--data-dir", str(folder), stdin="y\n")
    assert status == 0
    assert not folder.exists()
    assert run_cli("reset", "--data-dir", str(folder), "--yes")[0] == 0


def test_models_are_listed_and_strangers_are_named(tmp_path: Path) -> None:
    status, output, errors = run_cli("models", "list", "--data-dir", str(tmp_path))
    assert status == 0, errors
    for name in ("embedded-ru", "espeak", "встроена"):
        assert name in output
    status, _, errors = run_cli("models", "get", "no-such-model", "--data-dir", str(tmp_path))
    assert status == 1
    assert "no-such-model" in errors
    assert errors.count("\n") == 1, errors
