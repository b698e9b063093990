"""DIKIDI: no public API. The booking widget's own questions are read; booking is a link or a person.

Nothing is written to DIKIDI, nobody's password is asked for, and everywhere it is said so.
"""

from core.forms import SettingField
from crm.adapters.dikidi.adapter import DikidiCrm
from crm.adapters.dikidi.wire import BASE_URL, LINK_HOST
from crm.vendor.adapter import Vendor

VENDOR = Vendor(
    name="dikidi",
    title="DIKIDI",
    fields=(
        SettingField(
            "company_id", "Номер компании", "Company id", help_ru="число в ссылке вашей записи: dikidi.net/ЧИСЛО"
        ),
        SettingField(
            "prefilled_links",
            "Ссылка с выбранной услугой",
            "Links with the service chosen",
            required=False,
            default="yes",
            help_ru="no: давать клиентам только общую ссылку записи, если ссылка с услугой открывается неверно",
        ),
        SettingField("link_host", "Адрес страницы записи", "Booking page address", required=False, default=LINK_HOST),
        SettingField("base_url", "Адрес виджета", "Widget address", required=False, default=BASE_URL),
    ),
    build=DikidiCrm,
    note_ru=(
        "У DIKIDI нет открытого API. Услуги, мастеров и свободное время читаем так, как их показывает клиентам виджет "
        "записи; это может перестать работать без предупреждения, тогда помощник скажет, что журнал не отвечает. "
        "Записать, перенести или отменить помощник не может: он подбирает время, даёт клиенту ссылку на запись "
        "(в переписке) и оставляет администратору задачу с готовой заявкой. Пароль от кабинета DIKIDI не нужен и не "
        "спрашивается. Записи клиентов видны только из загруженной выгрузки: ai-admin crm import ФАЙЛ."
    ),
    setup_ru=(
        "Откройте свою ссылку онлайн-записи DIKIDI: число после dikidi.net/ и есть номер компании.",
        "Проверьте, что онлайн-запись включена, а услуги и мастера в ней видны клиентам.",
        "Подключите и посмотрите на результат проверки: должны найтись услуги, мастера и свободное время.",
        "Решите, кто подтверждает заявки: задачи с ними приходят администратору, обещанный срок клиенту назван.",
        "По желанию раз в день загружайте выгрузку записей (CSV или ICS): тогда помощник знает, кто и когда записан.",
    ),
)
