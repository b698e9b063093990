"""The mixture of texts that the recogniser learns from, and which of them are kept for tests."""

import random
import zlib
from collections.abc import Sequence
from pathlib import Path

from media_models.training.natural import NaturalText, read_lines, spoken_date, spoken_phone, spoken_time
from media_models.training.vocabulary import label, random_string, word_forms

_NAMES = """анна мария елена ольга наталья светлана ирина татьяна екатерина юлия анастасия дарья виктория ксения алина полина софия
вероника валерия кристина маргарита людмила галина нина лариса надежда вера любовь диана карина яна жанна инна алла оксана
марина снежана тамара рита соня лена катя маша оля света наташа аня таня юля даша александр алексей андрей антон артем борис
вадим виктор владимир григорий даниил денис дмитрий егор иван игорь илья кирилл константин максим марк михаил никита николай
олег павел петр роман сергей станислав степан тимофей тимур федор юрий ярослав артур эдуард рустам глеб миша саша женя ваня"""
_SURNAMES = """иванова петров сидорова кузнецов смирнова попов соколова лебедев козлова новиков морозова волков соловьева зайцев павлова
семенов голубева виноградов богданова воробьев федорова михайлов беляева тарасов белова комаров орлова киселев макарова андреев
ковалева ильин гусева титов кузьмина кудрявцев баранова куликов алексеева степанов яковлева сорокин сергеева романов захарова
борисов королева герасимов пономарева григорьев лазарева медведев ершова никитин соболева рябов полякова цветков данилова жуков"""
_STAFF_DATIVE = "к анне к марии к игорю к ольге к светлане к вере к елене к сергею к алексею к дмитрию к наташе к кате к любому мастеру"
_SERVICES = (
    "на мужскую стрижку", "на женскую стрижку", "на детскую стрижку", "на стрижку бороды", "на стрижку и укладку", "на укладку",
    "на маникюр", "на маникюр с гель лаком", "на маникюр без покрытия", "на педикюр", "на педикюр с гель лаком",
    "на снятие и маникюр", "на окрашивание корней", "на сложное окрашивание", "на консультацию по окрашиванию",
    "на коррекцию бровей", "на коррекцию и окрашивание бровей", "на чистку лица", "на пилинг", "на массаж лица",
    "на ламинирование ресниц", "на наращивание ресниц", "на мелирование", "на тонирование", "на балаяж", "на кератин", "на шугаринг",
)  # fmt: skip
_OPENERS = (
    "",
    "здравствуйте ",
    "добрый день ",
    "алло здравствуйте ",
    "добрый вечер ",
    "девушка ",
    "ну ",
    "а ",
    "слушайте ",
)
_ASKS = (
    "запишите меня пожалуйста", "хочу записаться", "можно записаться", "мне бы записаться", "запишите", "я хотела бы записаться",
    "я хотел бы записаться", "мне надо", "хочу", "есть свободное время", "давайте", "можно меня записать",
)  # fmt: skip
_SHORT = (
    "да", "нет", "ага", "угу", "да верно", "да все верно", "да подходит", "хорошо", "давайте", "давайте на это время", "нет спасибо",
    "первое", "второе", "первое время", "конечно", "не надо", "да этот", "этот номер", "спасибо", "спасибо до свидания",
    "до свидания", "всего доброго", "алло", "повторите пожалуйста", "что", "не расслышал", "да конечно", "нет другое время",
    "соедините с администратором", "позовите человека", "отмените запись", "перенесите запись", "сколько стоит", "где вы находитесь",
)  # fmt: skip
TEST_SHARE = 20
"""Every n-th text by hash is never trained on."""


def is_test_text(text: str) -> bool:
    return zlib.crc32(label(text).encode()) % TEST_SHARE == 0


class TextMixture:
    """Draws training texts: natural lines varied, salon requests, short answers, phones, the agent's own phrases, word strings."""

    def __init__(self, lines_folder: Path, agent_lines: Sequence[str]) -> None:
        lines = read_lines(lines_folder)
        self.held_out = [line.text for line in lines if is_test_text(line.text)]
        kept = [line for line in lines if not is_test_text(line.text)]
        self._natural = NaturalText(kept)
        self._agent = [text for text in (label(line) for line in agent_lines) if text and not is_test_text(text)]
        running = [line.text for line in kept]
        self._frequent = [word for text in running + self._agent for word in text.split()]
        self._forms = word_forms(running + self._agent + [_NAMES, _SURNAMES])
        self._names, self._surnames = _NAMES.split(), _SURNAMES.split()

    def sample(self, rng: random.Random) -> str:
        kind = rng.random()
        if kind < 0.48:
            return self._natural.sample(rng)
        if kind < 0.64:
            return self._request(rng)
        if kind < 0.70:
            return rng.choice(_SHORT)
        if kind < 0.75:
            return rng.choice(("", "мой номер ", "телефон ", "запишите ")) + spoken_phone(rng)
        if kind < 0.79:
            name = rng.choice(self._names)
            return rng.choice((name, f"меня зовут {name}", f"{name} {rng.choice(self._surnames)}", f"это {name}"))
        if kind < 0.88 and self._agent:
            return rng.choice(self._agent)
        return random_string(rng, self._forms, self._frequent)

    def _request(self, rng: random.Random) -> str:
        facts = [rng.choice(_SERVICES)]
        if rng.random() < 0.5:
            facts.append("к " + rng.choice(_STAFF_DATIVE.split(" к ")).removeprefix("к "))
        if rng.random() < 0.75:
            facts.append(spoken_date(rng))
        if rng.random() < 0.65:
            facts.append(spoken_time(rng))
        rng.shuffle(facts)
        ask = rng.choice(_ASKS) + " " if rng.random() < 0.75 else ""
        words = (rng.choice(_OPENERS) + ask + " ".join(facts)).split()
        if rng.random() < 0.15 and len(words) > 3:
            words = words[: rng.randint(2, len(words) - 1)]
        return " ".join(words)
