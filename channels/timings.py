"""Every duration of the messengers' pipe, with its unit and reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    # the burst: people write one thought in several messages
    quiet_s: float = 1.5
    """Since the newest message. Half of the pauses inside a burst are shorter; the first answer stays under 5 s."""
    longest_burst_s: float = 6.0
    """Since the first waiting message: somebody who never pauses is answered all the same."""
    think_s: float = 60.0
    """One turn of the agent. Its own deadlines are far shorter; this one keeps a thread from hanging for ever."""
    look_while_thinking_s: float = 1.0
    """How often a thinking turn looks whether more was written."""

    # what is too old to be answered by itself
    answer_within_s: float = 12 * 3600.0
    """An older message (an outage, a telephone that was off) is kept and shown, with a task for a person."""
    conversation_s: float = 12 * 3600.0
    """Silence after which the next message begins a new conversation."""
    human_quiet_s: float = 4 * 3600.0
    """The agent takes a thread back when the salon's person has been silent for so long."""

    # events that come before what they speak of
    orphan_s: float = 120.0
    """A mark or an edit of an unknown message is kept waiting for so long: webhooks overtake each other."""
    orphan_retry_s: float = 2.0

    # failures inside
    attempts: int = 6
    """Runs of one burst before it is parked for a person. The pauses double from `first_retry_s`."""
    first_retry_s: float = 1.0
    longest_retry_s: float = 60.0

    # sending
    send_s: float = 20.0
    """One request to a vendor, the wait for its rate limit included."""
    marker_wait_s: float = 10.0
    """After a lost answer: how long we wait for a status with our id before we send again."""
    dead_sender_s: float = 3.0
    """A part that is being sent for so long, while nobody holds its thread, has lost its process."""
    resend_s: float = 2.0
    """After a lost answer where nothing can be known: the pause before the one repeat."""
    give_up_s: float = 3600.0
    """An answer that could not be sent for so long is stale: it is shown as failed."""
    account_retry_s: float = 30.0
    """Between tries while the account itself is refused (key revoked): a person may repair it any moment."""

    # media
    media_bytes: int = 20 * 1024 * 1024
    """Largest file that is fetched (Telegram's own limit)."""
    voice_note_s: float = 300.0
    """Longest voice note that is listened to."""
    transcribe_s: float = 45.0

    # watching
    sweep_s: float = 3.0
    """How often threads are looked for whose wake-up was lost with its process."""
    wake_within_s: float = 2.0
    """A row that is younger than this has its wake-up on the way."""
    poll_lease_s: float = 60.0
    poll_pause_s: float = 5.0
    """After a failed look at a vendor's queue."""
    hook_cache_s: float = 10.0
    """A disconnected account stops taking events within this time."""
    inbox_kept_days: int = 14
    """Vendors repeat an event for days (Twilio's and Meta's longest is seven)."""
    parts_kept_days: int = 60
    web_chat_kept_days: int = 180
    """What visitors' browsers show; the salon's history is kept by its own rule."""
    upkeep_every_s: float = 6 * 3600.0
    """Partitions made ahead, old rows of the inbox dropped."""
