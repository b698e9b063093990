"""Viber: the REST Bot API, https://developers.viber.com/docs/api/rest-bot-api/."""

from agent.model import Channel
from channels.adapters.viber.adapter import ViberAdapter
from channels.adapters.viber.wire import BASE_URL, SENDER
from channels.ports import ChannelVendor
from core.forms import SettingField

CHANNEL = ChannelVendor(
    channel=Channel.VIBER,
    title="Viber",
    fields=(
        SettingField(
            "token",
            "Токен бота",
            "Bot token",
            secret=True,
            help_ru="в кабинете партнёра Viber или на partners.viber.com → бот → Token",
        ),
        SettingField(
            "sender_name",
            "Имя отправителя",
            "Sender name",
            required=False,
            default=SENDER,
            help_ru="видно над каждым сообщением, до 28 знаков: имя салона",
        ),
        SettingField("base_url", "Адрес API", "API address", required=False, default=BASE_URL),
    ),
    build=ViberAdapter,
    foreign=True,
    note_ru=(
        "Viber в России ограничен с декабря 2024 года, сообщения идут через серверы за границей: пусть он не будет "
        "единственным каналом. С февраля 2024 года новые боты заводят только по договору с партнёром Viber, за "
        "ежемесячную плату. Писать можно тем, кто подписался на бота; вне суток после сообщения клиента бесплатных "
        "сообщений 10 000 в месяц. Голосовых сообщений Viber ботам не передаёт."
    ),
    setup_ru=(
        "Заключите договор с официальным партнёром Viber и получите бота (чат-бот Viber for Business).",
        "Скопируйте токен бота из кабинета партнёра или с partners.viber.com.",
        "Подключите: сервер уже должен отвечать снаружи по https с сертификатом доверенного центра.",
        "Поставьте ссылку viber://pa?chatURI=<имя бота> на сайт и визитки.",
        "Подробно: docs/channels/viber.md.",
    ),
)
