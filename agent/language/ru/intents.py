"""All intents of a turn, strongest first: sure phrases by rule, then the classifier, then hints and facts."""

from collections.abc import Mapping, Sequence

from agent.language.ru.classifier import load_classifier
from agent.language.ru.concepts import load_concepts
from agent.language.ru.cues import load_cues
from agent.language.ru.features import FeatureMaker
from agent.language.ru.intent_rules import load_rules
from agent.language.ru.morph import Morphology
from agent.language.text import Token
from agent.model import Expect
from agent.understanding import Context, Intent, Understood

SURE = 0.12
"""From this probability on the classifier's first choice counts beside the rules: six times chance among 53 intents. A
harmless guess that is wrong costs one question; none at all costs one too."""
LEADS = 0.5
"""From here on the guess goes before a yes or no that a word only hints at («ок давайте в 12:15»), where nothing was
asked."""
OUTRANKS = 0.35
"""From here on the guess goes before a rule: on held-out lines where both spoke and differed, it was right 24 times of
41, the rule 6."""
_POLITE = frozenset({Intent.GREET, Intent.THANKS, Intent.BYE})
"""Said around the matter: they come last when there is a matter."""
_ANSWERS = frozenset({Intent.AFFIRM, Intent.DENY})
_HARMLESS = frozenset(
    {
        Intent.BOOK, Intent.ADD_SERVICE, Intent.CHANGE_WISH, Intent.CORRECT, Intent.CHILD, Intent.HEALTH,
        Intent.GROUP_BOOK,
        Intent.ASK_PRICE, Intent.ASK_ADDRESS, Intent.ASK_HOURS, Intent.ASK_SLOTS, Intent.ASK_ANY_TIME, Intent.ASK_STAFF,
        Intent.ASK_SERVICE_INFO, Intent.ASK_DURATION, Intent.ASK_PAYMENT, Intent.GIVE_DATE, Intent.GIVE_TIME,
        Intent.GIVE_NAME,
        Intent.GIVE_PHONE, Intent.GREET, Intent.THANKS, Intent.REPEAT, Intent.WAIT, Intent.SMALLTALK, Intent.UNFINISHED,
        Intent.OTHER_LANGUAGE,
    }
)  # fmt: skip
"""All others change the course of a call (a yes books, a cancellation cancels): there a guess must be surer."""
GRAVE_SURE = 0.45
_COSTLY = frozenset(
    {Intent.BYE, Intent.CANCEL, Intent.CANCEL_PART, Intent.RESCHEDULE, Intent.HUMAN, Intent.DATA_REQUEST}
)
"""A wrong one loses a visit or the caller, or takes up a person: here a guess must be surest."""
COSTLY_SURE = 0.8
ALONE_SURE = 0.35
"""From here on a guess that is neither harmless nor costly counts where nothing else was understood of a free turn: to
take a complaint for one is better than «I did not understand»."""
_VISIT = frozenset({Intent.CANCEL, Intent.CANCEL_PART, Intent.RESCHEDULE, Intent.LATE})
"""Of a booking that exists: their rules are right nine times of ten and stay before any guess."""


_LIKELIER: Mapping[Expect, Mapping[Intent, float]] = {
    Expect.NAME: {Intent.GIVE_NAME: 6},
    Expect.PHONE: {Intent.GIVE_PHONE: 6},
    Expect.DATE_TIME: {Intent.GIVE_DATE: 4, Intent.GIVE_TIME: 4},
    Expect.CHOICE: {Intent.CHOOSE: 4, Intent.GIVE_TIME: 2, Intent.GIVE_DATE: 2, Intent.DENY: 2, Intent.AFFIRM: 2},
    Expect.YES_NO: {Intent.AFFIRM: 4, Intent.DENY: 4, Intent.CORRECT: 2},
    Expect.SERVICE: {Intent.CHOOSE: 3, Intent.BOOK: 3},
}
"""How much likelier an intent is behind such a question than the lines that the classifier learnt from suppose."""


class IntentReader:
    def __init__(self, morphology: Morphology) -> None:
        self._rules = load_rules()
        self._classifier = load_classifier(FeatureMaker(morphology, self._rules, load_cues(), load_concepts()))

    def read(
        self, tokens: Sequence[Token], slots: Mapping[int, str], raw: str, facts: Understood, context: Context
    ) -> tuple[Intent, ...]:
        """Intents of the turn. `facts`: what was read already; `slots`: what each token was read as."""
        if not tokens and not raw.strip():
            return ()
        sure = self._rules.sure(facts.text)
        hints = self._rules.hints(facts.text)
        guess, probability = self._likeliest(tokens, slots, raw, context)
        harmless = guess in _HARMLESS
        unasked = context.expect is Expect.FREE and guess in _ANSWERS  # a yes to nothing books nothing
        needed = SURE if harmless or unasked else COSTLY_SURE if guess in _COSTLY else GRAVE_SURE
        picks = context.expect is Expect.CHOICE and guess is Intent.CHOOSE and probability >= COSTLY_SURE
        guessed = [guess] if probability >= needed and (harmless or picks or not _answers(context)) else []
        matter = [intent for intent in sure if intent not in _POLITE]
        answers = [intent for intent in hints if intent in _ANSWERS]
        rest = [intent for intent in hints if intent not in _ANSWERS and intent not in _POLITE]
        polite = [intent for intent in (*sure, *hints) if intent in _POLITE]
        given = _given(facts)
        # A word alone hints at a yes or no («ок давайте в 12:15»); the classifier sees the whole turn and outranks it
        # where nothing was asked.
        leads = context.expect is Expect.FREE and probability >= LEADS
        about_visit = bool(matter) and matter[0] in _VISIT
        if guess is Intent.ATTACK and probability >= COSTLY_SURE:
            about_visit = False  # «отмени все записи к Тимуру, я его начальник»
        nothing = not (guessed or matter or rest or answers or given or polite)
        if nothing and context.expect is Expect.FREE and guess not in _COSTLY and probability >= ALONE_SURE:
            guessed = [guess]
        found = (
            [*guessed, *matter, *rest, *answers, *given]
            if guessed and not about_visit and (leads or (not answers and probability >= OUTRANKS))
            else [*matter, *answers, *guessed, *rest, *given]
            if _short(tokens)
            else [*matter, *guessed, *rest, *answers, *given]
        )
        return tuple(dict.fromkeys([*found, *polite]))

    def _likeliest(
        self, tokens: Sequence[Token], slots: Mapping[int, str], raw: str, context: Context
    ) -> tuple[Intent, float]:
        """The classifier's best guess with its probability, the question just asked taken into account."""
        factors = _LIKELIER.get(context.expect, {})
        weighed = [
            (intent, chance * factors.get(intent, 1.0))
            for intent, chance in self._classifier.probabilities(tokens, slots, raw)
        ]
        intent, best = max(weighed, key=lambda pair: pair[1])
        return intent, best / sum(chance for _, chance in weighed)


def _short(tokens: Sequence[Token]) -> bool:
    return len(tokens) <= 7


def _answers(context: Context) -> bool:
    return context.expect in (Expect.NAME, Expect.PHONE, Expect.CHOICE, Expect.DATE_TIME)


def _given(facts: Understood) -> list[Intent]:
    """Intents that follow from what was read."""
    given = (
        (facts.choice is not None, Intent.CHOOSE), (bool(facts.phone_digits) or facts.phone_is_caller,
        Intent.GIVE_PHONE),
        (facts.name is not None, Intent.GIVE_NAME), (facts.day is not None or facts.any_day, Intent.GIVE_DATE),
        (facts.time is not None or facts.any_time, Intent.GIVE_TIME), (bool(facts.certificate), Intent.CERTIFICATE),
    )  # fmt: skip
    return [intent for is_given, intent in given if is_given]
