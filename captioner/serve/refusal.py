"""Error responses: a status code and one sentence."""

import asyncio
import contextlib
from collections.abc import Mapping

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATIENCE = 2.0  # seconds
_ARRIVED = "captioner.arrived"


class RefusalError(Exception):
    """A request cannot be answered.

    Attributes:
        status: HTTP status code of the response.
        headers: additional headers of the response.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = dict(headers or {})


class Refusal(JSONResponse):
    """The response `{"error": sentence}`, which may be sent while the client is still uploading.

    If the server closed the connection while data arrives, the connection would be reset and the client might never see
    the response. So the response is sent first, incoming data is discarded for up to two seconds, and then the
    connection is closed.
    """

    def __init__(self, problem: RefusalError) -> None:
        super().__init__({"error": str(problem)}, problem.status, {**problem.headers, "Connection": "close"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while not scope[_ARRIVED].is_set() and (await receive()).get("more_body"):
                    pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Arrivals:
    """Middleware that records when a request's body is complete or the client has disconnected."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_ARRIVED] = arrived = asyncio.Event()

        async def receive_and_note() -> Message:
            message = await receive()
            if not message.get("more_body"):
                arrived.set()
            return message

        await self._app(scope, receive_and_note, send)
