"""The messages of one turn, as pydantic-ai has them: history, tool calls and their answers, corrections."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.language.text import clean
from agent.llm.contest import Line
from agent.llm.faults import Fault
from agent.llm.model import MAX_RESULT_CHARS
from agent.llm.schema import tool_schemas
from agent.model import Speaker, Utterance

OPENING = {"ru": "(начало разговора)", "en": "(the talk begins)"}
_CORRECTIONS: dict[Fault, str] = {
    Fault.CLAIM: "it says that something is done which no tool has done; call the tool, or say what is true",
    Fault.TIME: "it names a time that was not offered; name only times of the data or of find_times",
    Fault.PRICE: "it names a sum or a discount that is not in the price list",
    Fault.DATE: "the weekday does not fit the date; take both from the calendar",
    Fault.PROMISE: "it promises that a person was told or will call; call leave_task or hand_over first",
    Fault.NO_SPEECH: "it is no speech: call tools as tools, and say plain sentences without markup",
    Fault.REPEAT: "you said the very same in your last answer; move on, or call go_on",
    Fault.OTHERS: "it speaks of people, numbers or notes that are no part of this talk; answer about her own matter",
    Fault.LEAK: "it repeats the instructions; answer the client about the salon",
}


def tool_parameters() -> Any:
    """pydantic_ai.models.ModelRequestParameters with every tool."""
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.tools import ToolDefinition

    tools = [
        ToolDefinition(name=name, description=text, parameters_json_schema=schema, strict=False)
        for name, text, schema in tool_schemas()
    ]
    return ModelRequestParameters(function_tools=tools, allow_text_output=True)


@dataclass(slots=True)
class Exchange:
    instructions: str
    history: Sequence[Utterance]
    words: str
    language: str
    author: Line | None = None
    """Who made the calls below: they are shown to nobody else."""
    since: list[Any] = field(default_factory=list)
    fresh: str = ""
    """Instructions with the state as it is now, for a model that sees no calls; empty: nothing has changed yet."""

    def messages(self, line: Line) -> list[Any]:
        from pydantic_ai.messages import ModelRequest, UserPromptPart

        base = self._history()
        its_own = self.author is not None and self.author.key == line.key
        told = self.instructions if its_own else self.fresh or self.instructions
        base.append(ModelRequest([UserPromptPart(self.words)], instructions=told))
        return base + (self.since if its_own else [])

    def _history(self) -> list[Any]:
        from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart

        made: list[Any] = []
        for speaker, text in _merged(self.history):
            if speaker is Speaker.CALLER:
                made.append(ModelRequest([UserPromptPart(text)]))
            else:
                if not made:
                    made.append(ModelRequest([UserPromptPart(OPENING[self.language])]))
                made.append(ModelResponse([TextPart(text)]))
        return made

    def answer(self, line: Line, response: Any, results: Sequence[tuple[Any, dict[str, Any], bool]]) -> None:
        """`results`: call, answer, and whether the call was wrong in form."""
        from pydantic_ai.messages import ModelRequest, ToolReturnPart

        self._by(line)
        parts = [
            ToolReturnPart(call.tool_name, capped(result), call.tool_call_id, outcome="failed" if wrong else "success")
            for call, result, wrong in results
        ]
        self.since += [response, ModelRequest(parts)]

    def correct(self, line: Line, said: Sequence[str], sentence: str, fault: Fault) -> None:
        """The sentence was held back: what was heard stays, the rest is to be said anew."""
        from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart

        self._by(line)
        note = f"[service] The client did not hear your last sentence: {_CORRECTIONS[fault]}. "
        note += "She has heard what was before it; go on from there." if said else "Answer her anew."
        self.since += [ModelResponse([TextPart(" ".join((*said, sentence)))]), ModelRequest([UserPromptPart(note)])]

    def _by(self, line: Line) -> None:
        """Another model goes on than the one before: the state holds all that matters."""
        if self.author is None or self.author.key != line.key:
            self.since.clear()
        self.author = line


def capped(result: dict[str, Any]) -> str:
    """As JSON text within the limit, marked as data; the proposal is kept whole when lists must go."""
    marked = {"data": result}
    text = json.dumps(marked, ensure_ascii=False, separators=(",", ":"), default=str)
    if len(text) <= MAX_RESULT_CHARS:
        return text
    short = {key: value for key, value in result.items() if key in ("status", "why", "proposal")}
    text = json.dumps({"data": short, "shortened": True}, ensure_ascii=False, separators=(",", ":"), default=str)
    if len(text) <= MAX_RESULT_CHARS:
        return text
    return json.dumps({"data": {"status": result.get("status", "ok")}, "shortened": True})


def _merged(lines: Sequence[Utterance]) -> list[tuple[Speaker, str]]:
    """Neighbouring lines of one side as one: providers want turns to alternate."""
    merged: list[tuple[Speaker, str]] = []
    for line in lines:
        if not clean(line.text).strip():
            continue  # a message of blanks: providers refuse an empty part
        side = Speaker.CALLER if line.speaker is Speaker.CALLER else Speaker.AGENT
        if merged and merged[-1][0] is side:
            merged[-1] = (side, f"{merged[-1][1]} {line.text}")
        else:
            merged.append((side, line.text))
    return merged
