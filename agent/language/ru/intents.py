"""All intents of a turn, strongest first: sure phrases by rule, then the classifier, then hints and facts."""

from collections.abc import Mapping, Sequence

from agent.language.ru.classifier import load_classifier
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
_COSTLY = frozenset({Intent.CANCEL, Intent.CANCEL_PART, Intent.RESCHEDULE, Intent.HUMAN, Intent.DATA_REQUEST})
"""A wrong one loses a visit or takes up a person: here a guess must be surest."""
COSTLY_SURE = 0.8


class IntentReader:
    def __init__(self, morphology: Morphology) -> None:
        self._rules = load_rules()
        self._classifier = load_classifier(FeatureMaker(morphology, self._rules, load_cues()))

    def read(
        self, tokens: Sequence[Token], slots: Mapping[int, str], raw: str, facts: Understood, context: Context
    ) -> tuple[Intent, ...]:
        """Intents of the turn. `facts`: what was read already; `slots`: what each token was read as."""
        if not tokens and not raw.strip():
            return ()
        sure = self._rules.sure(facts.text)
        hints = self._rules.hints(facts.text)
        guess, probability = self._classifier.probabilities(tokens, slots, raw)[0]
        harmless = guess in _HARMLESS
        needed = SURE if harmless else COSTLY_SURE if guess in _COSTLY else GRAVE_SURE
        guessed = [guess] if probability >= needed and (harmless or not _answers(context)) else []
        matter = [intent for intent in sure if intent not in _POLITE]
        answers = [intent for intent in hints if intent in _ANSWERS]
        rest = [intent for intent in hints if intent not in _ANSWERS and intent not in _POLITE]
        polite = [intent for intent in (*sure, *hints) if intent in _POLITE]
        given = _given(facts)
        found = (
            [*matter, *answers, *guessed, *rest, *given]
            if _short(tokens) and not (context.expect is Expect.FREE and guessed and probability >= LEADS)
            else [*matter, *guessed, *rest, *answers, *given]
        )
        return tuple(dict.fromkeys([*found, *polite]))


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
