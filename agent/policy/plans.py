"""Was the read-back heard? An interrupted one is not agreed to by a later yes."""

from agent.model import Speaker
from agent.policy.moves import View
from crm.model import Plan


def hold_keys(text: str, plan: Plan, view: View) -> tuple[str, ...]:
    """The pieces of the read-back without which a yes means nothing: the time of every part."""
    times = (view.say.time_key(view.salon.local(part.start)) for part in plan.parts)
    return tuple(key for key in times if key in text)


def read_back_was_heard(view: View) -> bool:
    """Only a cut line can have been missed: its heard text must hold every key, written or as it is spoken."""
    assert view.state.read_back is not None
    lines = [line for line in view.history if line.speaker is Speaker.AGENT]
    if not lines or not lines[-1].cut:
        return True
    heard = lines[-1].text.lower()
    return all(key.lower() in heard or view.say.spoken(key).lower() in heard for key in view.state.read_back.keys)
