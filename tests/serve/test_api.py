"""The application without a server, which would hide exceptions."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from captioner.predict import Caption, Captioner
from captioner.serve.api import create_app


class Broken(Captioner):
    """A model with a bug."""

    def caption(self, *_: Any, **__: Any) -> Caption:
        raise ZeroDivisionError


def test_a_mistake_of_ours_is_one_sentence_and_is_not_hidden(small_checkpoint: Path) -> None:
    app = create_app(Broken.load(small_checkpoint, device="cpu"))
    arriving = [
        {"type": "http.request", "body": b"a photo", "more_body": True},
        {"type": "http.request", "body": b"", "more_body": False},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return arriving.pop(0) if arriving else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/caption", "query_string": b"", "headers": []}
    with pytest.raises(ZeroDivisionError):  # the server logs it
        asyncio.run(asyncio.wait_for(app(scope, receive, send), 20))
    assert sent[0]["status"] == 500
    answer = json.loads(b"".join(message["body"] for message in sent[1:]))
    assert answer == {"error": "internal error; see the server's log."}
