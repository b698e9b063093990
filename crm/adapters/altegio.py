"""Altegio, the international twin of YCLIENTS: https://developer.alteg.io/api"""

from core.forms import SettingField
from crm.adapters.yclients_family.adapter import YclientsCrm
from crm.adapters.yclients_family.wire import Profile
from crm.vendor.adapter import Vendor

PROFILE = Profile(
    name="altegio",
    title="Altegio",
    base_url="https://api.alteg.io/api/v1",
    accept="application/vnd.api.v2+json",
    language="en-US",
    cabinet_ru="раздел прав пользователя в настройках локации",
)

VENDOR = Vendor(
    name="altegio",
    title="Altegio",
    fields=(
        SettingField("company_id", "Номер локации", "Location id", help_ru="число в адресе кабинета"),
        SettingField("partner_token", "Ключ партнёра", "Partner token", secret=True, help_ru="выдаёт Altegio"),
        SettingField("user_token", "Ключ пользователя", "User token", secret=True, help_ru="ответ POST /auth"),
        SettingField("region", "Страна салона", "Country", required=False, default="RU", help_ru="RU, RS, DE…"),
        SettingField("base_url", "Адрес API", "API address", required=False, default=PROFILE.base_url),
    ),
    build=lambda connection, tools: YclientsCrm(PROFILE, connection, tools),
    foreign=True,
    setup_ru=(
        "Получите ключ партнёра Altegio и добавьте приложение к локации (Marketplace) или дайте права пользователю.",
        "Дайте пользователю права на журнал, клиентов, услуги и сотрудников и получите его ключ (POST /auth).",
    ),
)
