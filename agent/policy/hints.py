"""Small readings of the words themselves, beside the intents: only where an answer's tone or scope depends on them."""

import re

from agent.language.ru.numbers import numbers
from agent.language.text import clean, tokenize

_KEEP = re.compile(
    r"\b(не (?:надо |нужно )?отменя\w*|оставь\w*|оставля\w*|передумал\w*|keep (?:it|the)|don'?t cancel)\b"
)
_LATER = re.compile(
    r"\b(потом|позже|не сейчас|не до (?:того|этого)|сам[аи]? (?:по|пере)звоню|перезвоню|later|not now|call back)\b"
)
_ADDS = re.compile(r"\b(тоже|также|заодно|добав\w+|плюс|еще и|и еще|also|too|add|as well)\b")
_MORE = re.compile(r"\b(ещ[её]|тоже|также|заодно|добав\w+|плюс|сразу и|also|too|add|as well)\b")
_BOOKS = re.compile(r"\b(запиш\w*|записать\w*|запись|book|appointment)\b")
_OTHER = re.compile(r"\b(друг(?:ую|ая|ой)|не (?:эту|ту|эта|та)|another one|the other)\b")
_CALL_ME = re.compile(r"\b(перезвоните|перезвони|наберите меня|call me back)\b")
_DISCOUNT = re.compile(r"\b(скидк\w*|акци[яийю]\w*|дешевле|промокод\w*|discount|cheaper)\b")
_HAS = re.compile(r"\b(записана|записан|у меня (?:есть )?запись|моя запись|i have (?:a|an) (?:booking|appointment))\b")
_CONFIRMS = re.compile(r"\b(подтвердить|подтверждаю|confirm)\b[^.?!]*\b(запись|визит|visit|booking|appointment)\b")
_CLOSEST = re.compile(r"\b(?:по)?ближе к\b|\bближайш\w+ к\b")
_ONLY = re.compile(r"\b(?:только|лишь|просто|одну|один)\s+(?:\w+\s+)?$")
_CANNOT = re.compile(
    r"\bне (?:смогу|сможем|получится|получается|приду|придем|выйдет|успею)\b|\bcan(?:no|')t (?:come|make)"
)
_SAME_TIME = re.compile(r"\b(?:в )?(?:это|то|такое) же (?:самое )?время\b|\bsame time\b")
_NEAREST = re.compile(r"\b(ближайш\w+|поскорее|как можно (?:скорее|раньше)|soonest|as soon as possible|earliest)\b")
_TROUBLE = re.compile(
    r"\b(забол\w+|боле[ею]т\w*|температур\w+|больниц\w+|травм\w+|авари\w+|умер\w*|похорон\w*|скор(?:ая|ую)|ill|sick|hospital|accident)\b"
)
_PARKING = re.compile(r"\b(парков\w*|припарк\w*|машин\w*|авто\w*|parking|park|car)\b")
_MOVE_NOT = re.compile(
    r"\bне\s+(?:\w+\s+)?(?:перенос|перенес|переноси|перезапис)|(?:перенос\w*|перенес\w*|перезапис\w*)\s+(?:\w+\s+)?не\b"
)


_PAST_DAY = re.compile(r"\b(вчера|позавчера|прошл\w+|yesterday|last)\b")
_MONTH = re.compile(r"(январ|феврал|март|апрел|ма[йя]\b|июн|июл|август|сентябр|октябр|ноябр|декабр|числ)")
_MONTH_DAYS = {"феврал": 29, "апрел": 30, "июн": 30, "сентябр": 30, "ноябр": 30}
_PAST_VERB = re.compile(r"\b(?!если\b|или\b)\w*(?:[аеиоуыюя]л[аио]?|лся|лась|лись)\b|\bwas\b|\bhad\b")
_BOOKED_DAY = re.compile(r"\b(сегодняшн|завтрашн|послезавтрашн|today's|tomorrow's)")
_BARE_GENDER = re.compile(r"\b(мужск|женск)(?:ую|ая)\b(?!\s+(?:зал|мастер|половин|компан)\w*)")
_WITH_SOMEBODY = re.compile(
    r"\b(?:мне|меня|я|мы|нас|нам|себ[яе]) (?:и|с|со|да|вместе с) (?:мо\w+ |сво\w+ )?"
    r"(?:сын\w*|доч\w+|муж\w*|жен\w+|мам\w+|пап\w+|сестр\w+|брат\w*|подруг\w+|друг\w+|реб[её]нк\w+)\b|"
    r"\b(?:me|myself|i) and my (?:son|daughter|husband|wife|mother|father|sister|brother|friend|kid|child)\b"
)
_MY_VISIT = re.compile(
    r"\b(?:когда|во сколько|какое время|какой день|какое число|к кому) (?:же )?(?:это )?(?:я|мы|меня|у меня)"
    r"(?: там| точно| вообще)?(?: есть)?(?: запис\w+|$|\?)|\bу меня есть (?:какая.?(?:то|нибудь) )?запись\b|"
    r"\bесть ли у меня запись|\bя (?:вообще |точно )?записан[аы]? ли\b|"
    r"\b(?:посмотр\w+|провер\w+|напомн\w+|подска\w+)\b.{0,25}\bмо[юяей]+ запись\b|\bwhen (?:is|am) (?:my|i)\b"
)
_AGAIN_WHEN = re.compile(
    r"^(?:а |ой |ну |еще раз |так |извините )*(?:во сколько|на сколько|на когда|когда|к кому)"
    r"(?: это| еще раз| вы сказали| мне)*$"
)
_OTHER_MASTER = re.compile(
    r"\bдруг(?:ому|ой|ого|им) (?:мастер\w*|девушк\w+|парикмахер\w*)|\banother master\b|\bsomeone else\b"
)
_CHEAPER = re.compile(r"\b(подешевле|дешевле|где дешевле|самое дешевое|что дешевле|cheaper|cheapest)\b")
_NOTHING_MORE = re.compile(
    r"^(?:ну |да |нет |это |вот |на этом |пожалуй |больше )*(?:все|ничего|ничего не надо|"
    r"ничего больше|that'?s all|nothing)"
    r"(?: спасибо| пока| хорошо| больше)*[.!]*$"
)
_NOT_THAT = re.compile(r"\bне (?:перв\w+|втор\w+|последн\w+)$")
_WHO = re.compile(
    r"\b(кто это|кто звонит|кто вы|вы кто|откуда вы|кто говорит|что вам|по какому|who is this|who are you)\b"
)
_COMPARES = re.compile(r"\b((?:по)?раньше|(?:по)?позже)\b.*\bчем\b")
_CALLS_LATER = re.compile(
    r"\b(я (?:\w+ )?перезвоню|перезвоню (?:потом|позже)|(?:я|надо) подума\w+|i'?ll call (?:back|later))\b"
)
_IF = re.compile(r"\b(если|вдруг|what if)\b")
_MALE = re.compile(r"\b(мужчин\w*|мужик\w*|парень|парня|парню|мальчик\w*|мужу|мужа|сыну|сына|man|male|boy|guy)\b")
_FEMALE = re.compile(
    r"\b(женщин\w*|девушк\w*|девочк\w*|дам[аеу]|жене|жену|маме|маму|дочк\w+|дочер\w+|woman|female|girl|lady)\b"
)
_ASKING = re.compile(
    r"\b(а|кто|кого|кому|что|чем|чего|как\w*|сколько|когда|где|куда|зачем|почему|можно|есть|нет ли|ли|делаете|"
    r"работа\w+|принима\w+|расскаж\w+|подскаж\w+|who|what|how|which|when|where|do you|is there|can)\b"
)
_GENDER = re.compile(r"\b(женск|мужск|women|men)")
_PUTS_RIGHT = re.compile(r"\b(то есть|вернее|точнее|тьфу|ой(?: нет)?|нет(?: лучше)?|не то|i mean|sorry|no)\b")
_BUYS_CERTIFICATE = re.compile(
    r"\b(?:подарить|купить|приобрести|оформить|заказать)\b[^.?!]{0,30}\b(?:сертификат|подарочн)|"
    r"\b(?:сертификат\w*|подарочн\w+ карт\w+)\b[^.?!]{0,30}\b(?:купить|подарить|приобрести|прода)|"
    r"\bbuy\b.{0,20}\bcertificate"
)
_CHANGE = {
    "time": re.compile(r"^(?:ну |да )*(?:давайте )?(?:само )?(?:время|день|дату|на другое время|time|the time|day)$"),
    "staff": re.compile(r"^(?:ну |да )*(?:мастера|мастер|the master)$"),
    "service": re.compile(r"^(?:ну |да )*(?:услугу|услуга|service|the service)$"),
}
_NEITHER = re.compile(
    r"\bни то,? ни (?:друго|это)|\bни одно\b|\bникак\w+\b|\bдруги[ех] (?:вариант\w*|врем\w+|окн\w+|окош\w+|есть)|"
    r"\bдругое (?:врем\w+|есть|что)|\bчто.?(?:нибудь|то)? (?:еще|другое)\b|\bеще (?:варианты|что|есть)|"
    r"\bне (?:подход\w+|подойд\w+|устраива\w+|удобно)\b|\bneither\b|\banything else\b|\bnone of\b"
)
_IMPOSSIBLE = re.compile(r"\b(никак|не (?:могу|смогу|получ\w+|подход\w+|подойд\w+|удобно|хочу|надо)|can'?t|cannot)\b")
_OTHER_DAY = re.compile(
    r"\b(?:друг(?:ой|ие|ого|их)|ином|иной) (?:ден\w+|дн\w+|числ\w+)|\bдругое число|\banother day|\bother days?\b"
)
_GO_AHEAD = re.compile(
    r"\b(давай(?:те)?|запи[шс]\w+|пиши(?:те)?|хорошо|согласн\w+|подходит|устраивает|let'?s|go ahead|book)\b"
)
_WHY = re.compile(r"\b(зачем|для чего|почему|к чему|why|what for)\b")
_UNDECIDED = re.compile(
    r"\b(не знаю|без понятия|затрудняюсь|не решил\w*|не определил\w*|подскажите|посоветуйте|"
    r"а когда (?:можно|есть|у вас)|когда можно|какие есть|что есть|don'?t know|not sure|whenever)\b"
)
_MONEY = re.compile(r"\b(сто[ия]т\w*|цен[аыеу]\w*|поч[её]м|рубл\w*|денег|деньги|стоимост\w*|price|cost\w*|how much)\b")
_EXPENSIVE = re.compile(r"\b(дорог\w*|дороговато|недешев\w*|expensive|pricey)\b")
_LEAVE = re.compile(
    r"\b(?:тогда|лучше|все|ладно|уже)\s+не\s+(?:надо|нужно|стоит)\b|\bкак (?:есть|было|была)$|\bне (?:буду|будем) "
    r"(?:менять|переносить|ничего)|\bничего не (?:меняй\w*|надо|нужно)|^нет,? не (?:надо|нужно)\b|\bas it (?:is|was)\b"
)
_ASKS_ABOUT = re.compile(r"^(?:ну |нет |хорошо |так )?а (?:если |можно |есть )?(?:в|во|на|к|у|с|после|до|за)?\b")


def days_to_booked(text: str) -> int | None:
    """«сегодняшнюю», «завтрашнюю»: by how many days the booking that is meant lies ahead; None: no such word."""
    found = _BOOKED_DAY.search(text.lower())
    return None if found is None else {"сегодн": 0, "завтра": 1, "послез": 2, "today'": 0, "tomorr": 1}[found[1][:6]]


def bare_gender(text: str) -> str:
    """male or female for «мужскую», «женскую» with no noun of its own behind it; empty: neither."""
    found = _BARE_GENDER.search(text.lower())
    return "" if found is None else "male" if found[1] == "мужск" else "female"


def with_somebody(text: str) -> bool:
    """«мне и сыну», «я с мужем», «нас с мамой»: two come, the one who speaks and another."""
    return _WITH_SOMEBODY.search(text.lower()) is not None


def declines_offers(text: str) -> bool:
    """«ни то ни другое», «а другие варианты есть»: none of the times just named."""
    return _NEITHER.search(text.lower()) is not None


def other_day(text: str) -> bool:
    """«а в другой день?», and not «в другие дни никак»."""
    text = text.lower()
    return _OTHER_DAY.search(text) is not None and _IMPOSSIBLE.search(text) is None


def goes_ahead(text: str) -> bool:
    """«ну ладно, давайте»: after a price, a wish to come."""
    return _GO_AHEAD.search(text.lower()) is not None


def asks_why(text: str) -> bool:
    """«а зачем вам?»"""
    return _WHY.search(text.lower()) is not None


def books(text: str) -> bool:
    return _BOOKS.search(text.lower()) is not None


def puts_right(text: str) -> bool:
    """«то есть», «вернее», «ой нет» between two words for a thing."""
    return _PUTS_RIGHT.search(text.lower()) is not None


def buys_certificate(text: str) -> bool:
    """«хочу купить подарочный сертификат»: to have one made, not to pay with one."""
    return _BUYS_CERTIFICATE.search(text.lower()) is not None


def what_to_change(text: str) -> str:
    """time, staff or service for a bare «время», «мастера», «услугу»; empty: nothing of the kind."""
    return next((what for what, pattern in _CHANGE.items() if pattern.search(text.lower())), "")


def names_gender(text: str) -> bool:
    return _GENDER.search(text.lower()) is not None


def asks_own_booking(text: str) -> bool:
    """«а на когда я записана?», «во сколько у меня?»"""
    return _MY_VISIT.search(text.lower()) is not None


def asks_time_again(text: str) -> bool:
    """«ещё раз, во сколько?» after a booking."""
    return _AGAIN_WHEN.search(text.lower()) is not None


def other_master(text: str) -> bool:
    """«а можно к другому мастеру?»"""
    return _OTHER_MASTER.search(text.lower()) is not None


def cheaper(text: str) -> bool:
    return _CHEAPER.search(text.lower()) is not None


def nothing_more(text: str) -> bool:
    """«всё», «больше ничего»: the talk is over."""
    return _NOTHING_MORE.search(text.lower().replace("ё", "е")) is not None


def not_that_one(text: str) -> bool:
    """«не первое»: an offer named to be turned down."""
    return _NOT_THAT.search(text.lower()) is not None


def asks_who(text: str) -> bool:
    """«а кто это?», «кто звонит?»"""
    return _WHO.search(text.lower()) is not None


def earlier_or_later(text: str) -> str:
    """earlier or later for «пораньше, чем в шесть»; empty: no comparison."""
    found = _COMPARES.search(text.lower())
    return "" if found is None else "earlier" if found.group(1).endswith("раньше") else "later"


def will_call_later(text: str) -> bool:
    """«я потом перезвоню», «надо подумать»"""
    return _CALLS_LATER.search(text.lower()) is not None


def conditional(text: str) -> bool:
    """«а если я не приду?» asks, it cancels nothing."""
    return _IF.search(text.lower()) is not None


def gender_answer(text: str) -> str:
    """female or male for «мужчина», «я девушка» to «женская или мужская?»; empty: neither."""
    male, female = _MALE.search(text.lower()), _FEMALE.search(text.lower())
    return "" if bool(male) == bool(female) else "male" if male else "female"


def asks_something(text: str) -> bool:
    """Has a word that asks: an answer to our question has none."""
    return "?" in text or _ASKING.search(text.lower()) is not None


def undecided(text: str) -> bool:
    """«не знаю», «а когда есть?» to a question: tell me what there is."""
    return _UNDECIDED.search(text.lower()) is not None


def asks_money(text: str) -> bool:
    return _MONEY.search(text.lower()) is not None


def is_past(phrase: str) -> bool:
    """«вчера», «двадцатое ноября» in December: a day that is over, unlike one that never comes («32 декабря»)."""
    phrase = phrase.lower()
    if _PAST_DAY.search(phrase) is not None:
        return True
    number, month = bare_number(phrase), _MONTH.search(phrase)
    if number is None or month is None:
        return number is None and month is None
    return 1 <= number <= _MONTH_DAYS.get(month.group(1), 31)


def tells_of_past(text: str) -> bool:
    """«вчера у вас стриглась»: a day of the past in a story, not in a wish."""
    return _PAST_VERB.search(text.lower()) is not None


def finds_expensive(text: str) -> bool:
    return _EXPENSIVE.search(text.lower()) is not None


def leaves_as_is(text: str) -> bool:
    """«оставьте как есть», «тогда не надо»: no to a change, the booking stays."""
    return keeps_booking(text) or _LEAVE.search(text.lower()) is not None


def asks_about(text: str) -> bool:
    """«а в воскресенье?»: asks what there is, takes nothing."""
    return "?" in text or _ASKS_ABOUT.search(text.strip().lower()) is not None


def adds_to_visit(text: str) -> bool:
    """«и бороду тоже»: to what there is, not a visit of its own."""
    text = text.lower()
    return _ADDS.search(text) is not None and _BOOKS.search(text) is None


def adds_more(text: str) -> bool:
    return _MORE.search(text.lower()) is not None


def wants_call_back(text: str) -> bool:
    return _CALL_ME.search(text.lower()) is not None


def asks_discount(text: str) -> bool:
    return _DISCOUNT.search(text.lower()) is not None


def has_booking(text: str) -> bool:
    """«я у вас записана», «у меня запись»: speaks of a booking that exists."""
    return _HAS.search(text.lower()) is not None


def confirms_booking(text: str) -> bool:
    """«хочу подтвердить запись»"""
    return _CONFIRMS.search(text.lower()) is not None


def cannot_come(text: str) -> bool:
    """«ой, не смогу», «не получится»"""
    return _CANNOT.search(text.lower()) is not None


def closest(text: str) -> bool:
    """«что ближе к шести», «поближе к вечеру»: of what was offered the nearest to that time."""
    return _CLOSEST.search(text.lower()) is not None


def only_this(text: str, phrase: str) -> bool:
    """«мне только бороду», «нет, просто бороду»: what is named is all of it."""
    start = text.find(phrase)
    return start > 0 and _ONLY.search(text[:start].lower()) is not None


def same_time(text: str) -> bool:
    """«в это же время»"""
    return _SAME_TIME.search(text.lower()) is not None


def nearest(text: str) -> bool:
    """«когда ближайшее», «поскорее»: any day, the sooner the better."""
    return _NEAREST.search(text.lower()) is not None


def bare_number(text: str) -> int | None:
    """The first number, in digits or words, of an answer to «сколько лет?»; None: there is none."""
    found = numbers(tokenize(clean(text)))
    return int(found[0].value) if found and found[0].value < 1000 else None


def another_one(text: str) -> bool:
    """«нет, другую», «не эту»"""
    return _OTHER.search(text.lower()) is not None


def keeps_booking(text: str) -> bool:
    """«нет, не отменяйте, оставьте»"""
    return _KEEP.search(text.lower()) is not None


def puts_off(text: str) -> bool:
    """«давайте потом, не до того»: no to an offer to move."""
    return _LATER.search(text.lower()) is not None


def tells_of_trouble(text: str) -> bool:
    """Illness or accident: one sentence of sympathy, no question, nothing stored."""
    return _TROUBLE.search(text.lower()) is not None


def asks_parking(text: str) -> bool:
    return _PARKING.search(text.lower()) is not None


def declines_move(text: str) -> bool:
    """«переносить пока не буду»: the word of moving without the wish."""
    return _MOVE_NOT.search(text.lower()) is not None
