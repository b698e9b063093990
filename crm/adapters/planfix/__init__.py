"""Planfix REST API: https://planfix.com/help/REST_API_Introduction

No calendar of masters there and overlaps are accepted: a booking is a task made from one template, hours and free
time are ours.
"""

from core.forms import SettingField
from crm.adapters.planfix.ledger import build
from crm.vendor.adapter import Vendor

VENDOR = Vendor(
    name="planfix",
    title="Planfix",
    fields=(
        SettingField("base_url", "Адрес аккаунта", "Account address", help_ru="https://имя.planfix.ru"),
        SettingField(
            "token",
            "Токен REST API",
            "REST API token",
            secret=True,
            help_ru="Управление аккаунтом → Доступ к API → REST API",
        ),
        SettingField(
            "template_id", "Номер шаблона задачи «Запись»", "Task template id", help_ru="число в адресе шаблона"
        ),
        SettingField("contact_template_id", "Номер шаблона контакта", "Contact template id", required=False),
        SettingField(
            "marker_field_id",
            "Номер поля «Метка AI-Admin»",
            "Marker field id",
            required=False,
            help_ru="строковое поле задач; без номера найдём по названию или создадим",
        ),
        SettingField("status_booked", "Номер статуса «записан»", "Status id: booked", required=False),
        SettingField("status_confirmed", "Номер статуса «подтвердил»", "Status id: confirmed", required=False),
        SettingField("status_arrived", "Номер статуса «пришёл»", "Status id: arrived", required=False),
        SettingField("status_no_show", "Номер статуса «не пришёл»", "Status id: no-show", required=False),
        SettingField(
            "status_cancelled",
            "Номер статуса «отменён»",
            "Status id: cancelled",
            required=False,
            help_ru="без него отменённая задача удаляется",
        ),
        SettingField(
            "timezone",
            "Часовой пояс аккаунта",
            "Account time zone",
            required=False,
            help_ru="Europe/Moscow; нужен, если он не как у салона",
        ),
        SettingField(
            "hook_secret",
            "Секрет исходящего запроса",
            "Webhook secret",
            secret=True,
            required=False,
            help_ru="любая строка; она же в заголовке X-AI-Admin-Secret сценария",
        ),
    ),
    build=build,
    keeps_time=False,
    note_ru=(
        "В Planfix нет журнала записи: график, услуги и мастеров ведём мы, запись там — задача мастеру. "
        "Planfix принимает один запрос в секунду, поэтому запись подтверждается за 4–5 секунд."
    ),
    setup_ru=(
        "Создайте шаблон задачи «Запись» и скопируйте его номер; администраторы записывают клиентов только по нему.",
        "Добавьте в этот шаблон строковое поле «Метка AI-Admin» и скопируйте его номер.",
        "Добавьте в процесс статусы «подтвердил», «пришёл», «не пришёл», «отменён» и скопируйте их номера.",
        "Управление аккаунтом → Доступ к API → REST API: создайте токен с правами на задачи, контакты и сотрудников.",
        "Сотрудников сопоставьте с мастерами салона в файле --map: user:5 или просто 5.",
        "Чтобы изменения приходили сразу, добавьте автоматический сценарий задачи «отправить HTTP-запрос»: метод POST, "
        'адрес из карточки подключения, тело {"event": "update", "task": {"id": {{Задача.Номер}}}}.',
    ),
)
