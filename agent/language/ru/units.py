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
    "килограмм": (("килограмм", "килограмма", "килограммов", "килограммам", "килограммами", "килограммах"),
    Gender.MASCULINE),
    "литр": (("литр", "литра", "литров", "литрам", "литрами", "литрах"), Gender.MASCULINE),
    "штука": (("штука", "штуки", "штук", "штукам", "штуками", "штуках"), Gender.FEMININE),
    "градус": (("градус", "градуса", "градусов", "градусам", "градусами", "градусах"), Gender.MASCULINE),
    "единица": (("единица", "единицы", "единиц", "единицам", "единицами", "единицах"), Gender.FEMININE),
    "балл": (("балл", "балла", "баллов", "баллам", "баллами", "баллах"), Gender.MASCULINE),
    "сеанс": (("сеанс", "сеанса", "сеансов", "сеансам", "сеансами", "сеансах"), Gender.MASCULINE),
    "визит": (("визит", "визита", "визитов", "визитам", "визитами", "визитах"), Gender.MASCULINE),
    "клиент": (("клиент", "клиента", "клиентов", "клиентам", "клиентами", "клиентах"), Gender.MASCULINE),
    "этаж": (("этаж", "этажа", "этажей", "этажам", "этажами", "этажах"), Gender.MASCULINE),
    "сутки": (("сутки", "суток", "суток", "суткам", "сутками", "сутках"), Gender.FEMININE),
    "квадратный метр": (("квадратный метр", "квадратных метра", "квадратных метров", "квадратным метрам",
    "квадратными метрами", "квадратных метрах"), Gender.MASCULINE),
    "миллион": (("миллион", "миллиона", "миллионов", "миллионам", "миллионами", "миллионах"), Gender.MASCULINE),
    "раз": (("раз", "раза", "раз", "разам", "разами", "разах"), Gender.MASCULINE),
    "тысяча": (("тысяча", "тысячи", "тысяч", "тысячам", "тысячами", "тысячах"), Gender.FEMININE),
}  # fmt: skip
SHORT_UNITS = {
    "руб": "рубль", "р": "рубль", "₽": "рубль", "rub": "рубль", "коп": "копейка", "мин": "минута", "ч": "час",
    "сек": "секунда",
    "дн": "день", "нед": "неделя", "мес": "месяц", "%": "процент", "м": "метр", "см": "сантиметр", "мм": "миллиметр",
    "км": "километр", "мл": "миллилитр", "гр": "грамм", "$": "доллар", "€": "евро", "чел": "человек",
    "кг": "килограмм", "л": "литр", "шт": "штука", "м²": "квадратный метр", "кв. м": "квадратный метр",
    "кв.м": "квадратный метр", "°c": "градус", "°с": "градус", "°": "градус", "г": "грамм", "минут": "минута",
    "ед": "единица", "usd": "доллар", "eur": "евро",
}  # fmt: skip
FORM_CASES = {
    form: (Case.DATIVE, Case.INSTRUMENTAL, Case.PREPOSITIONAL)[index]
    for forms, _ in UNITS.values()
    for index, form in enumerate(forms[3:])
    if form not in forms[:3]
}
"""Plural forms that show their case: «часами», «минутах»."""
FORM_TO_UNIT = {form: unit for unit, (forms, _) in UNITS.items() for form in forms}
ACCUSATIVE_FEMININE = {"минуту": "минута", "секунду": "секунда", "неделю": "неделя", "копейку": "копейка",
"услугу": "услуга",
                        "процедуру": "процедура", "тысячу": "тысяча", "стрижку": "стрижка",
                        "штуку": "штука"}  # fmt: skip


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
    if unit == "квадратный метр":
        adjective = {Case.GENITIVE: "ого", Case.DATIVE: "ому", Case.INSTRUMENTAL: "ым", Case.PREPOSITIONAL: "ом"}[case]
        return f"квадратн{adjective} {_singular('метр', case)}"
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
