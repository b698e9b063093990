"""Latin words inside Russian speech: brands by ear, abbreviations by letter, the rest transliterated."""

import unicodedata

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
    "ip": "ай пи", "tv": "тэ вэ", "usb": "ю эс бэ", "led": "лед", "uv": "ю ви", "ipl": "ай пи эл", "spf": "эс пэ эф",
    "diy": "ди ай уай", "faq": "эф э кью", "price": "прайс", "org": "орг", "net": "нет", "io": "ай о", "me": "ми",
    "youtube": "ютуб", "tiktok": "тикток", "facebook": "фейсбук", "vkontakte": "вконтакте", "iphone": "айфон",
    "android": "андроид", "visa": "виза", "mastercard": "мастеркард", "mir": "мир", "sberpay": "сбер пэй",
    "londa": "лонда", "lebel": "лебель", "kevin": "Кевин", "murphy": "Мёрфи", "moroccanoil": "мороканойл",
    "tangle": "тангл", "teezer": "тизер", "dyson": "дайсон", "babyliss": "бэбилис", "ollin": "оллин",
    "constant": "констант", "delight": "делайт", "concept": "концепт", "selective": "селектив", "indola": "индола",
    "goldwell": "голдвелл", "framesi": "фрамези", "alfaparf": "альфапарф", "tigi": "тиджи", "aveda": "аведа",
    "oribe": "орибе", "nioxin": "ниоксин", "sebastian": "себастьян", "essie": "эсси", "luxury": "лакшери",
    "christina": "кристина", "janssen": "янсен", "holy": "холи", "land": "лэнд", "dermalogica": "дермалоджика",
    "thalgo": "тальго", "guinot": "гино", "clarins": "кларанс", "dior": "диор", "chanel": "шанель", "mac": "мак",
    "nyx": "никс", "inglot": "инглот", "sothys": "сотис", "payot": "пайо", "gigi": "джиджи", "endospheres":
    "эндосфера", "fillers": "филлеры", "filler": "филлер", "peel": "пил", "peeling": "пилинг", "lift": "лифт",
    "lifting": "лифтинг", "home": "хоум", "club": "клаб", "new": "нью", "black": "блэк", "white": "уайт",
    "friday": "фрайдэй", "sale": "сейл", "bar": "бар", "brows": "броус", "lashes": "лэшес", "make": "мейк",
    "up": "ап", "makeup": "мейкап", "make-up": "мейкап", "style": "стайл", "color": "колор", "colour": "колор",
    "balayage": "балаяж", "ombre": "омбре", "shatush": "шатуш", "total": "тотал", "blond": "блонд", "blonde": "блонд",
    "blow": "блоу", "dry": "драй", "cut": "кат", "care": "кэр", "repair": "рипэр", "detox": "детокс", "plex": "плекс",
    "wellaplex": "веллаплекс", "joico": "джойко", "tokio": "токио", "inkarami": "инкарами", "innoluxe": "иннолюкс",
    "the": "зе", "and": "энд", "for": "фор", "you": "ю", "your": "ёр", "life": "лайф", "nice": "найс", "place":
    "плейс", "line": "лайн", "time": "тайм", "like": "лайк", "free": "фри", "day": "дэй", "plus": "плюс", "pro": "про",
    "max-factor": "макс фактор", "id": "ай ди", "cv": "си ви", "it": "ай ти", "hr": "эйч ар", "ceo": "си и оу",
    "bluetooth": "блютуз", "check-up": "чек ап", "check": "чек", "express-manicure": "экспресс маникюр",
    "mini": "мини", "midi": "миди", "maxi": "макси", "classic": "классик", "airpods": "эйрподс",
    "yclients": "вай клиентс", "hello": "хеллоу",
    "professionals": "профешнлс", "dr": "доктор", "professional": "профешнл",
    "professionnel": "профессьонель", "de": "де", "la": "ля", "le": "лё",
}  # fmt: skip
_LETTERS = {
    "a": "эй", "b": "би", "c": "си", "d": "ди", "e": "и", "f": "эф", "g": "джи", "h": "эйч", "i": "ай",
    "j": "джей", "k": "кей", "l": "эл",
    "m": "эм", "n": "эн", "o": "оу", "p": "пи", "q": "кью", "r": "ар", "s": "эс", "t": "ти", "u": "ю", "v": "ви",
    "w": "дабл ю", "x": "икс",
    "y": "уай", "z": "зед",
}  # fmt: skip
_NAMES = {
    "b": "бэ", "c": "цэ", "d": "дэ", "f": "эф", "g": "гэ", "h": "аш", "j": "йот", "k": "ка", "l": "эль", "m": "эм",
    "n": "эн", "p": "пэ", "q": "ку", "r": "эр", "s": "эс", "t": "тэ", "v": "вэ", "w": "дубль вэ", "x": "икс",
    "y": "игрек", "z": "зет",
}  # fmt: skip
"""A letter that stands alone, as Russians name it."""
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


def _plain_letters(word: str) -> str:
    """«L’Oréal» as «L'Oreal»: accents say little to a Russian ear."""
    decomposed = unicodedata.normalize("NFKD", word.replace("’", "'").replace("ß", "ss").replace("æ", "e"))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def latin_word(word: str) -> str:
    """A Latin word in Cyrillic letters, as a Russian would say it."""
    lowered = _plain_letters(word).lower()
    brand = _BRANDS.get(lowered)
    if brand is not None:
        return brand
    if len(lowered) == 1 and lowered not in "aeiou":
        return _NAMES.get(lowered, "")
    if word.isupper() and (len(word) <= 3 or (len(word) <= 5 and not set(lowered) & set("aeiouy"))):
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
