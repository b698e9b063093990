"""English words: the calendar, parts of the day, beauty services in the salon's terms, turns of phrase per intent."""

from datetime import time

from agent.understanding import Intent

HOURS = 24
WEEKDAYS = {
    day: index
    for index, day in enumerate(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"))
}
MONTHS = {
    **{name: index + 1 for index, name in enumerate((
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
        "november", "december"))},
    **{name: index + 1 for index, name in enumerate((
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"))},
}  # fmt: skip
NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11,
    "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18,
    "nineteen": 19,
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "zero": 0,
}  # fmt: skip
ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10,
    "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16,
    "seventeenth": 17,
    "eighteenth": 18, "nineteenth": 19, "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
PARTS: dict[str, tuple[time | None, time | None]] = {
    "morning": (None, time(12)),
    "afternoon": (time(12), time(17)),
    "evening": (time(17), time(22)),
    "tonight": (time(17), time(22)),
    "after work": (time(18), None),
    "lunchtime": (time(12), time(14)),
}
SERVICE_WORDS = (
    (r"\b(men's|mens|male|gentleman's|man's) (hair ?cut|cut|trim)\b", "мужская стрижка"),
    (r"\b(women's|womens|ladies'?|female|woman's) (hair ?cut|cut|trim)\b", "женская стрижка"),
    (r"\b(kid'?s?|child'?s?|children'?s?|boy'?s?) (hair ?cut|cut)\b", "детская стрижка"),
    (r"\b(hair ?cut|cut my hair|get a cut|a trim|trim my hair)\b", "стрижка"),
    (r"\bbeard( trim)?\b", "борода"),
    (r"\b(blow ?dry|styling|blowout|hair ?do)\b", "укладка"),
    (r"\b(root touch.?up|roots)\b", "окрашивание корней"),
    (r"\b(balayage|highlights|air ?touch|ombre)\b", "аиртач"),
    (r"\b(hair (colou?r(ing)?|dye)|colou?ring|dye my hair)\b", "окрашивание"),
    (r"\bcolou?r consultation|consultation\b", "консультация"),
    (
        r"\b(gel|shellac) (manicure|nails|polish)\b|\bmanicure with gel( polish)?\b|\bgel polish\b",
        "маникюр с гель-лаком",
    ),
    (r"\b(gel|shellac) pedicure\b|\bpedicure with gel( polish)?\b", "педикюр с гель-лаком"),
    (r"\bmanicure\b|\b(my )?nails done\b", "маникюр"),
    (r"\bpedicure\b", "педикюр"),
    (r"\b(gel |polish |nail )?removal\b|\bremove (my )?(gel|polish)\b", "снятие покрытия"),
    (r"\b(eye)?brows?\b", "брови"),
    (r"\b(eye)?lash(es)?( lift| extensions?)?\b", "ресницы"),
    (r"\b(facial|face cleaning|face cleansing)\b", "чистка лица"),
    (r"\bpeel(ing)?\b", "пилинг"),
    (r"\bface massage|facial massage\b", "массаж лица"),
    (r"\bmassage\b", "массаж"),
    (r"\bmake ?up\b", "макияж"),
    (r"\bwax(ing)?\b", "депиляция"),
)
INTENTS = (
    (Intent.HUMAN, r"\b(real|live|human) (person|being|agent)|speak to (a|the) (person|human|manager|"
    r"administrator|someone)|talk to (a|the|someone|somebody)|operator"),
    (Intent.RESCHEDULE, r"\b(resched\w+|move my (appointment|booking)|change (my|the) (appointment|booking|time|"
    r"date)|postpone)"),
    (Intent.CANCEL, r"\b(cancel|can't make it|cant make it|cannot make it)"),
    (Intent.LATE, r"\b(running late|late\b|stuck in traffic|delayed)"),
    (Intent.COMPLAINT, r"\b(complain\w*|refund|terrible|awful|bad service|fell off|ruined|disappointed)"),
    (Intent.ASK_PRICE, r"\b(how much|price|prices|cost|costs|total cost)\b"),
    (Intent.ASK_ADDRESS, r"\b(address|where are you|located|location|how (do|can) i (get|find)|which door|parking|"
    r"entrance|come in from)\b"),
    (Intent.ASK_HOURS, r"\b(open(ing)? (hours|until|on|at|till)?|what time do you (open|close)|are you open|"
    r"working hours)\b"),
    (Intent.ASK_PAYMENT, r"\b(pay by|pay with|credit card|visa|mastercard|cash)\b"),
    (Intent.ASK_DURATION, r"\bhow long\b"),
    (Intent.ASK_SLOTS, r"\b(any (slots?|openings?|availability|time)|available|free (slots?|times?)|"
    r"do you have (anything|time|a slot))\b"),
    (Intent.ARE_YOU_ROBOT, r"\bare you (a |an )?(robot|bot|human|real|ai)\b"),
    (Intent.GROUP_BOOK, r"\b([4-9]|1\d) (people|girls|of us|persons)\b"),
    (Intent.BOOK, r"\b(book|appointment|i need|i'd like|i would like|i want|schedule|get a|can i (come|get|have)|"
    r"make a booking)\b"),
    (Intent.OTHER_LANGUAGE, r"\b(do you speak|speak english|in english|english please)\b"),
    (Intent.AFFIRM, r"^(yes|yeah|yep|sure|ok|okay|correct|right|that's right|perfect|great|sounds good|fine|"
    r"exactly|please do)\b|\b(that works|sounds good|works for me)\b"),
    (Intent.DENY, r"^(no|nope|not|nah)\b|\b(doesn't work|does not work|i can't)\b"),
    (Intent.THANKS, r"\b(thanks|thank you)\b"),
    (Intent.BYE, r"\b(bye|goodbye|see you)\b"),
    (Intent.GREET, r"^(hi|hello|hey|good (morning|afternoon|evening))\b"),
    (Intent.REPEAT, r"\b(repeat|say (it|that) again|pardon|didn't catch|slowly)\b"),
    (Intent.WAIT, r"\b(one (moment|second|sec)|hold on|wait a)\b"),
)  # fmt: skip
