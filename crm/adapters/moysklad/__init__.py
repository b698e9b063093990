"""МойСклад, JSON API 1.2: https://dev.moysklad.ru/doc/api/remap/1.2/

A trade system without a calendar: a booking is a customer's order whose planned moment is the visit's start; hours and
free time are ours.
"""

from core.forms import SettingField
from crm.adapters.moysklad.ledger import MoyskladLedger
from crm.adapters.moysklad.probing import CAPABILITIES
from crm.vendor.adapter import AdapterTools, Connection, Vendor
from crm.vendor.own_time_crm import OwnTimeCrm


def build(connection: Connection, tools: AdapterTools) -> OwnTimeCrm:
    ledger = MoyskladLedger(connection, tools)
    return OwnTimeCrm(ledger, tools.catalogue, tools.clock, CAPABILITIES, needs_phone=False)


VENDOR = Vendor(
    name="moysklad",
    title="МойСклад",
    fields=(
        SettingField(
            "base_url",
            "Адрес API",
            "API address",
            required=False,
            default="https://api.moysklad.ru",
            help_ru="обычно менять не нужно",
        ),
        SettingField(
            "token",
            "Токен",
            "Access token",
            secret=True,
            required=False,
            help_ru="Настройки → Обмен данными → Токены; или вместо него логин и пароль",
        ),
        SettingField("login", "Логин", "Login", required=False, help_ru="вида admin@компания"),
        SettingField("password", "Пароль", "Password", secret=True, required=False),
        SettingField(
            "organization_id",
            "Юрлицо для заказов",
            "Organization id",
            required=False,
            help_ru="номер из адреса карточки юрлица; пусто: первое в списке",
        ),
        SettingField("state_booked", "Статус «записан»", "State: booked", required=False),
        SettingField("state_confirmed", "Статус «подтвердил»", "State: confirmed", required=False),
        SettingField("state_cancelled", "Статус «отменён»", "State: cancelled", required=False),
        SettingField(
            "requests_per_3s",
            "Запросов за 3 секунды",
            "Requests in 3 seconds",
            required=False,
            default="11",
            help_ru="11 для токена или пароля сотрудника, 45 для токена решения",
        ),
    ),
    build=build,
    keeps_time=False,
    note_ru=(
        "В МоёмСкладе нет журнала записи: график и свободное время ведём мы, запись там — заказ покупателя с мастером "
        "и временем визита в поле «План. дата отгрузки». Уведомления об изменениях есть только на платных тарифах; "
        "без них изменения читаются раз в несколько минут."
    ),
    setup_ru=(
        "Заведите для AI-Admin отдельного сотрудника с правами на контрагентов, услуги, сотрудников и заказы "
        "покупателей, разрешите ему доступ к API и войдите под ним.",
        "Выпустите токен: Настройки → Обмен данными → Токены. Новый токен отключает прежние токены этого сотрудника.",
        "Создайте в заказах покупателей доп. поля «Мастер» (справочник «Сотрудник»), «Окончание визита» (дата), "
        "«Услуги визита» (строка). Если сотрудник — администратор, поля создадутся сами при первой записи.",
        "Проверьте статусы заказа: «Новый», «Подтвержден», «Отменен» с типом «Финальный отрицательный».",
        "Сопоставьте мастеров с сотрудниками и услуги с карточками услуг в файле --map: номер стоит в адресе карточки.",
    ),
)
