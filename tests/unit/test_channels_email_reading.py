"""Mails as they are found in Russian mailboxes, read into events."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.adapters.email.automatic import Nature, nature
from channels.adapters.email.mail import answered_subject, attachment_parts, parse_mail
from channels.adapters.email.quotes import own_words, text_of_html
from channels.adapters.email.reading import events_of, sent_by_staff
from channels.model import Delivery, DeliveryReported, Kind, MessageReceived, StaffReplied

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
SALON = "zapis@salon.example"


def mail(*headers: str, body: str = "Хочу записаться", subject: str = "Запись") -> bytes:
    lines = [
        "From: Anna <Anna@Client.example>", f"To: {SALON}", f"Subject: {subject}", "Message-ID: <a1@client.example>",
        "Date: Tue, 01 Dec 2026 11:00:00 +0300", *headers,
    ]  # fmt: skip
    if not any(h.lower().startswith("content-type") for h in headers):
        lines += ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body.encode()


def only(content: bytes) -> MessageReceived:
    (event,) = events_of(parse_mail(content), SALON, NOW)
    assert isinstance(event, MessageReceived)
    return event


@pytest.mark.parametrize(
    ("written", "own"),
    [
        ("Да, подходит\n\n> Записать вас на 15:00?\n", "Да, подходит"),
        ("В 15\n\nвт, 1 дек. 2026 г. в 11:02, Салон «Мята» <zapis@salon.example> пишет:\n> На какое время?\n", "В 15"),
        ("В 15\n\n01.12.2026 11:02, Салон Мята пишет:\n\nНа какое время?\n", "В 15"),
        ("Ok\n\nOn Tue, Dec 1, 2026 at 11:02 AM Salon <zapis@salon.example>\nwrote:\n\n> When?\n", "Ok"),
        ("Ок\n\n-----Original Message-----\nFrom: Салон\n\nстарое", "Ок"),
        ("Ок\n\nОт: Салон <zapis@salon.example>\nОтправлено: 1 декабря\nКому: Анна\n\nстарое", "Ок"),
        ("Можно завтра?\n-- \nАнна\n+7 916", "Можно завтра?"),
        ("Можно завтра?\n\nОтправлено с iPhone", "Можно завтра?"),
        ("> На какое время?\nВ 15\n> К кому?\nК Ане", "В 15\nК Ане"),
        ("Мастер мне написала: приходите в 15", "Мастер мне написала: приходите в 15"),
        ("Она пишет:\nприходите", "Она пишет:\nприходите"),
        ("от: кого угодно@\nзаписать", "от: кого угодно@\nзаписать"),
    ],
)
def test_only_the_own_words_are_kept(written: str, own: str) -> None:
    assert own_words(written) == own


def test_html_gives_its_words_without_quoted_mails() -> None:
    html = (
        "<html><head><style>p{}</style></head><body><p>Здравствуйте,<br>хочу&nbsp;стрижку</p><ul><li>завтра</li></ul>"
        '<div class="gmail_quote">старое<div>и ещё</div></div><blockquote>старое</blockquote><p>Анна</p></body></html>'
    )
    assert text_of_html(html) == "Здравствуйте,\nхочу стрижку\n\nзавтра\n\nАнна"


@pytest.mark.parametrize("charset", ["koi8-r", "windows-1251", "utf-8"])
def test_russian_charsets_are_read(charset: str) -> None:
    content = mail(f"Content-Type: text/plain; charset={charset}", "Content-Transfer-Encoding: 8bit", body="")
    assert only(content + "Хочу на маникюр".encode(charset)).text == "Хочу на маникюр"


def test_a_lying_charset_loses_nothing() -> None:
    content = mail("Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", body="")
    assert only(content + "Хочу на маникюр".encode("windows-1251")).text == "Хочу на маникюр"


def test_encoded_words_and_threading_headers() -> None:
    event = only(
        mail("In-Reply-To: <b2@salon.example>", "References: <b1@salon.example>\r\n <b2@salon.example>",
             subject="=?UTF-8?B?0JfQsNC/0LjRgdGM?= =?UTF-8?B?INC90LAg0YHRgNC10LTRgw==?=")
    )  # fmt: skip
    assert event.meta["subject"] == "Запись на среду"
    assert event.reply_to == "b2@salon.example"
    assert event.meta["references"] == ["b1@salon.example", "b2@salon.example", "a1@client.example"]
    assert (event.thread, event.person.name, event.person.phone) == ("anna@client.example", "Anna", None)


def test_a_mail_without_an_id_is_the_same_mail_when_it_comes_again() -> None:
    content = mail().replace(b"Message-ID: <a1@client.example>\r\n", b"")
    other = content.replace("Хочу".encode(), "Могу".encode())
    assert only(content).event_id == only(content).event_id != only(other).event_id


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied; owner=x", "AUTO-SUBMITTED: Auto-Generated", "Precedence: bulk",
        "Return-Path: <>",
        "List-Unsubscribe: <https://x.example>", "X-Autoreply: yes", "Feedback-ID: 1", "Precedence: auto_reply",
    ],
)  # fmt: skip
def test_machine_mail_is_kept_and_not_answered(header: str) -> None:
    assert only(mail(header)).automatic


@pytest.mark.parametrize("header", ["Auto-Submitted: no", "X-Auto-Response-Suppress: All", "Precedence: list"])
def test_people_who_look_like_machines_are_answered(header: str) -> None:
    assert not only(mail(header)).automatic


@pytest.mark.parametrize("sender", ["noreply@x.example", "MAILER-DAEMON@x.example", "bounces+12@x.example"])
def test_robots_are_known_by_their_address(sender: str) -> None:
    assert only(mail().replace(b"Anna@Client.example", sender.encode())).automatic


@pytest.mark.parametrize(
    "change", [(b"Anna@Client.example", SALON.encode()), (b"Date:", b"X-AI-Admin-Message: m\r\nDate:")]
)
def test_our_own_mail_that_comes_back_is_nothing(change: tuple[bytes, bytes]) -> None:
    content = mail().replace(*change)
    assert nature(parse_mail(content).source, SALON) is Nature.OURS
    assert events_of(parse_mail(content), SALON, NOW) == ()


BOUNCE = """From: MAILER-DAEMON@mx.example
To: zapis@salon.example
Subject: Undelivered
Message-ID: <d1@mx.example>
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Sorry
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; Anna@client.example
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b
Content-Type: text/rfc822-headers

From: zapis@salon.example
Message-ID: <m-1@salon.example>

--b--
"""


def test_a_bounce_is_a_failure_of_ours_and_no_message() -> None:
    (event,) = events_of(parse_mail(BOUNCE.format(action="failed").encode()), SALON, NOW)
    assert isinstance(event, DeliveryReported)
    assert (event.delivery, event.message_id, event.code) == (Delivery.FAILED, "m-1@salon.example", "5.1.1")
    assert event.thread == "anna@client.example"


def test_a_delay_is_not_the_end() -> None:
    assert events_of(parse_mail(BOUNCE.format(action="delayed").encode()), SALON, NOW) == ()


def test_a_read_receipt_marks_our_mail_as_read() -> None:
    content = BOUNCE.replace("delivery-status", "disposition-notification").replace(
        "Reporting-MTA: dns; mx.example\n", "Original-Message-ID: <m-1@salon.example>"
    )
    (event,) = events_of(parse_mail(content.encode()), SALON, NOW)
    assert isinstance(event, DeliveryReported)
    assert (event.delivery, event.message_id) == (Delivery.READ, "m-1@salon.example")


def test_people_of_the_salon_are_seen_in_the_folder_of_sent_mails() -> None:
    answer = mail().replace(f"To: {SALON}".encode(), b"To: Anna <anna@client.example>")
    (event,) = sent_by_staff(parse_mail(answer), NOW)
    assert isinstance(event, StaffReplied)
    assert event.thread == "anna@client.example"
    assert sent_by_staff(parse_mail(answer.replace(b"Date:", b"X-AI-Admin-Message: m\r\nDate:")), NOW) == ()


def test_attachments_are_named_and_logos_left_out() -> None:
    content = mail('Content-Type: multipart/mixed; boundary="b"', body="").decode() + (
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nВот фото\r\n"
        "--b\r\nContent-Type: image/png\r\nContent-ID: <logo>\r\nContent-Disposition: inline\r\n\r\nsmall\r\n"
        '--b\r\nContent-Type: image/jpeg\r\nContent-Disposition: attachment; filename="a.jpg"\r\n\r\nphoto\r\n'
        "--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=list.txt\r\n\r\nlist\r\n--b--\r\n"
    )
    parsed = parse_mail(content.encode(), "imap:INBOX:1:2")
    assert [(m.kind, m.name, m.ref) for m in parsed.media] == [
        (Kind.IMAGE, "a.jpg", "imap:INBOX:1:2#0"), (Kind.FILE, "list.txt", "imap:INBOX:1:2#1"),
    ]  # fmt: skip
    assert parsed.text == "Вот фото"
    assert attachment_parts(parsed.source)[0].get_payload(decode=True) == b"photo"


@pytest.mark.parametrize(
    ("subject", "answered"),
    [("Запись", "Re: Запись"), ("Re: Запись", "Re: Запись"), ("Ответ: RE[2]: Запись", "Re: Запись"), ("Re: ", "Наш")],
)
def test_one_re_is_enough(subject: str, answered: str) -> None:
    assert answered_subject(subject, "Наш") == answered


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from(["", "Content-Type: multipart/mixed; boundary=b", "From: \x00<", "Date: x"]),
)
def test_any_bytes_are_some_mail(content: bytes, header: str) -> None:
    parsed = parse_mail(header.encode() + b"\r\n" + content)
    assert parsed.message_id
    assert isinstance(events_of(parsed, SALON, NOW), tuple)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_quotes_never_break(text: str) -> None:
    assert len(own_words(text)) <= len(text)
    text_of_html(text)
