"""A small salon and a listener that is told what each line means: for tests of the agent without files or models."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from agent.model import (
    Channel,
    Conversation,
    EndCall,
    Handoff,
    NeedsCommit,
    ReplyEvent,
    Say,
    Speaker,
    StateChanged,
    ToolCall,
    Turn,
    TurnKind,
    Utterance,
)
from agent.service import BookingAgent
from agent.understanding import Context, DayWish, Intent, Lexicon, ServiceMention, StaffMention, TimeWish, Understood
from core.clock import FrozenClock
from core.ids import CompanyId, new_conversation_id
from core.money import Money
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.model import (
    Client,
    ClientId,
    Price,
    SalonProfile,
    Service,
    ServiceId,
    Staff,
    StaffId,
    StaffOffer,
    VariantKind,
)
from tests.simulators.memory_crm import Hours, MemorySalon

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
"""Tuesday, 11:00 in Moscow."""
TOMORROW = date(2026, 12, 2)
KNOWN = Phone("+79000000101")
STRANGER = Phone("+79000000999")


def service(key: str, name: str, minutes: int, prices: dict[str, int], **more: object) -> Service:
    length = timedelta(minutes=minutes)
    offers = tuple(StaffOffer(StaffId(s), Price(Money.roubles(p)), length) for s, p in prices.items())
    return Service(ServiceId(key), name, length, offers, **more)  # type: ignore[arg-type]


def small_salon(clock: FrozenClock) -> MemorySalon:
    profile = SalonProfile(
        "Роса", "Europe/Moscow", address="Тверь, ул. Лесная, 3", parking="во дворе", transfer_to=Phone("+79000000001"),
        payment=("карта",),
    )  # fmt: skip
    services = [
        service("men", "Мужская стрижка", 45, {"igor": 1800, "maria": 1800}),
        service("women", "Женская стрижка", 60, {"maria": 2500, "anna": 3500}),
        service("women_long", "Женская стрижка, длинные волосы", 75, {"maria": 2900, "anna": 3900},
                variant_of=ServiceId("women"), variant_kind=VariantKind.HAIR_LENGTH),
        service("child", "Детская стрижка", 30, {"igor": 1200, "maria": 1200}, variant_of=ServiceId("men"),
                variant_kind=VariantKind.AGE, max_age=10),
        service("beard", "Стрижка бороды", 30, {"igor": 1000}),
        service("nails", "Маникюр с гель-лаком", 90, {"olga": 2300}),
    ]  # fmt: skip
    staff = [
        Staff(StaffId("igor"), "Игорь Сафин", "барбер", 5),
        Staff(StaffId("maria"), "Мария Крылова", "парикмахер", 3),
        Staff(StaffId("anna"), "Анна Белова", "топ-стилист"),
        Staff(StaffId("olga"), "Ольга Ким", "маникюр"),
    ]
    every_day = Hours((1, 2, 3, 4, 5, 6, 7), time(10), time(20))
    salon = MemorySalon(clock, profile, services, staff, {member.id: every_day for member in staff})
    salon.clients[ClientId("C1")] = Client(ClientId("C1"), "Ирина Павлова", KNOWN)
    return salon


@dataclass
class ToldUnderstander:
    """Answers what the test said the line means; an untold line is a mistake of the test."""

    told: dict[str, Understood] = field(default_factory=dict)

    def means(self, text: str, *intents: Intent, **facts: object) -> None:
        self.told[text] = Understood(text, str(facts.pop("language", "ru")), intents, **facts)  # type: ignore[arg-type]

    def understand(self, turn: Turn, lexicon: Lexicon, context: Context) -> Understood:
        return self.told[turn.text]


def usual_words() -> ToldUnderstander:
    listener = ToldUnderstander()
    listener.means("да", Intent.AFFIRM)
    listener.means("нет", Intent.DENY)
    listener.means("спасибо, до свидания", Intent.THANKS, Intent.BYE)
    listener.means("Сергей", Intent.GIVE_NAME, name="Сергей")
    listener.means(
        "к Игорю завтра в час", Intent.BOOK, services=(wants("мужскую стрижку", "men"),), staff=(names("igor"),),
        day=on(TOMORROW), time=TimeWish(at=time(13)),
    )  # fmt: skip
    return listener


def wants(phrase: str, *ids: str, negated: bool = False) -> ServiceMention:
    return ServiceMention(phrase, tuple(ServiceId(i) for i in ids), negated)


def names(*ids: str, only: bool = False) -> StaffMention:
    return StaffMention("мастер", tuple(StaffId(i) for i in ids), only=only)


def on(day: date) -> DayWish:
    return DayWish(day, day, "день")


class Table:
    """Holds one conversation with the agent as voice would, and keeps what came out."""

    def __init__(
        self, agent: BookingAgent, clock: FrozenClock, caller: Phone | None = STRANGER, channel: Channel = Channel.PHONE
    ) -> None:
        self.agent = agent
        self.clock = clock
        scope = CompanyScope(CompanyId(UUID(int=1)))
        self.conversation = Conversation(new_conversation_id(), scope, channel, caller, clock.now())
        self.events: list[ReplyEvent] = []

    async def start(self) -> str:
        return await self.turn(TurnKind.START)

    async def says(self, text: str) -> str:
        return await self.turn(TurnKind.WORDS, text)

    async def turn(self, kind: TurnKind, text: str = "", *, provisional: bool = False, silences: int = 0) -> str:
        history = self.conversation.history
        if text:
            history = (*history, Utterance(Speaker.CALLER, text, self.clock.now()))
        turn = Turn(kind, self.clock.now(), text, provisional, silences)
        self.events = [event async for event in self.agent.reply(replace(self.conversation, history=history), turn)]
        said = " ".join(event.text for event in self.events if isinstance(event, Say))
        if provisional:
            return said
        if said:
            history = (*history, Utterance(Speaker.AGENT, said, self.clock.now()))
        state = next((e.state for e in self.events if isinstance(e, StateChanged)), self.conversation.state)
        self.conversation = replace(self.conversation, history=history, state=state)
        return said

    def cut_last(self, heard: str) -> None:
        """The caller interrupted: only this much of the last line was heard."""
        *before, last = self.conversation.history
        self.conversation = replace(self.conversation, history=(*before, replace(last, text=heard, cut=True)))

    @property
    def tools(self) -> list[str]:
        return [event.name for event in self.events if isinstance(event, ToolCall)]

    def has(self, kind: type[Handoff] | type[EndCall] | type[NeedsCommit]) -> bool:
        return any(isinstance(event, kind) for event in self.events)
