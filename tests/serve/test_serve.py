"""`captioner serve`: the real server on a free port, with real photos."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioner.cli import main
from captioner.folders.results import COLUMNS
from captioner.serve import health
from captioner.serve.api import MAX_BODY, CaptionedRecord
from tests.image_files import encode
from tests.served import Server, free_port, serving

RAW = {"Content-Type": "image/png"}
PNG = encode(Image.effect_noise((64, 64), 99), "PNG")


class Service:
    """A running server, and requests to it."""

    def __init__(self, server: Server) -> None:
        self.url, self.pid = server.url, server.pid

    def ask(
        self, path: str = "/caption", body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Send a request; returns the status, the JSON and the headers of the response."""
        request = urllib.request.Request(self.url + path, body, headers or {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer), dict(answer.headers)
        except urllib.error.HTTPError as problem:
            return problem.code, json.load(problem), dict(problem.headers)

    @contextlib.contextmanager
    def begun(self, head: str, some: bytes) -> Iterator[socket.socket]:
        """Open a connection and send the headers and the beginning of a body."""
        with socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), timeout=60) as connection:
            connection.sendall(f"POST /caption HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode() + some)
            yield connection


@pytest.fixture(scope="module")
def service(photos: dict[str, Path]) -> Iterator[Service]:
    """A server; a photo that is being uploaded at shutdown still gets its caption."""
    content = photos["chelsea"].read_bytes()
    with serving() as server:
        started = Service(server)
        yield started
        with started.begun(f"Content-Length: {len(content)}", content[:99]) as connection:
            assert started.ask("/health")[0] == 200
            os.kill(started.pid, signal.SIGTERM)
            while health.answers(f"{started.url}/health"):
                time.sleep(0.01)
            connection.sendall(content[99:])
            answer = answer_of(connection)
        assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.fixture(scope="module")
def narrow() -> Iterator[Service]:
    """A server with one worker, a timeout of two seconds, and a token."""
    words = ("--workers", "1", "--queue", "0", "--timeout", "2")
    with serving(*words, number=signal.SIGINT, CAPTIONER_TOKEN="open-sesame") as server:
        yield Service(server)


def answer_of(connection: socket.socket) -> bytes:
    """Read a response up to the end of its JSON."""
    answer = b""
    while not answer.endswith(b"}") and (part := connection.recv(4096)):
        answer += part
    return answer


def form(**files: tuple[str, bytes]) -> tuple[bytes, dict[str, str]]:
    """The body and headers of a form; a file without a name becomes a field."""
    parts = []
    for name, (file, content) in files.items():
        called = f'; filename="{file}"' if file else ""
        head = f'--x\r\nContent-Disposition: form-data; name="{name}"{called}\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    return b"".join(parts) + b"--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}


# ------------------------------------------------------------------------------------------------------------- answers


def test_the_record_is_that_of_json_lines(
    service: Service, photos: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    content = photos["chelsea"].read_bytes()
    assert main(["caption", str(photos["chelsea"]), "--num-captions", "2", "--format", "jsonl"]) == 0
    expected = json.loads(capsys.readouterr().out)
    body, kind = form(photo=("Mimi (1) ☕.png", content))
    status, record, _ = service.ask("/caption?num_captions=2", body, kind)
    assert (status, list(record)) == (200, list(COLUMNS))
    assert record["path"] == "Mimi (1) ☕.png"
    for kind in (RAW, {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": ""}):
        status, raw, _ = service.ask("/caption?num_captions=2", content, kind)
        assert (status, raw) == (200, {**record, "path": "-"})
    numbers = {"log_prob", "confidence", "captions"}  # they differ in the fourth decimal with the number of threads
    assert {**record, "path": ""} | dict.fromkeys(numbers) == {**expected, "path": ""} | dict.fromkeys(numbers)
    assert record["log_prob"] == pytest.approx(expected["log_prob"], abs=2e-4)
    assert set(CaptionedRecord.model_fields) == set(COLUMNS)


def test_captions_come_in_the_language_that_is_asked_for(service: Service, photos: dict[str, Path]) -> None:
    status, record, _ = service.ask("/caption?language=de", photos["chelsea"].read_bytes(), RAW)
    assert (status, record["language"]) == (200, "de")
    assert "cat" in record["source"]
    assert "Katze" in record["caption"]


def test_the_page_and_the_description_ask_no_other_machine(service: Service) -> None:
    with urllib.request.urlopen(service.url) as answer:
        page = answer.read().decode()
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in page
    assert "src=" not in page
    status, description, _ = service.ask("/openapi.json")
    assert status == 200
    caption = description["paths"]["/caption"]["post"]
    assert {"multipart/form-data", "image/*"} <= set(caption["requestBody"]["content"])
    assert {"200", "400", "401", "408", "413", "415", "422", "503"} == set(caption["responses"])
    assert caption["responses"]["422"]["content"]["application/json"]["schema"]["$ref"].endswith("/Problem")
    assert service.ask("/docs")[0] == 404


def test_health(service: Service) -> None:
    assert service.ask("/health")[:2] == (
        200,
        {"status": "ok", "model": "photo-en", "version": metadata.version("captioner")},
    )
    assert health.answers(f"{service.url}/health")
    assert not health.answers(f"http://127.0.0.1:{free_port()}/health")
    command = [sys.executable, "-m", "captioner.serve.health", f"{service.url}/health"]
    assert subprocess.run(command, check=False).returncode == 0


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "sentence"),
    [
        ("", b"", RAW, 400, "the photo is empty (0 bytes)."),
        (
            "",
            b"%PDF-1.4 ...",
            RAW,
            415,
            "cannot read the image: it is not a photo in a known format, but a PDF document",
        ),
        (
            "",
            b'{"url": "http://x/a.jpg"}',
            {"Content-Type": "application/json"},
            415,
            "'application/json' is not a photo",
        ),
        ("", b"url=http://x/a.jpg", {}, 415, "but a text"),
        ("", b"x", {"Content-Encoding": "gzip"}, 415, "without a Content-Encoding"),
        (
            "",
            PNG[:200],
            RAW,
            422,
            "cannot read the image: it is damaged or incomplete",
        ),
        ("?lang=de", b"x", RAW, 422, "option 'lang' is unknown; known: language, num_captions."),
        ("?language=xx", b"x", RAW, 422, "language 'xx' is unknown; known: en, de, fr, cs."),
        ("?num_captions=0", b"x", RAW, 422, "num_captions is 0; give a whole number from 1 to 100."),
        ("?num_captions=two", b"x", RAW, 422, "num_captions is 'two'; give a whole number."),
        ("", b"x", {"Content-Type": "multipart/form-data"}, 400, "the form cannot be read (Missing boundary"),
        ("", b"--y\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, 400, "the form cannot be read (Invalid"),
        ("", *form(), 400, "the form has no file; send one photo as a file."),
        ("", *form(a=("a.jpg", b"x"), b=("b.jpg", b"x")), 400, "the form cannot be read (Too many files"),
        ("", *form(a=("a.jpg", b"")), 400, "the photo is empty (0 bytes)."),
        (
            "",
            *form(a=("a.jpg", b"x"), language=("", b"de")),
            400,
            "'language'; options belong in the URL: ?language=",
        ),
        ("/x", b"x", RAW, 404, "POST /caption/x: Not Found; POST a photo to /caption."),
        ("", None, {}, 405, "GET /caption: Method Not Allowed; POST a photo to /caption."),
    ],
)
def test_a_mistake_is_one_sentence(
    path: str, body: bytes | None, headers: dict[str, str], status: int, sentence: str, service: Service
) -> None:
    begun = time.monotonic()
    code, answer, _ = service.ask(f"/caption{path}", body, headers)
    assert (code, list(answer)) == (status, ["error"])
    assert sentence in answer["error"]
    assert time.monotonic() - begun < 1.9  # the response does not wait for a body that never comes


def test_a_body_that_says_it_is_too_big_is_not_read(service: Service) -> None:
    with service.begun(f"Content-Length: {2 * 10**9}", b"") as connection:
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"larger than the limit of 30 MB" in answer


@pytest.mark.parametrize("kind", ["image/jpeg", "multipart/form-data; boundary=x"])
def test_a_body_without_a_length_is_read_as_far_as_is_allowed(kind: str, service: Service) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n'
    chunk = bytes(10**6)
    sent = 0
    with service.begun(
        f"Transfer-Encoding: chunked\r\nContent-Type: {kind}", b"%x\r\n%b\r\n" % (len(head), head)
    ) as one:
        while not select.select([one], [], [], 0)[0]:
            one.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            sent += len(chunk)
        answer = answer_of(one)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < 3 * MAX_BODY


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\2\0", b"400"),
        (b"POST /caption HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"400"),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"200"),
        (b"X" * 200 + b" / HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
    ],
)
def test_a_malformed_request_leaves_no_line_on_standard_error(request_: bytes, status: bytes, service: Service) -> None:
    with socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2])), timeout=60) as connection:
        connection.sendall(request_ + b"\r\n")
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 " + status)  # at its end, `serving` checks standard error
    assert b"X" * 81 not in answer


def test_who_does_not_know_the_token_is_refused(narrow: Service, photos: dict[str, Path]) -> None:
    content = photos["chelsea"].read_bytes()
    for given in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic b3Blbg=="},
        {"Authorization": "Bearer é"},
    ):
        status, answer, headers = narrow.ask("/caption?lang=x", content, RAW | given)
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert answer == {"error": "the token is missing or wrong; send Authorization: Bearer TOKEN."}
    assert narrow.ask("/health")[0] == 200
    assert narrow.ask("/caption?language=x", content, RAW | {"Authorization": "Bearer open-sesame"})[0] == 422


def test_where_there_is_no_room_the_client_is_told_when_to_try_again(narrow: Service) -> None:
    token = "Authorization: Bearer open-sesame"
    with narrow.begun(f"Content-Length: 100\r\n{token}", b"x") as slow:
        status = 0
        while status != 503:  # until the first request has taken its place
            assert not select.select([slow], [], [], 0)[0]
            status, answer, headers = narrow.ask("/caption", b"x", {"Authorization": "Bearer open-sesame"})
        assert (answer, headers["retry-after"]) == ({"error": "too many photos at once; try again in a moment."}, "2")
        answered = answer_of(slow)
    assert answered.startswith(b"HTTP/1.1 408 ")
    assert b"the photo did not arrive within 2 seconds." in answered
    with narrow.begun(f"Content-Length: 100\r\n{token}", b"x"):
        pass  # a client that disconnects releases its place
    deadline = time.monotonic() + 10
    while narrow.ask("/caption", b"", {"Authorization": "Bearer open-sesame"})[0] != 400:
        assert time.monotonic() < deadline


# --------------------------------------------------------------------------------------------------------------- start


def test_an_address_that_cannot_be_had_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    assert capsys.readouterr().err == (
        f"captioner: cannot serve on 127.0.0.1, port {port}: the port is in use; give another --port.\n"
    )
    for host in ("no.such.host.invalid", "a" * 99, "::1::"):
        assert main(["serve", "--host", host]) == 2
        assert capsys.readouterr().err == f"captioner: --host {host}: there is no such address.\n"
    assert main(["serve", "--host", "192.0.2.7"]) == 2
    assert "this machine has no such address; give another --host." in capsys.readouterr().err
    assert main(["serve", "--port", "0"]) == 2
    capsys.readouterr()
    for token in ("", "two words", "é", "\n"):
        monkeypatch.setenv("CAPTIONER_TOKEN", token)
        assert main(["serve"]) == 2
        assert capsys.readouterr().err.startswith("captioner: CAPTIONER_TOKEN is empty or has characters")


def test_without_the_extra_the_sentence_says_how_to_install_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = metadata.distribution

    def without(name: str) -> metadata.Distribution:
        if name == "fastapi":
            raise metadata.PackageNotFoundError
        return known(name)

    monkeypatch.setattr(metadata, "distribution", without)
    assert main(["serve"]) == 2
    assert capsys.readouterr().err == (
        "captioner: captioner serve needs fastapi; install it with: pip install 'captioner[serve]'.\n"
    )


def test_a_server_for_everybody_without_a_token_is_warned_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--host", "0.0.0.0", "--port", str(free_port()), "--model", "nothing"]) == 3
    warning, problem = capsys.readouterr().err.splitlines()
    assert warning == (
        "captioner: anyone who can reach 0.0.0.0 can use this server; set CAPTIONER_TOKEN to require a token."
    )
    assert "nothing" in problem
