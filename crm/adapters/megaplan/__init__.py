"""Megaplan API v3: https://dev.megaplan.ru/apiv3/index.html

No calendar of masters with hours there, and overlaps are accepted: a booking is a todo («дело») of its master, hours
and free time are ours.
"""

from core.forms import SettingField
from crm.adapters.megaplan.ledger import build
from crm.vendor.adapter import Vendor

VENDOR = Vendor(
    name="megaplan",
    title="Мегаплан",
    fields=(
        SettingField("base_url", "Адрес аккаунта", "Account address", help_ru="https://имя.megaplan.ru"),
        SettingField("username", "Логин сотрудника", "Employee login", help_ru="отдельный сотрудник для AI-Admin"),
        SettingField("password", "Пароль сотрудника", "Employee password", secret=True, help_ru="его же"),
        SettingField(
            "category_id",
            "Номер категории дел «Запись»",
            "Todo category id",
            required=False,
            help_ru="чтобы записи были видны отдельно от прочих дел",
        ),
        SettingField(
            "integration_uuid",
            "UUID приложения",
            "Application uuid",
            required=False,
            help_ru="из карточки приложения; тогда чужие события отклоняются",
        ),
        SettingField(
            "whole_days",
            "Дела на весь день: busy занимают мастера, free нет",
            "Whole-day todos: busy or free",
            required=False,
            default="busy",
        ),
        SettingField(
            "month_base",
            "С какого числа считаются месяцы: auto, 0 или 1",
            "Month base of dates: auto, 0 or 1",
            required=False,
            default="auto",
        ),
    ),
    build=build,
    keeps_time=False,
    note_ru=(
        "В Мегаплане нет журнала записи: график, услуги и мастеров ведём мы, запись там — дело мастера с клиентом. "
        "Отменённая запись удаляется. Поиска дел по датам у Мегаплана нет, поэтому в аккаунте с тысячами новых дел в "
        "месяц ответы медленнее."
    ),
    setup_ru=(
        "Заведите отдельного сотрудника «AI-Admin» с правом видеть и менять дела мастеров и клиентов; его логин и "
        "пароль введите в настройках подключения.",
        "По желанию создайте категорию дел «Запись» и скопируйте её номер.",
        "Сотрудников, которые ведут приём, сопоставьте с мастерами салона в файле --map.",
        "Чтобы изменения приходили сразу, создайте приложение, укажите в нём адрес из карточки подключения и включите "
        "потоки «дела» и «клиенты»; скопируйте UUID приложения.",
        "Записи делайте делами со временем начала и конца и ответственным мастером: дело без времени его не занимает.",
    ),
)
