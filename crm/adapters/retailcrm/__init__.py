"""RetailCRM (Simla), API v5: https://docs.retailcrm.ru/Developers/API/APIVersions/APIv5

A CRM of orders without a calendar: a booking is an order whose delivery day and hours are the visit's; hours of work
and free time are ours.
"""

from core.forms import SettingField
from crm.adapters.retailcrm.ledger import RetailLedger
from crm.adapters.retailcrm.probing import CAPABILITIES
from crm.vendor.adapter import AdapterTools, Connection, Vendor
from crm.vendor.own_time_crm import OwnTimeCrm


def build(connection: Connection, tools: AdapterTools) -> OwnTimeCrm:
    ledger = RetailLedger(connection, tools)
    return OwnTimeCrm(ledger, tools.catalogue, tools.clock, CAPABILITIES, needs_phone=False)


VENDOR = Vendor(
    name="retailcrm",
    title="RetailCRM",
    fields=(
        SettingField("base_url", "Адрес аккаунта", "Account address", help_ru="https://имя.retailcrm.ru"),
        SettingField(
            "api_key",
            "Ключ API",
            "API key",
            secret=True,
            help_ru="Настройки → Интеграция → Ключи доступа к API",
        ),
        SettingField(
            "site",
            "Код магазина",
            "Site code",
            required=False,
            help_ru="символьный код; нужен, когда магазинов несколько",
        ),
        SettingField(
            "staff_field",
            "Поле мастера в заказе",
            "Order's field of the master",
            required=False,
            help_ru="код пользовательского поля; пусто: мастер — менеджер заказа",
        ),
        SettingField("status_booked", "Статус «записан»", "Status code: booked", required=False),
        SettingField("status_confirmed", "Статус «подтвердил»", "Status code: confirmed", required=False),
        SettingField("status_cancelled", "Статус «отменён»", "Status code: cancelled", required=False),
        SettingField(
            "order_type",
            "Тип заказа",
            "Order type code",
            required=False,
            help_ru="код типа; если он указан, записью считаются только такие заказы",
        ),
        SettingField("order_method", "Способ оформления", "Order method code", required=False),
    ),
    build=build,
    keeps_time=False,
    note_ru=(
        "В RetailCRM нет журнала записи: график, услуги и мастеров ведём мы, запись там — заказ с датой и временем "
        "доставки и мастером-менеджером. Клиента с отметкой «Плохой клиент» программа не записывает. Изменения "
        "читаются по истории заказов раз в несколько минут; быстрее — если сделать триггер (см. шаги)."
    ),
    setup_ru=(
        "Создайте ключ: Настройки → Интеграция → Ключи доступа к API; разрешите заказы и клиентов (чтение и запись), "
        "справочники, пользователей, доступ к магазину салона.",
        "Заведите мастеров пользователями с признаком «Менеджер» и впишите их номера в файл --map; или создайте в "
        "заказе своё поле для мастера и впишите его код.",
        "Услуги, которые есть в каталоге товаров, сопоставьте с номерами торговых предложений; остальные пишутся по "
        "названию.",
        "Проверьте, что в группе «Отменен» есть статус, которым салон отмечает отменённые визиты.",
        "Для быстрых обновлений создайте триггер на изменение заказа с действием «HTTP-запрос»: метод POST, адрес "
        "уведомлений из этой страницы, параметр order_id со значением {{ order.getId() }}.",
    ),
)
