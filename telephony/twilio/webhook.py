"""The HTTP side of Twilio calls: which TwiML a call gets, and what the vendor reports about it.

Every request is proved genuine before anything else happens. Answers are remembered for retried requests, so that a
retry cannot mint a second token or run a second call.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from core.errors import InvalidInput, Unavailable
from core.tenancy import CompanyScope
from telephony.twilio import twiml
from telephony.twilio.plans import CallPlans, PlanKind
from telephony.twilio.signature import SIGNATURE_HEADER, Form, SignatureCheck, read_form
from telephony.twilio.store import ExpiringStore
from telephony.twilio.tokens import MAX_NUMBER_CHARS, StreamClaims, StreamTokens

VOICE_PATH = "/telephony/twilio/voice"
IDEMPOTENCY_HEADER = "i-twilio-idempotency-token"
MAX_BODY_BYTES = 65_536
ANSWER_KEPT_S = 120
"""Twilio gives up on a webhook 15 s after the first attempt."""
STATUS_KEPT_S = 7 * 24 * 3600
MAX_SID_CHARS = 64

_log = structlog.get_logger(__name__)

CompanyOfNumber = Callable[[str], Awaitable[CompanyScope | None]]
"""The dialled number, as Twilio gives it, to the company that is called; None when it is nobody's."""


@dataclass(frozen=True, slots=True)
class CallStatus:
    """One call-progress event of the vendor, delivered once each; they may come out of order."""

    call_sid: str
    sequence: int
    """Rises with time: an event with a lower number than one seen is older."""
    status: str
    """queued, initiated, ringing, in-progress, completed, busy, failed, no-answer, canceled."""
    duration_s: int | None
    sip_response_code: int | None


OnStatus = Callable[[CallStatus], Awaitable[None]]


def twilio_router(
    *,
    signatures: SignatureCheck,
    stream_url: str,
    company_of: CompanyOfNumber,
    tokens: StreamTokens,
    plans: CallPlans,
    store: ExpiringStore,
    on_status: OnStatus | None = None,
) -> APIRouter:
    """stream_url: public wss:// address of the stream server, without a query string (the vendor refuses one)."""
    webhook = _Webhook(signatures, stream_url, company_of, tokens, plans, store, on_status)
    router = APIRouter()
    for path, handler in (
        (VOICE_PATH, webhook.voice),
        (twiml.RESUME_PATH, webhook.resume),
        (twiml.AFTER_DIAL_PATH, webhook.after_dial),
        (twiml.STATUS_PATH, webhook.status),
    ):
        router.add_api_route(path, handler, methods=["POST"], include_in_schema=False, response_model=None)
    return router


class _Webhook:
    def __init__(
        self,
        signatures: SignatureCheck,
        stream_url: str,
        company_of: CompanyOfNumber,
        tokens: StreamTokens,
        plans: CallPlans,
        store: ExpiringStore,
        on_status: OnStatus | None,
    ) -> None:
        self._signatures = signatures
        self._stream_url = stream_url
        self._company_of = company_of
        self._tokens = tokens
        self._plans = plans
        self._store = store
        self._on_status = on_status

    async def voice(self, request: Request) -> Response:
        """A call comes in."""
        return await self._answer(request, self._new_call)

    async def resume(self, request: Request) -> Response:
        """The stream's socket has closed: the call is over, goes to a person, or goes on with a new socket."""
        return await self._answer(request, self._after_stream)

    async def after_dial(self, request: Request) -> Response:
        """The person to whom the call was given has hung up, or never answered."""
        return await self._answer(request, self._back_from_dial)

    async def status(self, request: Request) -> Response:
        form = await self._genuine_form(request)
        if isinstance(form, Response):
            return form
        try:
            if "StreamEvent" in form:
                self._note_stream(form)
            else:
                await self._take_status(form)
        except InvalidInput as error:
            return _refusal(422, error.message)
        except Unavailable:
            return _refusal(503, "try again")
        return Response(status_code=204)

    # --- the answers ---

    async def _new_call(self, form: Form, request: Request) -> str:
        called = _number(form, "To")
        if await self._company_of(called) is None:
            _log.warning("twilio_number_of_nobody", call_sid=form["CallSid"], pii_called=called)
            return twiml.say_and_hang_up(twiml.NOT_SERVED_TEXT)
        return self._connect(form, resumed=False, resumes=0)

    async def _after_stream(self, form: Form, request: Request) -> str:
        plan = await self._plans.get(form["CallSid"])
        if plan is not None:
            return twiml.after_plan(plan, self._signatures.base_url, _number(form, "To"))
        resumes = _resumes(request)
        _log.warning("twilio_stream_lost", call_sid=form["CallSid"], resumes=resumes)
        if resumes > twiml.MAX_RESUMES:
            return twiml.say_and_hang_up(twiml.FAILED_TEXT)
        return self._connect(form, resumed=True, resumes=resumes)

    async def _back_from_dial(self, form: Form, request: Request) -> str:
        if form.get("DialCallStatus") in ("completed", "answered"):
            return twiml.hang_up()
        plan = await self._plans.get(form["CallSid"])
        if plan is not None and plan.kind is PlanKind.TRANSFER:
            await self._plans.drop(form["CallSid"])
        return self._connect(form, resumed=True, resumes=0)

    def _connect(self, form: Form, *, resumed: bool, resumes: int) -> str:
        claims = StreamClaims(form["CallSid"], _number(form, "From"), _number(form, "To"), resumed)
        token = self._tokens.mint(claims)
        return twiml.connect_stream(self._signatures.base_url, self._stream_url, claims, token, resumes)

    # --- what all requests share ---

    async def _answer(self, request: Request, make: Callable[[Form, Request], Awaitable[str]]) -> Response:
        form = await self._genuine_form(request)
        if isinstance(form, Response):
            return form
        if not _is_sid(form.get("CallSid", "")):
            return _refusal(422, "CallSid: an identifier is needed")
        key = self._retry_key(request)
        try:
            answer = await self._store.get(key) if key else None
        except Unavailable:
            answer = None
        if answer is None:
            try:
                answer = await make(form, request)
            except InvalidInput as error:
                return _refusal(422, error.message)
            except Unavailable:
                # Twilio retries, then asks its fallback URL: better than a wrong answer to the caller.
                _log.exception("twilio_webhook_unavailable", call_sid=form["CallSid"])
                return _refusal(503, "try again")
            if key:
                answer = await self._remember(key, answer)
        return Response(answer, media_type="text/xml")

    async def _remember(self, key: str, answer: str) -> str:
        """Of two requests at the same time both get the answer of the first."""
        try:
            return await self._store.put_once(key, answer, ANSWER_KEPT_S) or answer
        except Unavailable:
            return answer

    @staticmethod
    def _retry_key(request: Request) -> str | None:
        token = request.headers.get(IDEMPOTENCY_HEADER)
        if not token:
            return None
        name = f"{request.url.path}?{request.url.query}\n{token}".encode()
        return f"answer:{hashlib.sha256(name).hexdigest()}"

    async def _genuine_form(self, request: Request) -> Form | Response:
        signature = request.headers.get(SIGNATURE_HEADER, "")
        if not signature:
            return _refusal(403, "X-Twilio-Signature is missing")
        try:
            body = await _body(request)
            form = read_form(body)
        except InvalidInput as error:
            return _refusal(400, error.message)
        except ClientDisconnect:
            return _refusal(400, "the request ended early")
        raw_path = request.scope.get("raw_path") or request.url.path.encode()
        path, query = raw_path.decode("ascii"), request.scope["query_string"].decode("ascii")
        if not self._signatures.webhook_is_genuine(path, query, form, signature):
            _log.warning("twilio_signature_refused", path=path)
            return _refusal(403, "X-Twilio-Signature does not match: check the auth token and the public URL")
        return form

    # --- status ---

    async def _take_status(self, form: Form) -> None:
        call_sid = form.get("CallSid", "")
        if not _is_sid(call_sid):
            raise InvalidInput("CallSid: an identifier is needed")
        event = CallStatus(
            call_sid=call_sid,
            sequence=_whole(form, "SequenceNumber") or 0,
            status=form.get("CallStatus", "")[:MAX_SID_CHARS],
            duration_s=_whole(form, "CallDuration"),
            sip_response_code=_whole(form, "SipResponseCode"),
        )
        if not event.status:
            raise InvalidInput("CallStatus: is missing")
        key = f"status:{event.call_sid}:{event.sequence}"
        if await self._store.put_once(key, event.status, STATUS_KEPT_S) is not None:
            return
        _log.info("twilio_call_status", call_sid=event.call_sid, status=event.status, sequence=event.sequence)
        if self._on_status is None:
            return
        try:
            await self._on_status(event)
        except BaseException:
            # Not taken: the vendor's retry must find it new.
            await self._store.forget(key)
            raise

    @staticmethod
    def _note_stream(form: Form) -> None:
        event = form["StreamEvent"][:MAX_SID_CHARS]
        level = _log.warning if event == "stream-error" else _log.info
        level(
            "twilio_stream_status",
            event_kind=event,
            call_sid=form.get("CallSid", "")[:MAX_SID_CHARS],
            error=form.get("StreamError", "")[:200],
        )


async def _body(request: Request) -> bytes:
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise InvalidInput(f"the body must not exceed {MAX_BODY_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _refusal(status_code: int, text: str) -> Response:
    return Response(text + "\n", status_code=status_code, media_type="text/plain")


def _is_sid(text: str) -> bool:
    return 0 < len(text) <= MAX_SID_CHARS and text.isascii() and text.isalnum()


def _number(form: Form, name: str) -> str:
    """As the wire gave it: E.164, "anonymous", a SIP URI, or nothing for hidden callers."""
    return str(form.get(name, ""))[:MAX_NUMBER_CHARS]


def _whole(form: Form, name: str) -> int | None:
    text = form.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidInput(f"{name}: a whole number is needed")
    return int(text)


def _resumes(request: Request) -> int:
    text = request.query_params.get("resumes", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else twiml.MAX_RESUMES + 1
