"""MAX, the Russian national messenger: Bot API, https://dev.max.ru/docs-api."""

import secrets

from agent.model import Channel
from channels.adapters.max.adapter import MaxAdapter
from channels.adapters.max.wire import BASE_URL
from channels.ports import ChannelVendor
from core.forms import SettingField

CHANNEL = ChannelVendor(
    channel=Channel.MAX,
    title="MAX",
    fields=(
        SettingField(
            "token",
            "Токен бота",
            "Bot token",
            secret=True,
            help_ru="business.max.ru → Чат-боты → ваш бот → Интеграция → Получить токен",
        ),
        SettingField(
            "mode",
            "Как приходят сообщения",
            "How messages arrive",
            required=False,
            default="webhook",
            help_ru="webhook: MAX сам обращается к нам (внешний HTTPS-адрес, порт 443); poll: спрашиваем мы, для пробы",
        ),
        SettingField(
            "base_url",
            "Адрес API",
            "API address",
            required=False,
            default=BASE_URL,
            help_ru="меняйте, если MAX объявит о новом адресе: он уже менялся",
        ),
    ),
    build=MaxAdapter,
    note_ru=(
        "Бота в MAX может завести только юридическое лицо или предприниматель, подтверждённые на business.max.ru. "
        "Бот не пишет первым: клиент сначала нажимает «Начать». О доставке и прочтении MAX ботам не сообщает. "
        "Если наш сервер не отвечает восемь часов, MAX отписывает бота: подключите его заново."
    ),
    setup_ru=(
        "Зарегистрируйте и подтвердите компанию на business.max.ru.",
        "Создайте там чат-бота салона и дождитесь проверки.",
        "Откройте бота → «Интеграция» и скопируйте токен.",
        "Подключите и поставьте ссылку https://max.ru/<имя бота> на сайт, в карты и на визитки.",
        "Подробно: docs/channels/max.md.",
    ),
    inbound_secret=lambda: {"webhook_secret": secrets.token_urlsafe(32)},
)
