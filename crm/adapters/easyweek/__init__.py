"""EasyWeek: public API v2 (https://my.easyweek.io/api/public/v2). Keys: Settings, Developers, API keys."""

from core.forms import SettingField
from crm.adapters.easyweek.adapter import EasyweekCrm
from crm.adapters.easyweek.wire import BASE_URL
from crm.adapters.easyweek.writing import CANCEL
from crm.vendor.adapter import Vendor

VENDOR = Vendor(
    name="easyweek",
    title="EasyWeek",
    fields=(
        SettingField(
            "api_key", "Ключ API", "API key", secret=True, help_ru="EasyWeek → Настройки → Разработчикам → Ключи API"
        ),
        SettingField(
            "workspace", "Рабочее пространство", "Workspace slug", help_ru="имя пространства в адресе вашего кабинета"
        ),
        SettingField(
            "location_uuid",
            "UUID филиала",
            "Location UUID",
            help_ru="введите любой, и проверка подключения перечислит филиалы с их UUID; число из вебхуков не подходит",
        ),
        SettingField(
            "notifies_clients",
            "EasyWeek сам пишет клиентам",
            "EasyWeek notifies clients",
            required=False,
            default="no",
            help_ru="yes: в EasyWeek включены уведомления о записи, свои мы не шлём; no: подтверждаем мы",
        ),
        SettingField(
            "cancel",
            "Адрес отмены",
            "Cancellation request",
            required=False,
            default=CANCEL,
            help_ru="метод и адрес после базового; меняйте, только если отмена в проверке не проходит",
        ),
        SettingField("base_url", "Адрес API", "API address", required=False, default=BASE_URL),
    ),
    build=EasyweekCrm,
    foreign=True,
    note_ru=(
        "EasyWeek не переносит записи: перенос — это новая запись, затем отмена старой. Заметку к готовой записи "
        "дописать нельзя. Кто какую услугу делает, EasyWeek не сообщает: берём из вашего прайса здесь по совпадению "
        "названий и имён."
    ),
    setup_ru=(
        "В EasyWeek откройте «Настройки» → «Разработчикам» → «Ключи API» и создайте ключ.",
        "Скопируйте имя рабочего пространства из адреса кабинета.",
        "Подключите и возьмите UUID своего филиала из списка, который покажет проверка.",
        "Чтобы EasyWeek сообщал об изменениях сразу: «Настройки» → «Разработчикам» → «Вебхуки», пять вебхуков на один "
        "адрес уведомлений, в конце каждого своё событие: ?event=booking-created, ?event=booking-updated, "
        "?event=booking-rescheduled, ?event=booking-canceled, ?event=booking-succeeded. Без них узнаём опросом.",
        "Загрузите прайс салона с мастерами (ai-admin company load): названия услуг и имена мастеров как в EasyWeek.",
    ),
)
