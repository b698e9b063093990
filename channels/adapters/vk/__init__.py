"""VK: messages of a community (https://dev.vk.com/ru/api/community-messages/getting-started)."""

import secrets

from agent.model import Channel
from channels.adapters.vk.adapter import VkAdapter
from channels.adapters.vk.wire import BASE_URL
from channels.ports import ChannelVendor
from core.forms import SettingField

CHANNEL = ChannelVendor(
    channel=Channel.VK,
    title="ВКонтакте",
    fields=(
        SettingField(
            "token",
            "Ключ доступа сообщества",
            "Community access key",
            secret=True,
            help_ru="Управление → Работа с API → Ключи доступа: управление, сообщения, документы, фотографии",
        ),
        SettingField(
            "group_id", "Номер сообщества", "Community id", help_ru="цифры из адреса club… или из «Работа с API»"
        ),
        SettingField(
            "mode",
            "Как приходят сообщения",
            "How messages arrive",
            required=False,
            help_ru="webhook: ВКонтакте обращается к нам (нужен внешний адрес); poll: спрашиваем мы; пусто: webhook, "
            "если внешний адрес есть",
        ),
        SettingField(
            "confirmation",
            "Строка подтверждения",
            "Confirmation string",
            required=False,
            help_ru="только если сервер уведомлений добавлен в настройках сообщества вручную",
        ),
        SettingField("base_url", "Адрес API", "API address", required=False, default=BASE_URL),
    ),
    build=VkAdapter,
    note_ru=(
        "Сообщество может писать только тем, кто написал ему или разрешил сообщения. Кнопки видны, если включены "
        "«Возможности ботов». Номер телефона ВКонтакте не сообщает: клиент пишет его словами."
    ),
    setup_ru=(
        "Включите сообщения сообщества: Управление → Сообщения → «Включены», затем «Настройки для бота» → «Возможности "
        "ботов: включены».",
        "Управление → Работа с API → Ключи доступа → «Создать ключ»: управление сообществом, сообщения, документы, "
        "фотографии.",
        "Там же посмотрите номер сообщества.",
        "Подключите: сервер уведомлений и типы событий добавим сами.",
    ),
    inbound_secret=lambda: {"callback_secret": secrets.token_hex(20)},
)
