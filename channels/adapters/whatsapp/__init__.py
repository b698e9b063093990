"""WhatsApp Cloud API: https://developers.facebook.com/documentation/business-messaging/whatsapp."""

import secrets

from agent.model import Channel
from channels.adapters.whatsapp.adapter import WhatsappAdapter
from channels.adapters.whatsapp.wire import BASE_URL, VERSION
from channels.ports import ChannelVendor
from core.forms import SettingField

CHANNEL = ChannelVendor(
    channel=Channel.WHATSAPP,
    title="WhatsApp",
    fields=(
        SettingField(
            "phone_number_id",
            "ID номера телефона",
            "Phone number ID",
            help_ru="developers.facebook.com → ваше приложение → WhatsApp → API Setup: Phone number ID, не сам номер",
        ),
        SettingField(
            "waba_id",
            "ID аккаунта WhatsApp Business",
            "WhatsApp Business Account ID",
            help_ru="там же, рядом с ID номера",
        ),
        SettingField(
            "access_token",
            "Постоянный токен доступа",
            "Access token",
            secret=True,
            help_ru="Business Manager → Пользователи → Системные пользователи → Сгенерировать токен, без срока",
        ),
        SettingField(
            "app_secret",
            "Секрет приложения",
            "App secret",
            secret=True,
            help_ru="developers.facebook.com → приложение → Settings → Basic → App secret",
        ),
        SettingField(
            "app_id",
            "ID приложения",
            "App ID",
            required=False,
            help_ru="если указать, адрес вебхука впишем в приложение сами; иначе впишите вручную",
        ),
        SettingField(
            "verify_token",
            "Проверочный токен вебхука",
            "Verify token",
            secret=True,
            required=False,
            help_ru="создаётся сам; его вписывают в приложение Meta рядом с адресом вебхука",
        ),
        SettingField(
            "pin",
            "PIN двухэтапной проверки",
            "Two-step verification PIN",
            secret=True,
            required=False,
            help_ru="шесть цифр; нужен, если номер ещё не зарегистрирован в Cloud API",
        ),
        SettingField(
            "template_language",
            "Язык шаблонов",
            "Template language",
            required=False,
            default="ru",
            help_ru="как он выбран у шаблонов в WhatsApp Manager: ru, en_US",
        ),
        SettingField("graph_version", "Версия Graph API", "Graph API version", required=False, default=VERSION),
        SettingField("base_url", "Адрес API", "API address", required=False, default=BASE_URL),
    ),
    build=WhatsappAdapter,
    foreign=True,
    note_ru=(
        "Владелец WhatsApp, компания Meta, признана в России экстремистской организацией, её деятельность запрещена, а "
        "сам WhatsApp с конца 2025 года шаг за шагом блокируют. Сообщения идут через серверы за границей. Не делайте "
        "WhatsApp единственным каналом и посоветуйтесь с юристом; рядом подключите MAX, ВКонтакте или телефон. "
        "После 24 часов молчания клиента WhatsApp пускает только одобренные шаблоны, их доставка платная."
    ),
    setup_ru=(
        "Создайте портфолио компании на business.facebook.com и пройдите подтверждение компании.",
        "На developers.facebook.com создайте приложение типа «Бизнес» и добавьте в него продукт WhatsApp.",
        "Добавьте номер телефона и подтвердите его кодом из СМС или звонка.",
        "Создайте системного пользователя с правами whatsapp_business_messaging и whatsapp_business_management и "
        "выпустите ему постоянный токен.",
        "Скопируйте Phone number ID, WhatsApp Business Account ID, App ID и App secret, введите их здесь и подключите.",
        "Если App ID не указан: App Dashboard → WhatsApp → Configuration: впишите адрес вебхука и проверочный токен, "
        "подпишитесь на поле messages.",
        "Подробно: docs/channels/whatsapp.md.",
    ),
    inbound_secret=lambda: {"verify_token": secrets.token_urlsafe(24)},
)
