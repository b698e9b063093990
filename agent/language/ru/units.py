"""Units and other counted nouns in all the forms in which they stand behind a number."""

from agent.language.ru.morph import Case, Gender
from agent.language.ru.plural import plural

UNITS: dict[str, tuple[tuple[str, ...], Gender]] = {
    # nominative singular, genitive singular, genitive plural, dative/instrumental/prepositional plural
    "рубль": (("рубль", "рубля", "рублей", "рублям", "рублями", "рублях"), Gender.MASCULINE),
    "копейка": (("копейка", "копейки", "копеек", "копейкам", "копейками", "копейках"), Gender.FEMININE),
    "минута": (("минута", "минуты", "минут", "минутам", "минутами", "минутах"), Gender.FEMININE),
    "час": (("час", "часа", "часов", "часам", "часами", "часах"), Gender.MASCULINE),
    "секунда": (("секунда", "секунды", "секунд", "секундам", "секундами", "секундах"), Gender.FEMININE),
    "день": (("день", "дня", "дней", "дням", "днями", "днях"), Gender.MASCULINE),
    "неделя": (("неделя", "недели", "недель", "неделям", "неделями", "неделях"), Gender.FEMININE),
    "месяц": (("месяц", "месяца", "месяцев", "месяцам", "месяцами", "месяцах"), Gender.MASCULINE),
    "год": (("год", "года", "лет", "годам", "годами", "годах"), Gender.MASCULINE),
    "процент": (("процент", "процента", "процентов", "процентам", "процентами", "процентах"), Gender.MASCULINE),
    "метр": (("метр", "метра", "метров", "метрам", "метрами", "метрах"), Gender.MASCULINE),
    "сантиметр": (("сантиметр", "сантиметра", "сантиметров", "сантиметрам", "сантиметрами", "сантиметрах"),
    Gender.MASCULINE),
    "миллиметр": (("миллиметр", "миллиметра", "миллиметров", "миллиметрам", "миллиметрами", "миллиметрах"),
    Gender.MASCULINE),
    "километр": (("километр", "километра", "километров", "километрам", "километрами", "километрах"), Gender.MASCULINE),
    "миллилитр": (("миллилитр", "миллилитра", "миллилитров", "миллилитрам", "миллилитрами", "миллилитрах"),
    Gender.MASCULINE),
    "грамм": (("грамм", "грамма", "граммов", "граммам", "граммами", "граммах"), Gender.MASCULINE),
    "доллар": (("доллар", "доллара", "долларов", "долларам", "долларами", "долларах"), Gender.MASCULINE),
    "евро": (("евро",) * 6, Gender.MASCULINE),
    "человек": (("человек", "человека", "человек", "человекам", "людьми", "людях"), Gender.MASCULINE),
    "мастер": (("мастер", "мастера", "мастеров", "мастерам", "мастерами", "мастерах"), Gender.MASCULINE),
    "услуга": (("услуга", "услуги", "услуг", "услугам", "услугами", "услугах"), Gender.FEMININE),
    "запись": (("запись", "записи", "записей", "записям", "записями", "записях"), Gender.FEMININE),
    "место": (("место", "места", "мест", "местам", "местами", "местах"), Gender.NEUTER),
    "процедура": (("процедура", "процедуры", "процедур", "процедурам", "процедурами", "процедурах"), Gender.FEMININE),
    "стрижка": (("стрижка", "стрижки", "стрижек", "стрижкам", "стрижками", "стрижках"), Gender.FEMININE),
    "раз": (("раз", "раза", "раз", "разам", "разами", "разах"), Gender.MASCULINE),
    "тысяча": (("тысяча", "тысячи", "тысяч", "тысячам", "тысячами", "тысячах"), Gender.FEMININE),
}  # fmt: skip
SHORT_UNITS = {
    "руб": "рубль", "р": "рубль", "₽": "рубль", "rub": "рубль", "коп": "копейка", "мин": "минута", "ч": "час",
    "сек": "секунда",
    "дн": "день", "нед": "неделя", "мес": "месяц", "%": "процент", "м": "метр", "см": "сантиметр", "мм": "миллиметр",
    "км": "километр", "мл": "миллилитр", "гр": "грамм", "$": "доллар", "€": "евро", "чел": "человек",
}  # fmt: skip
FORM_TO_UNIT = {form: unit for unit, (forms, _) in UNITS.items() for form in forms}
ACCUSATIVE_FEMININE = {"минуту": "минута", "секунду": "секунда", "неделю": "неделя", "копейку": "копейка",
"услугу": "услуга",
                        "процедуру": "процедура", "тысячу": "тысяча", "стрижку": "стрижка"}  # fmt: skip


def unit_gender(unit: str) -> Gender:
    return UNITS[unit][1]


def unit_form(unit: str, count: int, case: Case) -> str:
    """The noun behind the number in the case: «пятнадцати минут», «двумя часами»."""
    forms, gender = UNITS[unit]
    last = plural(count, "one", "few", "many")
    if case in (Case.NOMINATIVE, Case.ACCUSATIVE):
        if last == "one" and case is Case.ACCUSATIVE and gender is Gender.FEMININE:
            return next((form for form, name in ACCUSATIVE_FEMININE.items() if name == unit), forms[0])
        return forms[{"one": 0, "few": 1, "many": 2}[last]]
    if last == "one":
        return _singular(unit, case)
    return forms[{Case.GENITIVE: 2, Case.DATIVE: 3, Case.INSTRUMENTAL: 4, Case.PREPOSITIONAL: 5}[case]]


def _singular(unit: str, case: Case) -> str:
    forms, gender = UNITS[unit]
    if case is Case.GENITIVE or unit == "евро":
        return forms[1]
    word = forms[0]
    if gender is Gender.FEMININE:
        if word.endswith("ь"):
            return word[:-1] + ("ью" if case is Case.INSTRUMENTAL else "и")
        soft = word.endswith("я")
        return word[:-1] + (("ей" if soft else "ой") if case is Case.INSTRUMENTAL else "е")
    stem = {"день": "дн", "место": "мест"}.get(word, word.rstrip("ь"))
    soft = word.endswith("ь")
    endings = {
        Case.DATIVE: "ю" if soft else "у",
        Case.INSTRUMENTAL: ("ём" if word == "день" else "ем") if soft else "ом",
        Case.PREPOSITIONAL: "е",
    }
    if word == "месяц" and case is Case.INSTRUMENTAL:
        return "месяцем"
    return stem + endings[case]
