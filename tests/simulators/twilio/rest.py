"""The vendor's REST interface for calls in progress: Calls/{Sid}.json with Status or Twiml, Basic auth."""

import base64
import secrets
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from tests.simulators.twilio import wire
from tests.simulators.twilio.edge import TwilioEdge


def rest_app(account_sid: str, password: str, calls: dict[str, TwilioEdge]) -> FastAPI:
    """calls: the registry that the simulated edges were given."""
    app = FastAPI()
    wanted = "Basic " + base64.b64encode(f"{account_sid}:{password}".encode()).decode()

    @app.post("/2010-04-01/Accounts/{account}/Calls/{name}")
    async def update(account: str, name: str, request: Request) -> JSONResponse:
        if not secrets.compare_digest(request.headers.get("authorization", ""), wanted):
            return _error(401, 20003, "Authenticate")
        call_sid = name.removesuffix(".json")
        edge = calls.get(call_sid)
        if account != account_sid or edge is None:
            return _error(404, 20404, "The requested resource was not found")
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        if set(form) not in ({"Status"}, {"Twiml"}):
            return _error(400, 20001, "Status or Twiml is needed")
        if "Twiml" in form:
            if len(form["Twiml"]) > 4000:
                return _error(400, 21218, "Twiml is too long")
            done = edge.update_by_rest(document=wire.read_twiml("text/xml", form["Twiml"]), completed=False)
        elif form["Status"] == "completed":
            done = edge.update_by_rest(document=None, completed=True)
        else:
            return _error(400, 20001, "Status must be completed")
        if not done:
            return _error(400, 21220, "Call is not in-progress. Cannot redirect.")
        return JSONResponse({"sid": call_sid, "status": "in-progress", "account_sid": account_sid})

    return app


def _error(status: int, code: int, message: str) -> JSONResponse:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return JSONResponse({"code": code, "message": message, "more_info": more, "status": status}, status_code=status)
