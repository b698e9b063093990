"""What the pipe itself says, where the agent has nothing to think about: a photo, a place on a map, a file."""

from channels.model import Kind

_RU = {
    "media": "Спасибо, {what}. Передам администратору, он посмотрит. {price}Подскажите словами, чем помочь?",
    "aside": "{what_cap}, передам администратору. {price}",
    Kind.IMAGE: "фото получено",
    Kind.VIDEO: "видео получено",
    Kind.FILE: "файл получен",
    Kind.AUDIO: "запись получена",
    Kind.LOCATION: "место на карте получено",
    Kind.CONTACT: "контакт получен",
    "price": "По фото цену не называю, только по прайс-листу. ",
    "yes": "Да",
    "no": "Нет",
}
_EN = {
    "media": "Thank you, {what}. I will pass it to the administrator. {price}How can I help, in words?",
    "aside": "{what_cap}, I will pass it to the administrator. {price}",
    Kind.IMAGE: "the photo has arrived",
    Kind.VIDEO: "the video has arrived",
    Kind.FILE: "the file has arrived",
    Kind.AUDIO: "the recording has arrived",
    Kind.LOCATION: "the place on the map has arrived",
    Kind.CONTACT: "the contact has arrived",
    "price": "I do not tell prices from a photo, only from the price list. ",
    "yes": "Yes",
    "no": "No",
}
SEEN_BY_STAFF = (Kind.IMAGE, Kind.VIDEO, Kind.FILE, Kind.AUDIO, Kind.LOCATION, Kind.CONTACT)
"""Kinds that only a person can look at, in the order in which one of them is named."""
YES_MARKS = frozenset("👍👌✅🆗💯")
NO_MARKS = frozenset("👎❌🚫")


def only_media(kind: Kind, language: str) -> str:
    """The whole answer to a message without words."""
    words = _of(language)
    price = words["price"] if kind in (Kind.IMAGE, Kind.VIDEO) else ""
    return words["media"].format(what=words[kind], price=price)


def media_aside(kind: Kind, language: str) -> str:
    """After the agent's answer to the words that came with it."""
    words = _of(language)
    what = words[kind]
    price = words["price"] if kind in (Kind.IMAGE, Kind.VIDEO) else ""
    return words["aside"].format(what_cap=what[0].upper() + what[1:], price=price).strip()


def yes_no(language: str) -> tuple[str, str]:
    words = _of(language)
    return words["yes"], words["no"]


def media_task(kind: Kind) -> str:
    """For the salon's staff."""
    return f"В переписке {_RU[kind]}: посмотрите и при необходимости ответьте клиенту."


LATE_TASK = "Сообщение клиента пришло с большим опозданием, помощник на него не отвечал: ответьте сами."
UNANSWERED_TASK = "Сообщение клиента осталось без ответа из-за сбоя: ответьте сами."
NOT_DELIVERED_TASK = "Ответ клиенту не доставлен: свяжитесь с ним другим способом."


def _of(language: str) -> dict[str, str]:
    return _EN if language.startswith("en") else _RU
