"""Playing a client by hand: what is typed is said to the salon, what the salon answers is shown."""

import asyncio
import contextlib
import shlex
import signal
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from tests.simulators.channel.base import ChannelSimulatorBase
from tests.simulators.channel.courier import Courier
from tests.simulators.channel.protocol import ANNA, Client, Received
from tests.simulators.channel.voice import spoken
from tests.simulators.vendor.serving import served

Show = Callable[[str], None]

HELP = """строка             сказать это салону
/press ТЕКСТ       нажать кнопку (достаточно начала надписи)
/voice ФАЙЛ        голосовое сообщение (Ogg/Opus)
/say ТЕКСТ         голосовое сообщение: эти слова произнесёт espeak-ng
/photo ФАЙЛ…       фото, несколько — альбомом
/contact           отправить свой номер
/start [ПАРАМЕТР]  начать по ссылке
/edit ТЕКСТ        исправить своё последнее сообщение
/delete            удалить его
/block, /unblock   остановить бота, вернуть
/staff ТЕКСТ       ответить клиенту от имени человека в салоне
/as ИМЯ            писать от имени другого клиента (anna, boris)
/hook АДРЕС        куда слать уведомления (если их не ставит само подключение)
/help, /quit"""


class Player:
    """One line in, one effect; pure but for the simulator."""

    def __init__(self, sim: ChannelSimulatorBase, show: Show) -> None:
        self._sim = sim
        self._show = show
        self._client: Client = ANNA
        self._last = ""
        self._shown: dict[str, int] = {}

    def show_answers(self) -> None:
        """What came since last asked."""
        for key, client in self._sim.clients.items():
            messages = self._sim.received(client)
            for message in messages[self._shown.get(key, 0) :]:
                self._show(described(message, client if client is not self._client else None))
            self._shown[key] = len(messages)

    def play(self, line: str) -> bool:
        """False: the game is over."""
        line = line.strip()
        if not line.startswith("/"):
            if line:
                self._last = self._sim.says(line, self._client)
            return True
        command, _, rest = line.partition(" ")
        rest = rest.strip()
        if command == "/quit":
            return False
        try:
            if not self._do(command, rest):
                self._show("· у этого мессенджера такого нет")
        except (OSError, LookupError, ValueError) as error:
            self._show(f"· {error}")
        return True

    def _do(self, command: str, rest: str) -> bool:
        sim, client = self._sim, self._client
        match command:
            case "/press":
                self._press(rest)
            case "/voice":
                return self._said(sim.speaks(Path(rest).read_bytes(), client))
            case "/photo":
                images = [Path(name).read_bytes() for name in shlex.split(rest)]
                return self._said(sim.shows(images, client))
            case "/contact":
                return self._said(sim.shares_contact(client))
            case "/start":
                return self._said(sim.says(rest, client, start=True))
            case "/edit":
                return sim.edits(self._last, rest, client)
            case "/delete":
                return sim.deletes(self._last, client)
            case "/block":
                return sim.blocks(client)
            case "/unblock":
                return sim.unblocks(client)
            case "/staff":
                return sim.staff_says(rest, client)
            case "/as":
                if rest not in sim.clients:
                    raise LookupError(f"нет такого клиента, есть {', '.join(sim.clients)}")
                self._client = sim.clients[rest]
            case "/hook":
                sim.hook = rest
                sim.changed.set()
            case _:
                self._show(HELP)
        return True

    def _said(self, message_id: str | None) -> bool:
        self._last = message_id or self._last
        return message_id is not None

    def _press(self, label: str) -> None:
        for message in reversed(self._sim.received(self._client)):
            for button in message.buttons:
                if button.casefold().startswith(label.casefold()):
                    self._sim.presses(button, self._client)
                    return
        raise LookupError(f"кнопки {label!r} не было")


def described(message: Received, client: Client | None = None) -> str:
    """One message as lines: «…», [buttons], sound."""
    to = f"(→ {client.name}) " if client else ""
    lines = [f"{to}{line}" for line in message.text.splitlines()] or [to]
    if message.voice is not None:
        lines.append(f"🔊 голосовое, {len(message.voice)} байт")
    if message.asks_phone:
        lines.append("[отправить номер: /contact]")
    if message.buttons:
        lines.append(" ".join(f"[{label}]" for label in message.buttons))
    return "\n".join(f"  ‹ {line}" for line in lines)


def connect_command(sim: ChannelSimulatorBase, base_url: str) -> str:
    """What to type in another terminal. The keys are of this run of the simulator and open nothing else."""
    settings, secrets = sim.settings(base_url)
    environment = ["AI_ADMIN_OUTBOUND_PRIVATE_HOSTS=127.0.0.1"]
    environment += [f"AI_ADMIN_CHANNEL_{name.upper()}={shlex.quote(value)}" for name, value in secrets.items()]
    options = " ".join(f"--setting {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
    return f"{' '.join(environment)} ai-admin channels connect {sim.name} {options}".rstrip()


async def played(sim: ChannelSimulatorBase, port: int) -> None:
    """Until /quit, the end of the input, or a signal."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def show(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    player, courier = Player(sim, show), Courier(sim)
    async with served(sim.app, port) as url, sim.open(url):
        show(f"{sim.name}: {url}  (/help — что можно, /quit — конец)")
        show("сервер должен быть запущен с AI_ADMIN_OUTBOUND_PRIVATE_HOSTS=127.0.0.1; подключить салон:")
        show(f"  {connect_command(sim, url)}")
        show("с сервером на этой же машине добавьте --public-url http://127.0.0.1:ПОРТ, без него бот опрашивается")
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(courier.run(), name="courier"),
                group.create_task(_watched(player, courier, show), name="answers"),
                group.create_task(_typed(player, stop), name="typed"),
            ]
            await stop.wait()
            player.show_answers()
            for task in tasks:
                task.cancel()


async def _watched(player: Player, courier: Courier, show: Show) -> None:
    failed = 0
    while True:
        player.show_answers()
        for attempt in courier.attempts[failed:]:
            if not attempt.accepted:
                show(f"· уведомление не принято: {attempt.status or 'нет ответа'}")
        failed = len(courier.attempts)
        await asyncio.sleep(0.1)


async def _typed(player: Player, stop: asyncio.Event) -> None:
    async with contextlib.aclosing(_lines()) as lines:
        async for line in lines:
            if line.startswith("/say "):
                line = f"/voice {await _spoken_file(line.removeprefix('/say ').strip())}"
            if not player.play(line):
                break
    stop.set()


async def _spoken_file(text: str) -> Path:
    path = Path(tempfile.mkdtemp(prefix="simulate-")) / "note.ogg"
    path.write_bytes(await spoken(text))
    return path


async def _lines() -> AsyncIterator[str]:
    """Standard input line by line: read by a thread, since files and terminals cannot be awaited alike."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(queue.put_nowait, line)
        with contextlib.suppress(RuntimeError):  # the loop has ended before the input
            loop.call_soon_threadsafe(queue.put_nowait, None)

    threading.Thread(target=read, name="typed lines", daemon=True).start()
    while (line := await queue.get()) is not None:
        yield line
