"""The salon's state as plain data, and the difference of two states judged against what a scenario allows."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from tests.simulators.memory_crm import MemorySalon


@dataclass(frozen=True)
class State:
    """bookings, clients: id -> facts; the rest are lists of facts in the order of writing."""

    bookings: dict[str, dict[str, Any]]
    clients: dict[str, dict[str, Any]]
    waitlist: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    notes: int = 0


def of_memory(salon: MemorySalon) -> State:
    zone = salon.zone
    bookings = {
        str(key): {
            "client": b.client_id, "staff": b.staff_id, "services": list(b.service_ids), "start": _local(b.start, zone),
            "end": _local(b.end, zone), "status": b.status.value, "staff_locked": b.staff_locked, "for": b.for_whom,
            "certificate": b.certificate, "late": b.late_cancel,
        }
        for key, b in salon.bookings.items()
    }  # fmt: skip
    clients = {str(k): {"name": c.name, "phone": c.phone.e164 if c.phone else None} for k, c in salon.clients.items()}
    waitlist = [
        {
            "client": w.client_id, "services": list(w.service_ids), "date": w.day.isoformat(),
            "staff": list(w.staff_ids),
            "after": w.not_before.strftime("%H:%M") if w.not_before else None,
        }
        for w in salon.waitlist
    ]  # fmt: skip
    tasks = [{"kind": t.kind.value, "text": t.text} for t in salon.tasks]
    messages = [{"kind": m.kind.value, "to": m.to.e164 if m.to else None, "text": m.text} for m in salon.messages]
    return State(bookings, clients, waitlist, tasks, messages, len(salon.notes))


def of_dump(dump: dict[str, Any]) -> State:
    """From the whole state of a company, as crm.company_file.dump_company gives it."""
    bookings = {
        key: {
            "client": b["client"], "staff": b["staff"], "services": b["services"], "start": b["start"], "end": b["end"],
            "status": b["status"], "staff_locked": b["staff_locked"], "for": b["for"] or "",
            "certificate": b["certificate"] or "", "late": b["late_cancel"],
        }
        for key, b in dump["bookings"].items()
    }  # fmt: skip
    clients = {key: {"name": c["name"], "phone": c["phone"]} for key, c in dump["clients"].items()}
    notes = sum(1 for b in dump["bookings"].values() if b["comment"])
    return State(
        bookings, clients, list(dump["waitlist"].values()), list(dump["tasks"].values()),
        [{**m, "to": m["phone"]} for m in dump["messages"].values()], notes,
    )  # fmt: skip


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def faults(before: State, after: State, expected: dict[str, Any]) -> list[str]:
    """What differs from the only allowed difference; empty: the scenario passed."""
    found: list[str] = []
    new_clients = [c for key, c in after.clients.items() if key not in before.clients]
    found += _match_lists("client", new_clients, expected.get("clients", []), _client_fits)
    found += [f"client {k} changed" for k, c in before.clients.items() if after.clients.get(k) != c]
    created = [b for key, b in after.bookings.items() if key not in before.bookings]
    fits = lambda got, want: _booking_fits(got, want, after)  # noqa: E731
    found += _match_lists("created booking", created, expected.get("created", []), fits)
    if "chain" in expected:
        found += _chain_faults(created, expected["chain"]["max_gap_min"])
    found += _changes(before, after, expected)
    fits_wish = lambda got, want: _wish_fits(got, want, after)  # noqa: E731
    found += _match_lists(
        "wait-list wish", after.waitlist[len(before.waitlist) :], expected.get("waitlist", []), fits_wish
    )
    return found


def effect_faults(before: State, after: State, effects: list[str], outcome: str | None, handed: bool) -> list[str]:
    found = []
    got: Counter[str] = Counter(f"task:{t['kind']}" for t in after.tasks[len(before.tasks) :])
    got.update(f"message:{m['kind']}" for m in after.messages[len(before.messages) :])
    if after.notes > before.notes:
        got["note"] += 1
    if handed:
        got["handoff"] += 1
    got[f"outcome:{outcome}"] += 1
    want = Counter(effects)
    found += [f"missing effect {name}" for name in want - got]
    found += [f"unexpected effect {name}" for name in got - want]
    return found


def _match_lists(what: str, got: list[Any], want: list[Any], fits: Any) -> list[str]:
    left, found = list(got), []
    for item in want:
        hit = next((g for g in left if fits(g, item)), None)
        if hit is None:
            found.append(f"no {what} like {item}; there are {left}")
        else:
            left.remove(hit)
    return found + [f"unexpected {what}: {item}" for item in left]


def _client_fits(got: dict[str, Any], want: dict[str, Any]) -> bool:
    return got["phone"] == want["phone"] and set(want["name"].split()) == set(got["name"].split())


def _owner_fits(client: str | None, want: str, state: State) -> bool:
    return client == want or (client is not None and state.clients.get(client, {}).get("phone") == want)


def _booking_fits(got: dict[str, Any], want: dict[str, Any], state: State) -> bool:
    start, end = got["start"], got["end"]
    return (
        _owner_fits(got["client"], want["client"], state)
        and sorted(got["services"]) == sorted(want["services"])
        and got["staff"] in want["staff_in"]
        and start[:10] == str(want["date"])
        and ("start" not in want or start == _text(want["start"]))
        and ("after" not in want or start[11:] >= want["after"])
        and ("before" not in want or end[11:] <= want["before"])
        and got["staff_locked"] is want.get("staff_locked", False)
        and got["for"] == want.get("for", "")
        and got["certificate"] == want.get("certificate", "")
        and got["status"] == want.get("status", "booked")
    )


def _text(moment: Any) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M") if isinstance(moment, datetime) else str(moment)[:16]


def _wish_fits(got: dict[str, Any], want: dict[str, Any], state: State) -> bool:
    return (
        _owner_fits(got["client"], want["client"], state)
        and got["services"] == want["services"]
        and got["date"] == str(want["date"])
        and got["after"] == want.get("after")
        and set(got["staff"]) == set(want["staff_in"])
    )


def _chain_faults(created: list[dict[str, Any]], max_gap_min: int) -> list[str]:
    ordered = sorted(created, key=lambda b: b["start"])
    for first, second in pairwise(ordered):
        gap = datetime.fromisoformat(second["start"]) - datetime.fromisoformat(first["end"])
        if not timedelta() <= gap <= timedelta(minutes=max_gap_min):
            return [f"the gap between the parts is {gap}"]
    return []


def _changes(before: State, after: State, expected: dict[str, Any]) -> list[str]:
    found = []
    allowed = {c["booking"]: c for c in expected.get("changed", [])}
    cancelled = {c["booking"]: c for c in expected.get("cancelled", [])}
    for key, old in before.bookings.items():
        new = after.bookings.get(key)
        if new == old:
            found += [f"booking {key} should have changed"] if key in allowed or key in cancelled else []
        elif new is None:
            found.append(f"booking {key} has vanished")
        elif key in cancelled:
            if new["status"] != "cancelled" or bool(new["late"]) is not cancelled[key]["late"]:
                found.append(f"booking {key} is {new['status']}, late {new['late']}")
        elif key in allowed:
            want = allowed[key]
            for name in ("staff", "services", "status"):
                if name in want and new[name] != want[name]:
                    found.append(f"booking {key}: {name} is {new[name]}")
            if "start" in want and new["start"] != _text(want["start"]):
                found.append(f"booking {key}: start is {new['start']}")
        else:
            found.append(f"booking {key} changed: {new}")
    return found
