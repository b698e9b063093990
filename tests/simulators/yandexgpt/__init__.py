"""Yandex AI Studio's chat completions: the Api-Key scheme, gpt:// models, errors in the gRPC style."""

import json
from dataclasses import dataclass

from tests.simulators.model_script import Reply
from tests.simulators.model_server import HttpAnswer
from tests.simulators.openai_compatible import ChatWire

GRPC = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 500: 13, 503: 14}


@dataclass
class YandexWire(ChatWire):
    model: str = "gpt://b1gfolder/yandexgpt/latest"
    scheme: str = "Api-Key"
    more_headers: tuple[str, ...] = ("x-data-logging-enabled",)

    def error(self, reply: Reply) -> HttpAnswer:
        error = {
            "grpcCode": GRPC.get(reply.status, 2), "httpCode": reply.status, "message": reply.error or "simulated",
            "httpStatus": "Error", "details": [],
        }  # fmt: skip
        return HttpAnswer(reply.status, json.dumps({"error": error}).encode())
