"""amoCRM (Kommo), API v4: https://www.amocrm.ru/developers/content/crm_platform/api-reference

There is no calendar there: a booking is a lead in a pipeline of its own, with a meeting task for the master; hours and
free time are ours.
"""

from core.forms import SettingField
from crm.adapters.amocrm.ledger import build
from crm.vendor.adapter import Vendor

VENDOR = Vendor(
    name="amocrm",
    title="amoCRM",
    fields=(
        SettingField("base_url", "Адрес аккаунта", "Account address", help_ru="https://имя.amocrm.ru"),
        SettingField("pipeline_id", "Номер воронки «Запись»", "Pipeline id", help_ru="число в адресе воронки"),
        SettingField(
            "token",
            "Долгосрочный токен",
            "Long-lived token",
            secret=True,
            required=False,
            help_ru="карточка приватной интеграции → Ключи и доступы; или вместо него четыре поля ниже",
        ),
        SettingField("client_id", "ID интеграции", "Integration id", required=False),
        SettingField("client_secret", "Секретный ключ", "Client secret", secret=True, required=False),
        SettingField("redirect_uri", "Ссылка перенаправления", "Redirect URI", required=False),
        SettingField("code", "Код авторизации (живёт 20 минут)", "Authorization code", secret=True, required=False),
        SettingField("refresh_token", "Refresh-токен", "Refresh token", secret=True, required=False),
        SettingField("status_booked", "Этап «записан»", "Status id: booked", required=False),
        SettingField("status_confirmed", "Этап «подтвердил»", "Status id: confirmed", required=False),
    ),
    build=build,
    keeps_time=False,
    note_ru="В amoCRM нет журнала записи: график, услуги и мастеров ведём мы, запись там — сделка с задачей мастеру.",
    setup_ru=(
        "Создайте воронку «Запись» с этапами «записан» и «подтвердил» и скопируйте её номер из адреса.",
        "Создайте приватную интеграцию с доступом к данным аккаунта и выпустите долгосрочный токен.",
        "Пользователей, которые ведут приём, сопоставьте с мастерами салона в файле --map.",
    ),
)
