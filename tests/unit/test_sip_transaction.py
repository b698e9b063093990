"""The transaction machines in virtual time: every timer of RFC 3261 section 17 and RFC 6026."""

import pytest

from telephony.sip.message import SipRequest, SipResponse, read_message, respond
from telephony.sip.transaction import (
    AckArrived,
    AckMissing,
    Action,
    ClientTimedOut,
    RequestArrived,
    ResponseArrived,
    ServerTransaction,
    State,
    TransactionLayer,
    Transmit,
)

PEER = ("192.0.2.9", 5060)


def request(method: str = "INVITE", branch: str = "z9hG4bK-a", cseq: int = 1, **headers: str) -> SipRequest:
    message = SipRequest(method=method, uri="sip:salon@192.0.2.1")
    fields = {
        "Via": f"SIP/2.0/UDP 192.0.2.9:5060;branch={branch}",
        "From": "<sip:a@192.0.2.9>;tag=f",
        "To": "<sip:salon@192.0.2.1>",
        "Call-ID": "c",
        "CSeq": f"{cseq} {method}",
    } | headers
    for name, value in fields.items():
        message.headers.set(name, value)
    return message


def sent(actions: list[Action]) -> list[str]:
    """First lines of what goes out."""
    return [action.data.split(b"\r\n")[0].decode() for action in actions if isinstance(action, Transmit)]


class Clock:
    """Wakes a layer exactly when it wants to be woken."""

    def __init__(self, layer: TransactionLayer) -> None:
        self.layer = layer
        self.now_s = 0.0
        self.log: list[tuple[float, Action]] = []

    def run(self, until_s: float) -> list[tuple[float, Action]]:
        found = []
        while (deadline := self.layer.deadline_s) is not None and deadline <= until_s:
            self.now_s = deadline
            found += [(round(deadline, 3), action) for action in self.layer.wake(deadline)]
        self.now_s = until_s
        return found


def times(found: list[tuple[float, Action]], kind: type[Action]) -> list[float]:
    return [at for at, action in found if isinstance(action, kind)]


def server(method: str = "INVITE") -> tuple[TransactionLayer, ServerTransaction, Clock]:
    layer = TransactionLayer()
    (arrived,) = layer.receive_request(request(method), PEER, 0.0)
    assert isinstance(arrived, RequestArrived)
    return layer, arrived.transaction, Clock(layer)


# --- server ---


def test_a_repeated_request_gets_the_last_response_and_nobody_else_sees_it() -> None:
    layer, known, _ = server()
    assert layer.receive_request(request(), PEER, 0.1) == []
    layer.respond(known, respond(known.request, 180), 0.2)
    assert sent(layer.receive_request(request(), PEER, 0.3)) == ["SIP/2.0 180 Ringing"]
    assert layer.repeated_requests == 2


def test_a_refused_invite_is_repeated_by_timer_g_until_timer_h() -> None:
    layer, known, clock = server()
    layer.respond(known, respond(known.request, 486), 0.0)
    found = clock.run(40)
    assert times(found, Transmit) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert known.state is State.TERMINATED
    assert times(found, AckMissing) == []
    assert layer.size == 0


def test_the_ack_of_a_refusal_stops_it_and_is_absorbed() -> None:
    layer, known, clock = server()
    layer.respond(known, respond(known.request, 486), 0.0)
    assert layer.receive_request(request("ACK"), PEER, 0.2) == []
    assert known.state is State.CONFIRMED
    assert times(clock.run(10), Transmit) == []
    assert layer.size == 0


def test_an_accepted_invite_is_repeated_until_acknowledged() -> None:
    layer, known, clock = server()
    layer.respond(known, respond(known.request, 200), 0.0)
    assert times(clock.run(4), Transmit) == [0.5, 1.5, 3.5]
    layer.acknowledged(known)
    found = clock.run(40)
    assert times(found, Transmit) == []
    assert times(found, AckMissing) == []


def test_an_accepted_invite_without_ack_is_reported() -> None:
    layer, known, clock = server()
    layer.respond(known, respond(known.request, 200), 0.0)
    assert times(clock.run(40), AckMissing) == [32.0]


def test_a_repeated_invite_after_the_200_is_absorbed() -> None:
    """RFC 6026: the state Accepted exists so that it does not begin a second call."""
    layer, known, _ = server()
    layer.respond(known, respond(known.request, 200), 0.0)
    assert layer.receive_request(request(), PEER, 0.1) == []
    assert layer.receive_request(request(), PEER, 31.0) == []


def test_the_ack_of_a_200_belongs_to_the_dialog() -> None:
    layer, known, _ = server()
    layer.respond(known, respond(known.request, 200), 0.0)
    (arrived,) = layer.receive_request(request("ACK", branch="z9hG4bK-other"), PEER, 0.1)
    assert isinstance(arrived, AckArrived)
    # Some send it with the branch of the INVITE.
    (arrived,) = layer.receive_request(request("ACK"), PEER, 0.1)
    assert isinstance(arrived, AckArrived)


def test_a_final_response_is_final() -> None:
    layer, known, _ = server()
    layer.respond(known, respond(known.request, 487), 0.0)
    assert layer.respond(known, respond(known.request, 200), 0.1) == []


def test_a_non_invite_answers_repeats_for_32_s() -> None:
    layer, known, clock = server("BYE")
    layer.respond(known, respond(known.request, 200), 0.0)
    assert times(clock.run(31), Transmit) == []
    assert sent(layer.receive_request(request("BYE"), PEER, 31.0)) == ["SIP/2.0 200 OK"]
    clock.run(33)
    (arrived,) = layer.receive_request(request("BYE"), PEER, 33.0)
    assert isinstance(arrived, RequestArrived)


def test_branches_of_different_senders_and_methods_are_different_transactions() -> None:
    layer, _, _ = server()
    other = request(Via="SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bK-a")
    assert isinstance(layer.receive_request(other, PEER, 0.0)[0], RequestArrived)
    assert isinstance(layer.receive_request(request("OPTIONS"), PEER, 0.0)[0], RequestArrived)


def test_old_clients_without_the_magic_cookie() -> None:
    layer = TransactionLayer()
    assert isinstance(layer.receive_request(request(branch="1"), PEER, 0.0)[0], RequestArrived)
    assert layer.receive_request(request(branch="1"), PEER, 0.0) == []
    assert isinstance(layer.receive_request(request(branch="1", cseq=2), PEER, 0.0)[0], RequestArrived)


def test_a_cancel_finds_its_invite() -> None:
    layer, known, _ = server()
    assert layer.find_invite(request("CANCEL")) is known
    assert layer.find_invite(request("CANCEL", branch="z9hG4bK-b")) is None


# --- client ---


def answer(to: SipRequest, status: int, tag: str = "t") -> SipResponse:
    return respond(to, status, to_tag=tag)


def test_an_unanswered_invite_is_repeated_by_timer_a_until_timer_b() -> None:
    layer = TransactionLayer()
    _, actions = layer.request(request(), PEER, 0.0)
    assert sent(actions) == ["INVITE sip:salon@192.0.2.1 SIP/2.0"]
    found = Clock(layer).run(40)
    assert times(found, Transmit) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert times(found, ClientTimedOut) == [32.0]


def test_a_ringing_invite_waits_without_limit() -> None:
    layer = TransactionLayer()
    layer.request(request(), PEER, 0.0)
    layer.receive_response(answer(request(), 180), PEER, 0.1)
    assert Clock(layer).run(300) == []


def test_a_refusal_is_acknowledged_by_the_transaction_each_time_it_comes() -> None:
    layer = TransactionLayer()
    invite = request(Route="<sip:proxy.example;lr>")
    layer.request(invite, PEER, 0.0)
    actions = layer.receive_response(answer(invite, 407), PEER, 0.1)
    assert isinstance(actions[0], Transmit)
    ack = read_message(actions[0].data)
    assert isinstance(ack, SipRequest)
    assert (ack.method, ack.get("CSeq"), ack.to_tag) == ("ACK", "1 ACK", "t")
    assert ack.get("Via") == invite.get("Via")
    assert ack.get("Route") == "<sip:proxy.example;lr>"
    assert isinstance(actions[1], ResponseArrived)
    again = layer.receive_response(answer(invite, 407), PEER, 0.2)
    assert len(again) == 1
    assert sent(again) == ["ACK sip:salon@192.0.2.1 SIP/2.0"]


def test_repeated_and_forked_200s_reach_the_user_agent() -> None:
    layer = TransactionLayer()
    layer.request(request(), PEER, 0.0)
    for tag in ("t", "t", "fork"):
        (arrived,) = layer.receive_response(answer(request(), 200, tag), PEER, 0.1)
        assert isinstance(arrived, ResponseArrived)
    Clock(layer).run(33)
    assert layer.receive_response(answer(request(), 200), PEER, 33.0) == []


def test_a_non_invite_is_repeated_at_most_every_4_s() -> None:
    layer = TransactionLayer()
    layer.request(request("BYE"), PEER, 0.0)
    found = Clock(layer).run(40)
    assert times(found, Transmit) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert times(found, ClientTimedOut) == [32.0]


def test_a_second_final_response_of_a_non_invite_is_absorbed() -> None:
    layer = TransactionLayer()
    layer.request(request("BYE"), PEER, 0.0)
    assert len(layer.receive_response(answer(request("BYE"), 200), PEER, 0.1)) == 1
    assert layer.receive_response(answer(request("BYE"), 200), PEER, 0.2) == []
    Clock(layer).run(10)
    assert layer.size == 0


@pytest.mark.parametrize("change", [{"Via": "SIP/2.0/UDP x;branch=z9hG4bK-no"}, {"CSeq": "1 OPTIONS"}, {"CSeq": "x"}])
def test_responses_that_belong_to_nothing_are_dropped(change: dict[str, str]) -> None:
    layer = TransactionLayer()
    layer.request(request(), PEER, 0.0)
    stray = answer(request(), 200)
    for name, value in change.items():
        stray.headers.set(name, value)
    assert layer.receive_response(stray, PEER, 0.1) == []


def test_a_cancelled_invite_gives_up_after_32_s() -> None:
    layer = TransactionLayer()
    transaction, _ = layer.request(request(), PEER, 0.0)
    layer.receive_response(answer(request(), 180), PEER, 0.1)
    layer.abandon(transaction, 10.0)
    assert times(Clock(layer).run(60), ClientTimedOut) == [42.0]


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_request_that_nobody_answers_is_forgotten(method: str) -> None:
    layer, _, clock = server(method)
    assert clock.run(301) == []
    assert layer.size == 0
