"""Latin words inside Russian speech: brands by ear, abbreviations by letter, the rest transliterated."""

_BRANDS = {
    "airtouch": "эйртач", "air": "эйр", "touch": "тач", "lpg": "эл пэ жэ", "olaplex": "олаплекс",
    "shellac": "шеллак", "spa": "спа",
    "botox": "ботокс", "keratin": "кератин", "loreal": "лореаль", "l'oreal": "лореаль", "estel": "эстель",
    "wella": "велла",
    "kerastase": "керастас", "redken": "редкен", "davines": "давинес", "whatsapp": "вотсап", "telegram": "телеграм",
    "instagram": "инстаграм", "viber": "вайбер", "vk": "вэ ка", "max": "макс", "sms": "эс эм эс", "wi-fi": "вай фай",
    "wifi": "вай фай", "online": "онлайн", "email": "имейл", "e-mail": "имейл", "ok": "окей",
    "premium": "премиум", "vip": "вип",
    "gel": "гель", "nail": "нейл", "nails": "нейлс", "beauty": "бьюти", "barber": "барбер", "face": "фейс",
    "hair": "хэир", "lash": "лэш",
    "brow": "броу", "lux": "люкс", "luxe": "люкс", "top": "топ", "one": "уан", "studio": "студио", "men": "мен",
    "salon": "салон",
    "tom": "Том", "john": "Джон", "becker": "Бекер", "google": "гугл", "yandex": "яндекс", "apple": "эппл",
    "pay": "пэй", "qr": "кью ар",
    "pdf": "пэ дэ эф", "hydrafacial": "гидрафейшл", "oxy": "окси", "laser": "лазер", "smart": "смарт",
    "express": "экспресс",
    "kapous": "капус", "matrix": "матрикс", "schwarzkopf": "шварцкопф", "opi": "о пи ай", "luxio": "люксио",
    "kodi": "коди", "cnd": "си эн ди",
    "smas": "смас", "rf": "эр эф", "bb": "биби", "ph": "пэ аш", "hi-fi": "хай фай", "co2": "цэ о два", "ru": "ру",
    "com": "ком", "www": "вэ вэ вэ",
}  # fmt: skip
_LETTERS = {
    "a": "эй", "b": "би", "c": "си", "d": "ди", "e": "и", "f": "эф", "g": "джи", "h": "эйч", "i": "ай",
    "j": "джей", "k": "кей", "l": "эл",
    "m": "эм", "n": "эн", "o": "оу", "p": "пи", "q": "кью", "r": "ар", "s": "эс", "t": "ти", "u": "ю", "v": "ви",
    "w": "дабл ю", "x": "икс",
    "y": "уай", "z": "зед",
}  # fmt: skip
_GROUPS = (
    ("sch", "ш"), ("tch", "ч"), ("igh", "ай"), ("shch", "щ"), ("ch", "ч"), ("sh", "ш"), ("zh", "ж"), ("kh", "х"),
    ("th", "т"), ("ph", "ф"),
    ("ck", "к"), ("qu", "кв"), ("oo", "у"), ("ee", "и"), ("ea", "и"), ("ou", "ау"), ("ya", "я"), ("yu", "ю"),
    ("yo", "ё"), ("ts", "ц"),
    ("ce", "се"), ("ci", "си"), ("ge", "дже"), ("x", "кс"), ("w", "в"), ("y", "и"), ("j", "дж"), ("c", "к"), ("q",
    "к"), ("h", "х"),
    ("a", "а"), ("b", "б"), ("d", "д"), ("e", "е"), ("f", "ф"), ("g", "г"), ("i", "и"), ("k", "к"), ("l", "л"),
    ("m", "м"), ("n", "н"),
    ("o", "о"), ("p", "п"), ("r", "р"), ("s", "с"), ("t", "т"), ("u", "у"), ("v", "в"), ("z", "з"), ("'", ""),
    ("’", ""), ("-", " "),
)  # fmt: skip


def latin_word(word: str) -> str:
    """A Latin word in Cyrillic letters, as a Russian would say it."""
    lowered = word.lower()
    brand = _BRANDS.get(lowered)
    if brand is not None:
        return brand
    if word.isupper() and len(word) <= 4:
        return " ".join(_LETTERS[letter] for letter in lowered if letter in _LETTERS)
    if "-" in word:
        return " ".join(latin_word(part) for part in word.split("-") if part)
    spelled, position = "", 0
    if len(lowered) > 3 and lowered.endswith("e") and lowered[-2] not in "aeiou":
        lowered = lowered[:-1]
    while position < len(lowered):
        group, sound = next(
            ((letters, sound) for letters, sound in _GROUPS if lowered.startswith(letters, position)),
            (lowered[position], ""),
        )
        spelled += sound
        position += len(group)
    return spelled[:1].upper() + spelled[1:] if word[:1].isupper() else spelled
