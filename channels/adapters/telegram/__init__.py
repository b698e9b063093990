"""Telegram by the Bot API (https://core.telegram.org/bots/api): a bot of the salon, also in a business account."""

import secrets

from agent.model import Channel
from channels.adapters.telegram.adapter import TelegramAdapter
from channels.adapters.telegram.wire import BASE_URL
from channels.ports import ChannelVendor
from core.forms import SettingField

CHANNEL = ChannelVendor(
    channel=Channel.TELEGRAM,
    title="Telegram",
    fields=(
        SettingField(
            "token", "Токен бота", "Bot token", secret=True, help_ru="@BotFather → /newbot или /mybots → API Token"
        ),
        SettingField(
            "mode",
            "Как приходят сообщения",
            "How messages arrive",
            required=False,
            help_ru="webhook: Telegram сам обращается к нам (нужен внешний HTTPS-адрес); poll: спрашиваем мы; пусто: "
            "webhook, если внешний адрес есть",
        ),
        SettingField("base_url", "Адрес API", "API address", required=False, default=BASE_URL),
    ),
    build=TelegramAdapter,
    foreign=True,
    note_ru=(
        "Telegram в России работает с перебоями: пусть он не будет единственным каналом. Бот не может написать первым: "
        "клиент сначала нажимает «Начать». О доставке и прочтении Telegram ботам не сообщает."
    ),
    setup_ru=(
        "Откройте в Telegram @BotFather, отправьте /newbot, дайте боту имя салона и адрес, который кончается на bot.",
        "Скопируйте токен из ответа: он нужен один раз, при подключении.",
        "Подключите и поставьте ссылку https://t.me/<адрес бота> на сайт, в карты и на визитки.",
        "Чтобы бот отвечал в личном бизнес-аккаунте салона: @BotFather → /mybots → Bot Settings → Business Mode, затем "
        "в Telegram: Настройки → Telegram для бизнеса → Чат-боты.",
    ),
    inbound_secret=lambda: {"webhook_secret": secrets.token_urlsafe(32)},
)
