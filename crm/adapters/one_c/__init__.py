"""1C:Enterprise. A platform, not one CRM: every base has its own names, so the connection carries a profile.

Two ways: the standard OData interface of any configuration (hours and free time are ours), and the HTTP service
`hs/api/v3` of the fitness and beauty line, which has services, masters, free time and booking of its own.
"""

from core.errors import ConfigurationError
from core.forms import SettingField
from crm.adapters.one_c import ledger
from crm.adapters.one_c.hs import adapter as hs
from crm.vendor.adapter import AdapterTools, Connection, Vendor, VendorCrm


def build(connection: Connection, tools: AdapterTools) -> VendorCrm:
    """Raises ConfigurationError for an unknown mode or a missing setting."""
    mode = connection.setting("mode", "odata")
    if mode == "odata":
        return ledger.build(connection, tools)
    if mode == "hs":
        return hs.build(connection, tools)
    raise ConfigurationError("mode: odata or hs; odata is the standard interface of any configuration")


VENDOR = Vendor(
    name="one_c",
    title="1С:Предприятие",
    fields=(
        SettingField(
            "base_url", "Адрес опубликованной базы", "Address of the published base", help_ru="https://сервер/база"
        ),
        SettingField(
            "mode", "Способ: odata или hs", "Mode: odata or hs", required=False, default="odata",
            help_ru="hs — если у вас «Фитнес клуб»/«Салон красоты» со службой hs/api/v3, иначе odata",
        ),
        SettingField("login", "Пользователь 1С", "1C user", help_ru="заведите для AI-Admin отдельного"),
        SettingField("password", "Пароль пользователя 1С", "Password of the 1C user", secret=True, required=False),
        SettingField(
            "profile", "Профиль базы (JSON)", "Mapping profile (JSON)", required=False,
            help_ru="odata: пусто — предложим сами по метаданным, см. проверку связи",
        ),
        SettingField(
            "sessions", "Держать сеанс 1С открытым (yes/no)", "Keep 1C sessions (yes/no)", required=False,
            default="yes", help_ru="odata: экономит лицензии и секунды",
        ),
        SettingField("club_id", "Филиал (club_id)", "Club id", required=False, help_ru="hs: пусто, если филиал один"),
        SettingField("apikey", "Ключ apikey филиала", "apikey of the club", secret=True, required=False, help_ru="hs"),
        SettingField(
            "sign_key", "Секрет подписи клиента", "Signing secret", secret=True, required=False,
            help_ru="hs: для pass_token без СМС",
        ),
    ),
    build=build,
    keeps_time=False,
    note_ru="odata: график и свободное время ведём мы, запись в 1С — документ. hs: услуги, мастеров и время знает 1С, "
    "но пожелания к записи она не хранит, а перенос — новая запись и отмена прежней.",
    setup_ru=(
        "Опубликуйте базу на веб-сервере со стандартным интерфейсом OData (в облаке 1С:Фреш он есть сразу).",
        "В 1С: Администрирование → Синхронизация данных → «Настройка автоматического REST-сервиса»: отметьте "
        "справочники клиентов, сотрудников, номенклатуры и документ записи.",
        "Заведите пользователя для AI-Admin: чтение этих справочников, запись клиентов и документа записи.",
        "Введите адрес базы, логин и пароль и запустите проверку: она предложит профиль. Посмотрите, те ли справочники "
        "и документ найдены, поправьте при нужде и сохраните его в настройке profile.",
        "Если имена мастеров и услуг в 1С другие, сопоставьте их в файле --map значениями Ref_Key.",
        "Запустите `ai-admin crm check`: проверка запишет тестового клиента и запись и пометит их на удаление.",
        "Для службы hs/api/v3 вместо этого: mode=hs, ключ apikey филиала и секрет подписи из раздела API программы.",
    ),
)  # fmt: skip
