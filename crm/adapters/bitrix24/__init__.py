"""Bitrix24: https://apidocs.bitrix24.ru

Its online booking (`booking.v1.*`) knows resources, hours and bookings, but no services, prices or lengths: those are
the salon's own catalogue. A portal without that module keeps visits as deals with events in the masters' calendars.
"""

from core.forms import SettingField
from crm.adapters.bitrix24.adapter import build
from crm.adapters.bitrix24.keys import OAUTH_URL
from crm.vendor.adapter import Vendor

VENDOR = Vendor(
    name="bitrix24",
    title="Битрикс24",
    fields=(
        SettingField(
            "webhook",
            "Входящий вебхук",
            "Incoming webhook",
            secret=True,
            required=False,
            help_ru="адрес вебхука целиком: Разработчикам → Другое → Входящий вебхук; или вместо него приложение ниже",
        ),
        SettingField(
            "base_url",
            "Адрес портала",
            "Portal address",
            required=False,
            help_ru="https://имя.bitrix24.ru; с вебхуком можно не указывать",
        ),
        SettingField("client_id", "Код приложения (client_id)", "Application client_id", required=False),
        SettingField("client_secret", "Ключ приложения", "Application secret", secret=True, required=False),
        SettingField("refresh_token", "Refresh-токен приложения", "Refresh token", secret=True, required=False),
        SettingField("code", "Код авторизации (живёт 30 секунд)", "Authorization code", secret=True, required=False),
        SettingField(
            "application_token",
            "Токен событий (application_token)",
            "Application token",
            secret=True,
            required=False,
            help_ru="приходит приложению при установке; у исходящего вебхука виден в его карточке",
        ),
        SettingField("oauth_url", "Сервер авторизации", "OAuth server", required=False, default=OAUTH_URL),
        SettingField(
            "mode",
            "Куда записывать",
            "Where visits go",
            required=False,
            default="auto",
            help_ru="auto; booking (онлайн-запись) или crm (сделки и календарь)",
        ),
        SettingField(
            "deal_category",
            "Номер воронки сделок",
            "Deal pipeline id",
            required=False,
            help_ru="с онлайн-записью: делать сделку на каждый визит в этой воронке; без неё: воронка визитов",
        ),
        SettingField("stage_booked", "Стадия «записан»", "Stage: booked", required=False, default="NEW"),
        SettingField("stage_confirmed", "Стадия «подтвердил»", "Stage: confirmed", required=False),
        SettingField(
            "enterprise", "Тариф «Энтерпрайз» (Y)", "Enterprise plan (Y)", required=False, help_ru="выше лимит запросов"
        ),
    ),
    build=build,
    keeps_time=False,
    note_ru=(
        "Услуги, цены и длительности берём из каталога салона: онлайн-запись Битрикс24 их не хранит. Если у ресурсов "
        "включены уведомления, клиентам пишет сам портал, и мы подтверждений не дублируем."
    ),
    setup_ru=(
        "В Битрикс24 включите «Онлайн-запись» и создайте по ресурсу на каждого мастера с его рабочими часами.",
        "Откройте «Разработчикам» → «Другое» → «Входящий вебхук» и отметьте права: CRM (crm), Онлайн-запись (booking), "
        "Пользователи (user); если онлайн-записи нет, ещё Календарь (calendar).",
        "Скопируйте адрес вебхука целиком и введите его. Вебхук должен создать сотрудник с доступом ко всей записи.",
        "В файле --map сопоставьте мастеров с номерами ресурсов (без онлайн-записи: с номерами сотрудников); ресурсы, "
        "названные именем мастера, найдутся сами.",
        "Чтобы на каждый визит появлялась сделка, укажите номер воронки в deal_category.",
    ),
)
