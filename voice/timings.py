"""Every timing constant of a conversation, with its unit and reason. No other module holds one."""

from agent.model import Expect

END_OF_TURN_MS: dict[Expect, int] = {
    Expect.YES_NO: 280,
    Expect.CHOICE: 400,
    Expect.NAME: 440,
    Expect.SERVICE: 440,
    Expect.DATE_TIME: 440,
    Expect.FREE: 480,
    Expect.PHONE: 1000,
    Expect.NOTHING: 440,
}
"""Silence after the last voiced frame that ends the caller's turn when the words so far could be complete. Short
answers are quick; people pause between groups of digits. Whole frames: time passes in frames. The longest gap inside
fluent phrases of the test clips is 280 ms; a longer pause is taken for a hesitation by its words, or repaired."""

UNFINISHED_EXTRA_MS = 700
"""Added when the words so far cannot be complete: they end in a preposition, a conjunction, «ну», or an open number."""

UNFINISHED_DOUBTFUL_EXTRA_MS = 340
"""The same when the words are doubtful: a misheard last word («есть» as «без») says little about what follows."""

DOUBTFUL_CONFIDENCE = 0.6
"""Geometric mean token probability below which words are doubtful."""

PARTIAL_EVERY_MS = 240
"""Distance of partial decodes: below it the embedded recogniser costs more than it tells."""

PRE_ROLL_MS = 300
"""Audio kept before the detector fires, so that no first phoneme is lost."""

SPEECH_START_MS = 60
"""Speech needed to open a turn: shorter is a click."""

BARGE_IN_MS = 160
"""Speech over the agent needed to stop it: a cough or «м» is shorter. Bar: onset to silence p95 <= 400 ms."""

LEAD_MS = 300
"""Audio kept queued in the leg ahead of play-out: survives a hiccup of the brain, cheap to clear."""

IDLE_PROMPT_MS = 8000
"""Silence after the agent has finished before it asks again."""

IDLE_PROMPTS = 2
"""Prompts before goodbye."""

MAX_TURN_MS = 20_000
"""A turn is closed by force: steady noise must not keep it open."""

MAX_CALL_S = 900
"""Longest call; a person does not book for a quarter of an hour."""

TRANSCRIPTION_DEADLINE_S = 3.0
"""A final decode that takes longer counts as not understood."""

FILLER_AFTER_MS = 1500
"""No sound from the agent this long after the caller's turn: say «секунду» (facts of the answer ladder)."""

FILLER_AGAIN_MS = 5000
"""Still no answer this long after the turn: a second word, so that silence is never taken for a lost line."""

HUSH_MS = 120
"""Silence after which the final decode and the reply are begun in advance. Shorter is the gap before a plosive."""

RESUME_SPEECH_MS = 40
"""Speech after a hush needed to count as going on: one loud frame is a click."""

DEFINITE_MS = 220
"""Silence that ends a turn after words to which nothing can be added: a bare yes or no, a whole phone number."""

DEFINITE_LONGEST_MS = 500
"""The same where a model judges the voice too: «да… но попозже» has a drawn-out «да»; a plain yes is answered soon."""

MAX_SILENCE_IN_TURN_MS = 4000
"""However the text looks and whatever the recogniser does, this much silence ends the turn."""

NOISE_TURN_MS = 6000
"""An open turn without a single recognised word for this long is noise: close it and say so."""

UNCLEAR_MIN_MS = 400
"""Voice without words shorter than this is a cough: dropped. Longer: the person is asked again."""

UNCLEAR_IN_A_ROW = 2
"""Turns without words in a row that are answered with «не расслышала»; further ones count as silence."""

MIN_CONFIDENCE = 0.35
"""Geometric mean token probability below which words over the agent's voice are not taken as words."""

FIRST_WORDS_MS = 800
"""While the agent has said no more than this, both began together and any word of the caller wins."""

FIRST_WORDS_BARGE_IN_MS = 100
"""Speech needed to stop the agent during its first words."""

NOISE_VERDICT_MS = 500
"""Voice over the agent that has given no word by now is noise: the agent goes on."""

PAUSE_MAX_MS = 1500
"""The agent stays silent at most this long while it is unknown whether the caller says something."""

ECHO_TAIL_MS = 500
"""The agent's own voice may come back this long after it was played (bar: 120 to 300 ms at -20 dB)."""

TAIL_ANSWER_MS = 1200
"""A yes or no this close to the end of a question is its answer, not a listener's «угу»."""

SETTLE_AFTER_CLEAR_MS = 40
"""Nothing is queued this long after clear(), until the leg has said where play-out really stopped."""

PLAYOUT_STALL_MS = 1000
"""The leg's play position stands still this long with audio queued: the clock is used instead."""

MISSING_FRAMES_MS = 200
"""No frame from the leg for this long: time is driven by the clock, and speech counts as stopped."""

NO_MEDIA_S = 30.0
"""No frame at all for this long: the line is dead, the call is closed."""

WATCH_EVERY_MS = 100
"""Distance of the checks that go on when no frames arrive."""

DEAF_CHECK_MS = 1500
"""Loud sound (12 dB over the floor) of this length with a silent detector: the detector is opened anew."""

AGENT_EVENT_DEADLINE_S = 8.0
"""Longest wait for the next event of a reply: I4, never more than 8 s without progress or hand-over."""

SYNTHESIS_FIRST_S = 1.5
"""Longest wait for the first sound of a sentence before the next engine is asked."""

SYNTHESIS_NEXT_S = 1.0
"""Longest gap between two pieces of one sentence."""

ENGINE_REST_S = 30.0
"""A synthesiser that failed is passed over for this long, then tried again."""

HEARD_WAIT_S = 2.0
"""Waiting for the last words to be heard never takes longer than their length plus this."""

HANG_UP_WAIT_S = 5.0
"""After hang_up() or transfer() the leg must report its end within this, beyond the audio still queued."""

FILE_OUTCOME_S = 10.0
"""Longest time the agent gets to file the outcome after the caller has left."""

DTMF_END_MS = 2000
"""Pause after a key that ends a sequence of keys; # ends it at once."""

TRANSFER_WAIT_S = 60.0
"""A transfer rings this long at most before the call is closed from our side."""

DESK_DEADLINE_S = 3.0
"""Longest wait for the company's side to look up a number or file a call back while the caller listens."""

FAULTS_IN_A_ROW = 3
"""Turns in a row in which the recogniser itself failed before the call is given to a person."""

SPECULATIONS_PER_TURN = 3
"""Replies begun in advance in one turn of the caller: each costs a reply."""

CONTINUES_MS = 400
"""Speech that begins this soon after the agent's first sound is no reaction to it: the caller was not finished, and
both parts are one turn."""

HESITATION_MS = 250
"""A pause of this length inside a turn is a hesitation; fluent speech has gaps up to here."""

STABLE_SILENCE_MS = 40
"""Silence after which a stable, complete partial is worth beginning the reply, before the final decode."""

WAIT_SHORTEST_MS = 200
"""No turn ends sooner: the final decode begins at HUSH_MS, and gaps before plosives are this long."""

WAIT_LONGEST_MS = 1800
"""A pause that the words do not explain is not waited out longer than this."""

CUT_OFF_PRICE_MS = 2_000.0
"""Dead air in milliseconds, over all turns, that is gladly paid for one answer into a pause less (Russian; chosen on
the development turns of voice.end_of_turn.training, measured by bench.end_of_turn)."""

LLM_HEDGE_S = 0.8
"""No first token of the language model by then: the next model is asked beside it (facts of the answer ladder)."""

LLM_SCRIPTED_S = 4.0
"""No whole sentence of any model by then: the scripted brain answers from the same state. Its answer is ready all the
time; until then FILLER_AFTER_MS has been heard once."""

LLM_GAP_S = 2.0
"""Longest silence inside an answer that has begun: as long as the silence that people take for a lost line."""

LLM_TURN_S = 7.5
"""Longest turn with a model, tool calls included: half a second before AGENT_EVENT_DEADLINE_S gives up on the reply."""

LLM_REST_S = 30.0
"""A model that failed is passed over for this long, then tried again: outages last minutes, hiccups seconds."""

LLM_REST_REFUSED_S = 300.0
"""The same after a refused key, an unknown model or an empty account: only a person mends it."""
