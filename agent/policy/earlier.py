"""Readings of words that point at other talks: «как обычно», «давайте продолжим», «напишите мне в телеграм»."""

import re

_LAST_TIME = re.compile(
    r"\bкак (?:я |мне |и )?(?:(?:в|на) (?:прошл|то[тм])\w* раз\w*|прошл\w+ раз\w*|тогда)|"
    r"\b(?:то|так\w+|ту) же (?:сам\w+ )?(?:стрижк\w+|маникюр\w*|услуг\w+|процедур\w+)?$|"
    r"\bчто (?:и )?в прошл\w+ раз\b|\bто же самое\b|"
    r"\bповтор\w+ (?:мо[йюе]\w* )?(?:прошл\w+|последн\w+)|"
    r"\b(?:like|as) last time\b|\bsame as (?:before|last time)\b|\bthe same(?: again| thing)?$"
)
_LAST_VISIT = re.compile(
    r"\b(?:когда|у кого|к кому|что) (?:же )?(?:я|мы|у меня|мне) [^.?!]{0,25}(?:(?:последн|прошл)\w+ раз|обычно|всегда)|"
    r"\b(?:когда|у кого|к кому|что) [^.?!]{0,15}(?:последн|прошл)\w+ раз[^.?!]{0,15}\b(?:я|мы|был|делал|стриг)\w*|"
    r"\bмо[йи] (?:последн\w+|прошл\w+) визит|\bwhen was i (?:last )?|\bmy last visit\b|\bwho do i usually\b"
)
_AS_USUAL = re.compile(
    r"\bкак (?:я |мне |и )?(?:обычно|всегда|раньше)|\bпо.?обычному\b|\bто (?:же )?что (?:и )?(?:всегда|обычно)|"
    r"\bпостоянн\w+ запис\w+|\bas (?:usual|always)\b|\bthe usual$|\bmy usual$"
)
_MESSENGER = (
    r"(?:телеграм\w*|телег\w+|тг|ватсап\w*|вотсап\w*|вацап\w*|whatsapp|telegram|вайбер\w*|мессенджер\w*|чат\w*|вк|макс)"
)
_GOES_ON = re.compile(
    r"\b(?:продолж\w+|прерва(?:л\w*|лась)|оборва\w+|сбросил\w*|разъедини\w+)\b|"
    r"\bне (?:договорили|закончили|дозаписа\w+|успели)\b|"
    r"\b(?:carry on|go on where|continue|got cut off|we were cut)\b"
)
_WRITE_ME = re.compile(
    rf"\b(?:напиш\w+|пиши(?:те)?|скинь\w*|продолжим|перей(?:дем|ти))\b[^.?!]{{0,30}}\b(?:в|во|на) {_MESSENGER}\b|"
    rf"\b(?:давайте|можно|лучше)\b[^.?!]{{0,20}}\b(?:в|во) {_MESSENGER}\b|"
    r"\b(?:напиши\w*|пишите) (?:мне|лучше)\b|"
    r"\b(?:лучше|давайте) (?:напиши\w+|переписк\w+|в переписке|сообщени\w+)\b|"
    r"\b(?:text|message|write) me\b|\bon (?:whatsapp|telegram)\b"
)
_CANNOT_TALK = re.compile(
    r"\b(?:неудобно|не могу|не получается|сложно) (?:сейчас |щас )?(?:говорить|разговаривать|болтать)|"
    r"\b(?:не слышно|шумно|я на (?:совещании|паре|уроке|работе)|я в метро)\b|\bcan'?t talk\b"
)
_OWN_MASTER = re.compile(
    r"\b(?:к|у) (?:сво(?:ему|ей|его)|мо(?:ему|ей|его)|нашей|нашему)(?: (?:постоянн\w+|любим\w+|обычн\w+))?"
    r"(?: (?:мастер\w*|мастериц\w+|девочк\w+|девушк\w+|парикмахер\w*|барбер\w*|стилист\w*)|$)|"
    r"\b(?:к|у) (?:той|тому|того|ней|нему|него|не[её]) же\b|\b(?:тот же|мой) мастер\b|"
    r"\bmy (?:usual |regular )?(?:stylist|master|barber|girl)\b|\bsame (?:master|stylist|barber)\b"
)


def as_before(text: str) -> bool:
    """«как в прошлый раз», «как обычно»"""
    return last_time(text) or as_usual(text)


def goes_on(text: str) -> bool:
    """«давайте продолжим», «нас прервали»: the earlier talk is meant."""
    return _GOES_ON.search(text.lower().replace("ё", "е")) is not None


def write_to_me(text: str) -> bool:
    """«напишите мне лучше в телеграм»"""
    return _WRITE_ME.search(text.lower().replace("ё", "е")) is not None


def cannot_talk(text: str) -> bool:
    """«мне неудобно говорить»: on the phone, in writing it may go."""
    return _CANNOT_TALK.search(text.lower().replace("ё", "е")) is not None


def last_time(text: str) -> bool:
    """«как в прошлый раз», «то же самое»"""
    return _LAST_TIME.search(text.lower()) is not None


def asks_last_visit(text: str) -> bool:
    """«когда я у вас последний раз была?», «к кому я обычно хожу?»"""
    return _LAST_VISIT.search(text.lower()) is not None


def as_usual(text: str) -> bool:
    """«как обычно», «как всегда»"""
    return _AS_USUAL.search(text.lower()) is not None


def own_master(text: str) -> bool:
    """«к своему мастеру», «у той же девушки»: a master, told by habit alone."""
    return _OWN_MASTER.search(text.lower()) is not None
