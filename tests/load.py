"""`make load`: a load test of the web page and of `captioner serve`.

First, 50 visitors at once upload a photo of about 4 MB each to the running page, over its WebSocket as browsers do.
Then, 50 clients post one each to `captioner serve`. Prints the waiting times, whether each got the right caption, and
the server's peak memory above that of its imports. Linux only: the peak is the kernel's (VmHWM).
"""

import argparse
import asyncio
import io
import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage
from PIL import Image, ImageOps
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

import captioner
from tests.served import Server, served, serving

SAMPLES = Path(skimage.__file__).parent / "data"
SIDE = 4000  # pixels: 12 megapixels at 4:3, as from phones


def big_photos() -> list[bytes]:
    """Ten different photos of about 4 MB: the samples, enlarged and with noise, and their mirror images."""
    found = []
    random = np.random.default_rng(0)
    for name in ("astronaut.png", "chelsea.png", "coffee.png", "camera.png", "rocket.jpg"):
        with Image.open(SAMPLES / name) as image:
            large = np.asarray(image.convert("RGB").resize((SIDE, SIDE * 3 // 4)), dtype=np.int16)
        grain = random.integers(-17, 18, large.shape[:2], dtype=np.int16)[..., None]
        photo = Image.fromarray((large + grain).clip(0, 255).astype(np.uint8))
        for picture in (photo, ImageOps.mirror(photo)):
            data = io.BytesIO()
            picture.save(data, "JPEG", quality=86)
            found.append(data.getvalue())
    return found


@dataclass
class Looks:
    """A client that polls for progress, as the browser does."""

    socket: ClientConnection
    fragment: str = ""

    async def go_on(self) -> None:
        while True:
            await asyncio.sleep(0.8)
            if self.fragment:
                look = BackMsg()
                look.rerun_script.fragment_id = self.fragment
                look.rerun_script.is_auto_rerun = True
                await self.socket.send(look.SerializeToString())


async def visit(url: str, photo: bytes, captions: set[str], start: asyncio.Barrier) -> tuple[str, float]:
    """Open the page, and upload the photo once all visitors are ready; returns the caption and the seconds it took."""
    async with connect(
        f"{url.replace('http', 'ws')}/_stcore/stream", subprotocols=["streamlit"], max_size=None
    ) as socket:  # type: ignore[list-item]
        first = BackMsg()
        first.rerun_script.SetInParent()
        await socket.send(first.SerializeToString())
        session, uploader = "", ""
        async for message in messages(socket):
            if message.WhichOneof("type") == "new_session":
                session = message.new_session.initialize.session_id
            elif message.delta.new_element.file_uploader.id:
                uploader = message.delta.new_element.file_uploader.id
            elif message.WhichOneof("type") == "script_finished":
                break
        await start.wait()
        begun = time.perf_counter()
        request = BackMsg()
        request.file_urls_request.session_id = session
        request.file_urls_request.request_id = "1"
        request.file_urls_request.file_names.append("photo.jpg")
        await socket.send(request.SerializeToString())
        async for message in messages(socket):
            if message.WhichOneof("type") == "file_urls_response":
                urls = message.file_urls_response.file_urls[0]
                break
        await asyncio.to_thread(put, url, urls.upload_url, photo)
        rerun = BackMsg()
        state = rerun.rerun_script.widget_states.widgets.add(id=uploader)
        info = state.file_uploader_state_value.uploaded_file_info.add(
            file_id=urls.file_id, name="photo.jpg", size=len(photo)
        )
        info.file_urls.CopyFrom(urls)
        await socket.send(rerun.SerializeToString())
        looks = Looks(socket)
        looking = asyncio.create_task(looks.go_on())
        try:
            async for message in messages(socket):
                if message.WhichOneof("type") == "auto_rerun":
                    looks.fragment = message.auto_rerun.fragment_id
                tiles = json.loads(message.delta.new_element.bidi_component.json or "{}").get("tiles") or [{}]
                if tiles[0].get("text") in captions:
                    return tiles[0]["text"], time.perf_counter() - begun
        finally:
            looking.cancel()
    raise ConnectionError("the server hung up")


async def messages(socket: ClientConnection):  # type: ignore[no-untyped-def]
    """Receive messages from the server."""
    async for data in socket:
        message = ForwardMsg()
        message.ParseFromString(data if isinstance(data, bytes) else data.encode())
        yield message


def put(url: str, path: str, photo: bytes) -> None:
    """Upload a file as a form, with the server's XSRF token."""
    with urllib.request.urlopen(f"{url}/_stcore/health") as answer:
        token = re.search(r"_streamlit_xsrf=([^;]+)", answer.headers["Set-Cookie"])
    assert token
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "X-Xsrftoken": token[1],
        "Cookie": f"_streamlit_xsrf={token[1]}",
    }
    body = head.encode() + photo + f"\r\n--{boundary}--\r\n".encode()
    urllib.request.urlopen(urllib.request.Request(url + path, body, headers, method="PUT")).close()


def peak(pid: int | str) -> float:
    """Peak memory of a process so far, in MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    assert found
    return int(found[1]) * 1024 / 1e6


def imports_alone(*modules: str) -> float:
    code = f"import {', '.join(modules)}; print(open('/proc/self/status').read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = re.search(r"VmHWM:\s+(\d+) kB", done.stdout)
    assert found
    return int(found[1]) * 1024 / 1e6


async def all_visits(url: str, photos: list[bytes], captions: list[str], visitors: int) -> list[tuple[str, float]]:
    start = asyncio.Barrier(visitors)
    known = set(captions)
    return await asyncio.gather(*(visit(url, photos[number % len(photos)], known, start) for number in range(visitors)))


def post(url: str, photo: bytes, start: threading.Barrier) -> tuple[str, float]:
    """Post the photo once all clients are ready; returns its caption and the seconds it took."""
    request = urllib.request.Request(f"{url}/caption", photo, {"Content-Type": "image/jpeg"})
    start.wait()
    begun = time.perf_counter()
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)["caption"], time.perf_counter() - begun


def all_posts(url: str, photos: list[bytes], clients: int) -> list[tuple[str, float]]:
    start = threading.Barrier(clients)
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(lambda number: post(url, photos[number % len(photos)], start), range(clients)))


Visit = Callable[[str, int], list[tuple[str, float]]]
"""Runs that many clients at once against a server; returns their captions and the seconds that each took."""


def measure(server: Server, come: Visit, captions: list[str], visitors: int, modules: tuple[str, ...]) -> bool:
    """Measure and print; returns whether all captions were right."""
    warm = come(server.url, 1)
    before = peak(server.pid)
    results = come(server.url, visitors)
    highest = peak(server.pid)
    right = sum(text == captions[number % len(captions)] for number, (text, _) in enumerate(results))
    seconds = [taken for _, taken in results]
    base = imports_alone(*modules)
    print(f"right captions: {right} of {visitors}")
    print(
        f"alone: {warm[0][1]:.2f} s; all at once: p50 {np.percentile(seconds, 50):.1f} s, p95 "
        f"{np.percentile(seconds, 95):.1f} s"
    )
    print(
        f"peak memory: {highest:.0f} MB; after one visitor {before:.0f} MB; the imports alone {base:.0f} MB; over "
        f"them {highest - base:.0f} MB"
    )
    return right == visitors


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--only", choices=["app", "serve"], help="one of the two")
    options = parser.parse_args()
    photos = big_photos()
    model = captioner.load()
    captions = [model.caption(photo).text for photo in photos]
    size = np.mean([len(photo) for photo in photos]) / 1e6
    print(f"photos: {options.visitors} of {size:.1f} MB, {len(set(captions))} different captions")
    right = True
    if options.only != "serve":
        print("captioner app")
        with served() as server:
            right &= measure(
                server,
                lambda url, visitors: asyncio.run(all_visits(url, photos, captions, visitors)),
                captions,
                options.visitors,
                ("torch", "torchvision", "streamlit"),
            )
    if options.only != "app":
        print("captioner serve")
        with serving() as server:
            right &= measure(
                server,
                lambda url, clients: all_posts(url, photos, clients),
                captions,
                options.visitors,
                ("torch", "torchvision", "fastapi", "uvicorn"),
            )
    sys.exit(not right)


if __name__ == "__main__":
    main()
