"""YCLIENTS: https://developers.yclients.com/ru/"""

from core.forms import SettingField
from crm.adapters.yclients_family.adapter import YclientsCrm
from crm.adapters.yclients_family.wire import Profile
from crm.vendor.adapter import Vendor

PROFILE = Profile(
    name="yclients",
    title="YCLIENTS",
    base_url="https://api.yclients.com/api/v1",
    accept="application/vnd.yclients.v2+json",
    language="ru-RU",
    cabinet_ru="раздел «Доступ к API» в настройках филиала",
)

VENDOR = Vendor(
    name="yclients",
    title="YCLIENTS",
    fields=(
        SettingField("company_id", "Номер филиала", "Branch id", help_ru="число в адресе кабинета после /timetable/"),
        SettingField(
            "partner_token", "Ключ партнёра", "Partner token", secret=True, help_ru="кабинет разработчика YCLIENTS"
        ),
        SettingField(
            "user_token",
            "Ключ системного пользователя",
            "System user token",
            secret=True,
            help_ru="Настройки → Доступ к API; права: журнал записи, клиенты, услуги, сотрудники, график",
        ),
        SettingField("base_url", "Адрес API", "API address", required=False, default=PROFILE.base_url),
    ),
    build=lambda connection, tools: YclientsCrm(PROFILE, connection, tools),
    setup_ru=(
        "В кабинете филиала откройте «Доступ к API» и создайте системного пользователя.",
        "Дайте ему права на журнал записи (просмотр, создание, изменение, удаление), клиентов, услуги и сотрудников.",
        "Скопируйте его ключ, номер филиала и ключ партнёра.",
    ),
)
