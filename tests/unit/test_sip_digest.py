"""Digest authentication against the worked example of RFC 7616 and against itself."""

import secrets

import pytest

from telephony.sip.digest import NONCE_LIFE_S, Credentials, DigestClient, DigestServer, _digest, _response

PASSWORD = secrets.token_hex(8)
URI = "sip:salon@192.0.2.1"
SOURCE = "192.0.2.9"


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_the_standard(algorithm: str, expected: str) -> None:
    """RFC 7616 section 3.9.1."""
    secret = _digest(algorithm, "Mufasa:http-auth@example.org:Circle of Life")
    nonce, cnonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    assert _response(algorithm, secret, "GET", "/dir/index.html", nonce, ("auth", "00000001", cnonce)) == expected


def server() -> DigestServer:
    return DigestServer("salon.example", {"anna": PASSWORD}.get)


def client(password: str = PASSWORD) -> DigestClient:
    return DigestClient(Credentials("anna", password))


def test_the_strongest_challenge_is_answered_and_accepted() -> None:
    ours = server()
    header = client().authorize(ours.challenges(SOURCE, 100.0), "INVITE", URI)
    assert header is not None
    assert "SHA-256" in header
    assert "nc=00000001" in header
    assert ours.verify(header, "INVITE", URI, SOURCE, 101.0).accepted


@pytest.mark.parametrize(
    ("method", "uri", "source", "at_s"),
    [
        ("BYE", URI, SOURCE, 101.0),
        ("INVITE", "sip:salon@203.0.113.1", SOURCE, 101.0),
        ("INVITE", URI, "203.0.113.66", 101.0),
        ("INVITE", URI, SOURCE, 101.0 + NONCE_LIFE_S),
    ],
    ids=["other method", "other host", "other source", "too late"],
)
def test_a_captured_answer_is_worth_nothing_elsewhere(method: str, uri: str, source: str, at_s: float) -> None:
    ours = server()
    header = client().authorize(ours.challenges(SOURCE, 100.0), "INVITE", URI)
    assert header is not None
    assert not ours.verify(header, method, uri, source, at_s).accepted


def test_a_replay_is_refused_as_stale() -> None:
    ours = server()
    header = client().authorize(ours.challenges(SOURCE, 100.0), "INVITE", URI)
    assert header is not None
    assert ours.verify(header, "INVITE", URI, SOURCE, 100.0).accepted
    again = ours.verify(header, "INVITE", URI, SOURCE, 100.0)
    assert (again.accepted, again.stale) == (False, True)


def test_the_count_of_a_nonce_rises() -> None:
    ours, theirs = server(), client()
    challenges = ours.challenges(SOURCE, 100.0)
    for count in ("00000001", "00000002", "00000003"):
        header = theirs.authorize(challenges, "INVITE", URI)
        assert header is not None
        assert f"nc={count}" in header
        assert ours.verify(header, "INVITE", URI, SOURCE, 100.0).accepted


def test_wrong_passwords_and_unknown_users_look_the_same() -> None:
    ours = server()
    challenges = ours.challenges(SOURCE, 100.0)
    wrong = client("guess").authorize(challenges, "INVITE", URI)
    unknown = DigestClient(Credentials("nobody", PASSWORD)).authorize(challenges, "INVITE", URI)
    assert wrong is not None
    assert unknown is not None
    assert ours.verify(wrong, "INVITE", URI, SOURCE, 100.0) == ours.verify(unknown, "INVITE", URI, SOURCE, 100.0)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic abc",
        "Digest",
        "Digest x",
        'Digest realm="salon.example", nonce="1.2.3", qop=auth, nc=zzzzzzzz',
        "Digest self=1, self=2",
    ],
)
def test_broken_headers_are_refused(header: str) -> None:
    assert not server().verify(header, "INVITE", URI, SOURCE, 100.0).accepted


def test_a_forged_nonce_is_refused() -> None:
    ours = server()
    header = client().authorize(DigestServer("salon.example", {}.get).challenges(SOURCE, 100.0), "INVITE", URI)
    assert header is not None
    assert not ours.verify(header, "INVITE", URI, SOURCE, 100.0).accepted


def test_the_old_form_without_qop_is_answered() -> None:
    header = client().authorize(['Digest realm="old.example", nonce="n", opaque="o"'], "REGISTER", "sip:old.example")
    assert header is not None
    secret = _digest("MD5", f"anna:old.example:{PASSWORD}")
    assert f'response="{_response("MD5", secret, "REGISTER", "sip:old.example", "n", None)}"' in header
    assert 'opaque="o"' in header
    assert "qop" not in header


def test_challenges_that_cannot_be_answered() -> None:
    theirs = client()
    assert (
        theirs.authorize(
            ["Basic realm=x", "garbage", 'Digest realm="x", nonce="y", algorithm=MD5-sess2'], "INVITE", URI
        )
        is None
    )
    assert theirs.authorize(['Digest realm="x", nonce="y", qop="auth-int"'], "INVITE", URI) is None


def test_a_password_is_not_shown() -> None:
    assert PASSWORD not in repr(Credentials("anna", PASSWORD))
