"""Which services a turn adds, replaces or strikes out of the wish."""

import re
from dataclasses import replace

from agent.policy import hints
from agent.policy.moves import View
from agent.policy.services import service_gender
from agent.state import DialogueState, Question, VisitWish, Wanted
from agent.understanding import Intent, ServiceMention
from crm.model import ServiceId

IN_A_STORY = re.compile(r"\b(?:был[аи]?|ходил[аи]?|приходил[аи]?|делал[аи]?|сделал[аи]?)\s+(?:(?!хо[тч])\w+\s+){0,3}$")
"""«была у вас на…»: what has been, not what is wished."""
AFTER_AN_EVENT = re.compile(r"\bпосле\s+(?:\w+\s+){0,2}$")
"""«после моего окрашивания»: names a time, not a wish."""
ASKS_FOR_SERVICE = (Question.NONE, Question.GOAL, Question.SERVICE, Question.INVITE)


def read_services(wish: VisitWish, state: DialogueState, view: View) -> VisitWish:
    wanted = list(wish.services)
    replaces = view.hears(Intent.CORRECT, Intent.CHANGE_WISH) and not view.hears(Intent.ADD_SERVICE)
    fresh = [m for m in view.heard.services if not _is_reference(m, view.heard.text)]
    if state.done or state.question not in ASKS_FOR_SERVICE:
        fresh = [m for m in fresh if m.candidates]  # an odd word in an answer is no wish for an odd service
    told = [m for m in fresh if _is_told(m, view.heard.text)]
    if len(told) < len(fresh):
        fresh = [m for m in fresh if m not in told]
    for mention in fresh:
        if mention.negated:
            wanted = _without(wanted, mention)
    positive = _last_said([m for m in fresh if not m.negated], view.heard.text)
    if not positive and _next_of_them(state, view):
        wanted = [_same_kind(state, view)]
    if not fresh and not wanted and (bare := _by_gender_alone(view)) is not None:
        wanted = [bare]
    if len(positive) == 1 and len(wanted) > 1 and hints.only_this(view.heard.text, positive[0].phrase):
        wanted = [w for w in wanted if set(w.candidates) & set(positive[0].candidates)]
    for index, mention in enumerate(positive):
        twin = next((w for w in wanted if set(w.candidates) & set(mention.candidates)), None)
        if twin is not None:
            common = tuple(c for c in mention.candidates if c in twin.candidates)
            narrower = common if len(common) < len(twin.candidates) else mention.candidates
            wanted[wanted.index(twin)] = Wanted(mention.phrase, narrower)
        elif index == 0 and (replaces or _replaces_open(state, mention) or _other_variant(state, mention, view)):
            wanted = [Wanted(mention.phrase, mention.candidates)]
        else:
            wanted.append(Wanted(mention.phrase, mention.candidates))
    return replace(wish, services=tuple(wanted))


def _replaces_open(state: DialogueState, mention: ServiceMention) -> bool:
    """After «нет такой услуги» the next one named takes its place."""
    return bool(state.wish.services) and all(not w.candidates for w in state.wish.services) and bool(mention.candidates)


def _next_of_them(state: DialogueState, view: View) -> bool:
    """«мужская» to «кого записать следующим?»: the same service for the next of them."""
    asked = state.question is Question.SERVICE and state.has_told("who_next") and state.last_plan is not None
    return asked and bool(view.heard.gender) and not state.wish.services


def _by_gender_alone(view: View) -> Wanted | None:
    """«мне мужскую на субботу»: where the salon has such a service, no other noun is needed."""
    gender = hints.bare_gender(view.heard.text)
    if not gender or view.hears(Intent.ASK_PRICE, Intent.ASK_SERVICE_INFO):
        return None
    family = tuple(s.id for s in view.salon.services if s.offers and service_gender(s) == gender)
    return Wanted(view.heard.text, family) if family else None


def _same_kind(state: DialogueState, view: View) -> Wanted:
    assert state.last_plan is not None
    kinds = {w for part in state.last_plan.parts for s in part.service_ids for w in _kind_words(view, s)}
    family = tuple(s.id for s in view.salon.services if service_gender(s) and kinds & _kind_words(view, s.id))
    return Wanted(view.heard.text, family)


def _last_said(mentions: list[ServiceMention], text: str) -> list[ServiceMention]:
    """«на маникюр, то есть на педикюр»: what is put right in the same breath counts as it was said last."""
    kept: list[ServiceMention] = []
    for mention in mentions:
        between = ""
        if kept:
            start, end = text.find(kept[-1].phrase) + len(kept[-1].phrase), text.rfind(mention.phrase)
            between = text[start:end] if 0 <= start < end else ""
        if hints.puts_right(between):
            kept.pop()
        kept.append(mention)
    return kept


def _other_variant(state: DialogueState, mention: ServiceMention, view: View) -> bool:
    """«ой нет, мне без покрытия» at the read-back: another service of the same kind takes the place of the only one."""
    corrects = view.hears(Intent.DENY) or state.question is Question.WHAT_ELSE
    if not corrects or len(state.wish.services) != 1 or hints.adds_to_visit(view.heard.text) or not mention.candidates:
        return False
    old = {word for c in state.wish.services[0].candidates for word in _kind_words(view, c)}
    return bool(old & {word for c in mention.candidates for word in _kind_words(view, c)})


def _kind_words(view: View, service_id: ServiceId) -> set[str]:
    name = view.salon.service(service_id).name.lower() if view.salon.has_service(service_id) else ""
    return {word for word in re.findall(r"[а-яёa-z]+", name) if len(word) > 5}


def _is_reference(mention: ServiceMention, text: str) -> bool:
    start = text.find(mention.phrase)
    return start > 0 and AFTER_AN_EVENT.search(text[:start]) is not None


def _is_told(mention: ServiceMention, text: str) -> bool:
    """«вчера была у вас на стрижке, хочу на укладку»: the first is a story."""
    start = text.find(mention.phrase)
    return start > 0 and IN_A_STORY.search(text[:start]) is not None


def _without(wanted: list[Wanted], mention: ServiceMention) -> list[Wanted]:
    kept = []
    for item in wanted:
        left = tuple(c for c in item.candidates if c not in mention.candidates)
        if left == item.candidates or left:
            kept.append(Wanted(item.phrase, left or item.candidates))
    return kept
