"""Requests as callers put them: a service and a name in the case that the phrase demands, fillers, self-corrections.

The grammar draws its order freely, since callers do: «завтра бы к Анне, э-э, на укладку, нет, лучше на стрижку».
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pymorphy3  # type: ignore[import-untyped]
import yaml

from media_models.training.natural import spoken_date, spoken_number, spoken_phone, spoken_time
from media_models.training.vocabulary import label

_CASES = ("nomn", "gent", "datv", "accs", "ablt", "loct")


def inflected(analyser: Any, phrase: str, case: str) -> str:
    """The phrase with its head noun and the adjectives before it in another case; what follows the head stays."""
    words, out = phrase.split(), []
    for number, word in enumerate(words):
        parses = [p for p in analyser.parse(word) if "nomn" in p.tag and p.tag.POS in ("NOUN", "ADJF")]
        if not parses:
            out += words[number:]
            break
        parse = parses[0]
        wanted = {case}
        if case == "accs" and parse.tag.POS == "ADJF" and "masc" in parse.tag:
            wanted = {"nomn"}
        form = parse.inflect(wanted)
        out.append(form.word if form else word)
        if parse.tag.POS == "NOUN":
            out += words[number + 1 :]
            break
    return " ".join(out)


class Phrases:
    """Draws whole requests, names, addresses and sums."""

    def __init__(self, words: dict[str, Any]) -> None:
        path = Path(__file__).with_name("phrases.yaml")
        self._lists: dict[str, list[str]] = yaml.safe_load(path.read_text(encoding="utf-8"))
        analyser = pymorphy3.MorphAnalyzer()
        self._services = {
            case: [label(inflected(analyser, phrase, case)) for phrase in self._lists["services"]] for case in _CASES
        }
        names = [*words["names"].split(), *words["more_names"].split()]
        self._names = {case: [label(inflected(analyser, name, case)) for name in names] for case in _CASES}
        self._surnames = words["surnames"].split()
        self._patronymics = words["patronymics"].split()
        self._streets = [label(name) for name in words["streets"].split("|")]
        self._brands = [label(name) for name in words["brands"].split("|")]

    def words(self) -> Sequence[str]:
        """Every phrase that the grammar may use, for the vocabulary."""
        inflections = [text for forms in (*self._services.values(), *self._names.values()) for text in forms]
        return [*inflections, *self._surnames, *self._patronymics, *self._streets, *self._brands]

    def request(self, rng: random.Random) -> str:
        """A request with one to four facts in any order."""
        parts = [self._ask(rng)]
        if rng.random() < 0.35:
            parts.append(self.whom(rng))
        if rng.random() < 0.6:
            parts.append(self._maybe_corrected(spoken_date, rng))
        if rng.random() < 0.5:
            parts.append(self._maybe_corrected(spoken_time, rng))
        if rng.random() < 0.3:
            rng.shuffle(parts)
        if rng.random() < 0.35:
            parts.insert(0, rng.choice(self._lists["openers"]))
        if rng.random() < 0.2:
            parts.append(rng.choice(self._lists["endings"]))
        return " ".join(parts)

    def service(self, rng: random.Random, case: str) -> str:
        service = rng.choice(self._services[case])
        draw = rng.random()
        if draw < 0.1:
            return f"{service} и {rng.choice(self._services[case])}"
        if draw < 0.16:
            return f"{service} {rng.choice(self._lists['corrections'])} {rng.choice(self._services[case])}"
        return service

    def whom(self, rng: random.Random) -> str:
        case, form = rng.choice(
            (
                ("datv", "к {}"), ("datv", "к {}"), ("datv", "только к {}"), ("datv", "можно к {}"),
                ("gent", "у {}"), ("gent", "а у {} есть"), ("ablt", "с {}"), ("accs", "на {}"), ("nomn", "{} работает"),
                ("nomn", "пусть {} сделает"), ("gent", "кроме {}"), ("loct", "о {}"), ("nomn", "мастер {}"),
            )
        )  # fmt: skip
        return form.format(rng.choice(self._names[case]))

    def introduction(self, rng: random.Random) -> str:
        name = rng.choice(self._names["nomn"])
        surname, patronymic = rng.choice(self._surnames), rng.choice(self._patronymics)
        return rng.choice(
            (
                name, name, f"меня зовут {name}", f"это {name}", f"{name} {surname}", f"{surname} {name}",
                f"{name} {patronymic}", f"запишите на имя {name}", f"я {name}", f"на {rng.choice(self._names['accs'])}",
                f"{surname} {name} {patronymic}", f"фамилия {surname}", f"для {rng.choice(self._names['gent'])}",
                f"это {name} вас беспокоит", f"имя {name} фамилия {surname}",
                f"не {name} а {rng.choice(self._names['nomn'])}",
            )
        )  # fmt: skip

    def place(self, rng: random.Random) -> str:
        street, house = rng.choice(self._streets), spoken_number(rng, 1, 180)
        return rng.choice(
            (
                f"улица {street} дом {house}", f"{street} {house}", f"вы на улице {street}", f"метро {street}",
                f"это рядом с метро {street}", f"я живу на {street} {house}", f"от {street} далеко ехать",
                f"у меня адрес {street} {house} квартира {spoken_number(rng, 1, 300)}", f"вы на {street} или на "
                f"{rng.choice(self._streets)}", f"стою на {street} где поворачивать", f"на {street} есть филиал",
                f"дом {house} корпус {spoken_number(rng, 1, 9)}", f"мы едем с {street} минут {house}",
            )
        )  # fmt: skip

    def brand(self, rng: random.Random) -> str:
        brand, service = rng.choice(self._brands), rng.choice(self._services["accs"])
        return rng.choice(
            (
                f"вы работаете на {brand}", f"у вас {brand} есть", f"краска {brand} или {rng.choice(self._brands)}",
                f"можно {service} на {brand}", f"я нашла вас через {brand}", f"у меня аллергия на {brand}", brand,
                f"напишите мне в {brand}", f"продаёте {brand}", f"мне всегда красили {brand}",
                f"шампунь {brand} сколько стоит", f"вы рядом с {brand}", f"хочу {brand} оттенок "
                f"{spoken_number(rng, 1, 12)}", f"в {brand} написано другое",
            )
        )  # fmt: skip

    def sums(self, rng: random.Random) -> str:
        """Prices, ages, lengths: numbers that are no times and no phones."""
        hundreds = spoken_number(rng, 3, 99) if rng.random() < 0.3 else spoken_number(rng, 300, 19_999)
        number = spoken_number(rng, 1, 120)
        return rng.choice(
            (
                f"{hundreds} рублей", f"это {hundreds} да", f"за {hundreds} рублей", f"мне {number} лет",
                f"ребёнку {number} лет", f"сантиметров {number}", f"минут {number}", f"через {number} минут",
                f"процентов {number} скидка", f"дороже {hundreds} не могу", f"в прошлый раз платила {hundreds}",
                f"нас {spoken_number(rng, 2, 9)} человек", f"карта номер {number} {spoken_number(rng, 1, 999)}",
                f"на сайте {hundreds} а вы говорите {spoken_number(rng, 300, 9999)}", number, hundreds,
                f"код {spoken_number(rng, 1, 9999)}",
            )
        )  # fmt: skip

    def phone(self, rng: random.Random) -> str:
        start = ("", "", "", "мой номер", "телефон", "запишите", "номер такой", "пишите", "так", "другой номер", "это")
        end = ("", "", "", "", "это мой номер", "да", "записали", "пожалуйста", "запишите", "всё верно")
        return f"{rng.choice(start)} {spoken_phone(rng)} {rng.choice(end)}".strip()

    def filled(self, text: str, rng: random.Random) -> str:
        """The text with one or two fillers between its words, or with a word said twice."""
        words = text.split()
        for _ in range(rng.choice((1, 1, 2))):
            at = rng.randint(0, len(words))
            if rng.random() < 0.25 and at < len(words):
                words.insert(at, words[at])
            else:
                words[at:at] = rng.choice(self._lists["fillers"]).split()
        return " ".join(words)

    def _ask(self, rng: random.Random) -> str:
        kind, case = rng.choice(
            (
                ("asks_accusative", "accs"), ("asks_accusative", "accs"), ("asks_accusative", "accs"),
                ("asks_bare", "accs"), ("asks_price", "nomn"), ("asks_genitive", "gent"),
            )
        )  # fmt: skip
        draw = rng.random()
        if draw < 0.12:
            return self.service(rng, "nomn")
        if draw < 0.18:
            return f"{rng.choice(('к', 'по', 'благодаря'))} {self.service(rng, 'datv')}"
        if draw < 0.24:
            return f"{rng.choice(('с', 'перед', 'вместе с', 'между'))} {self.service(rng, 'ablt')}"
        return f"{rng.choice(self._lists[kind])} {self.service(rng, case)}"

    def _maybe_corrected(self, draw: Any, rng: random.Random) -> str:
        said = str(draw(rng))
        if rng.random() < 0.12:
            return f"{said} {rng.choice(self._lists['corrections'])} {draw(rng)}"
        return said
