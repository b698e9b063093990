"""1C:Enterprise. A platform, not one CRM: every base has its own names, so the connection carries a profile.

Two ways: the standard OData interface of any configuration (hours and free time are ours), and the HTTP service
`hs/api/v3` of the fitness and beauty line, which has services, masters, free time and booking of its own.
"""

from core.errors import ConfigurationError
from crm.adapters.one_c import ledger
from crm.vendor.adapter import AdapterTools, Connection, SettingField, Vendor, VendorCrm


def build(connection: Connection, tools: AdapterTools) -> VendorCrm:
    """Raises ConfigurationError for an unknown mode or a missing setting."""
    mode = connection.setting("mode", "odata")
    if mode == "odata":
        return ledger.build(connection, tools)
    raise ConfigurationError("mode: odata or hs; odata is the standard interface of any configuration")


VENDOR = Vendor(
    name="one_c",
    title="1С:Предприятие",
    fields=(
        SettingField("base_url", "Адрес опубликованной базы", "Address of the base", help_ru="https://сервер/база"),
        SettingField("login", "Пользователь 1С", "1C user", help_ru="заведите для AI-Admin отдельного"),
        SettingField("password", "Пароль пользователя 1С", "Password", secret=True),
    ),
    build=build,
    keeps_time=False,
)
