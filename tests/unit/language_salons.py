"""Two salons for the language tests: a hairdresser's like many, and a quite different list of services."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from agent.language.understander import RuleUnderstander
from agent.model import Expect, Turn, TurnKind
from agent.understanding import Context, Lexicon, Understood
from crm.model import Service, ServiceId, Staff, StaffId

ZONE = "Europe/Moscow"
TUESDAY = datetime(2026, 12, 1, 11, 0, tzinfo=ZoneInfo(ZONE))


def lexicon(services: dict[str, str], staff: dict[str, tuple[str, str]]) -> Lexicon:
    return Lexicon(
        tuple(Service(ServiceId(key), name, timedelta(minutes=60), ()) for key, name in services.items()),
        tuple(Staff(StaffId(key), name, role) for key, (name, role) in staff.items()),
    )


MINT = lexicon(
    {
        "female": "Женская стрижка", "female_long": "Женская стрижка, длинные волосы (ниже лопаток)",
        "male": "Мужская стрижка",
        "child": "Детская стрижка (до 10 лет)", "beard": "Стрижка бороды", "styling": "Укладка",
        "roots": "Окрашивание корней",
        "complex": "Сложное окрашивание", "consult": "Консультация по окрашиванию", "bare": "Маникюр без покрытия",
        "gel": "Маникюр с гель-лаком", "pedi": "Педикюр с гель-лаком", "removal": "Снятие чужого покрытия",
        "brows": "Коррекция и окрашивание бровей", "facial": "Чистка лица", "peel": "Пилинг", "massage": "Массаж лица",
    },
    {
        "anna": ("Анна Белова", "топ-стилист"), "maria": ("Мария Крылова", "парикмахер-универсал, дети с 3 лет"),
        "igor": ("Игорь Сафин", "барбер, дети с 5 лет"), "olga": ("Ольга Ким", "маникюр и педикюр"),
        "svetlana": ("Светлана Юрина", "маникюр"), "vera": ("Вера Дан", "косметолог, брови"),
    },
)  # fmt: skip
LOTUS = lexicon(
    {
        "bikini": "Шугаринг: глубокое бикини", "legs": "Шугаринг ног", "lashes2": "Наращивание ресниц 2D",
        "lami": "Ламинирование ресниц",
        "air": "Окрашивание AirTouch", "botox": "Ботокс для волос", "thai": "Тайский массаж", "back": "Массаж спины",
        "smas": "Японский педикюр", "tattoo": "Перманентный макияж бровей",
    },
    {"aigul": ("Айгуль Сафиуллина", "мастер депиляции"), "tigran": ("Тигран", "массажист"), "katya": ("Екатерина "
    "Ли", "лешмейкер")},
)  # fmt: skip


def hear(
    understander: RuleUnderstander,
    text: str,
    *,
    expect: Expect = Expect.FREE,
    at: datetime = TUESDAY,
    words: Lexicon = MINT,
    **context: object,
) -> Understood:
    return understander.understand(Turn(TurnKind.WORDS, at, text), words, Context(expect, ZONE, **context))
