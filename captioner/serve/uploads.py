"""Read the photo of a request, sent as raw bytes or as the only file of a form, within limits on size and time."""

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from captioner.serve.desk import Place
from captioner.serve.refusal import RefusalError

UNNAMED = "-"
"""Name of a photo sent without a file name, the same as for standard input on the command line."""
_LONGEST_NAME = 255
# curl --data-binary declares every body a form. The image format is detected from the bytes, not from the type.
_RAW = ("", "application/octet-stream", "application/x-www-form-urlencoded")


class Upload(NamedTuple):
    """A photo sent by a client."""

    name: str
    content: bytes


async def read_upload(request: Request, place: Place, *, most: int, seconds: float) -> Upload:
    """Read the photo of a request. Reading stops as soon as the body is too large.

    Args:
        request: the request, with an unread body.
        place: the request's place in the queue, which counts the bytes.
        most: maximum size of the body in bytes.
        seconds: time limit for the body to arrive.

    Raises:
        RefusalError: there is no photo, it is too large, or it does not arrive in time.
    """
    length, kind = request.headers.get("content-length", ""), request.headers.get("content-type", "")
    if length.isdecimal() and int(length) > most:
        raise _too_big(most)
    if request.headers.get("content-encoding", "identity") != "identity":
        raise RefusalError(415, "send the photo without a Content-Encoding.")
    kind = kind.partition(";")[0].strip().lower()
    try:
        async with asyncio.timeout(seconds):
            body = _bounded(request, place, most)
            if kind == "multipart/form-data":
                upload = await _of_form(request, body)
            elif kind in _RAW or kind.startswith("image/"):
                upload = Upload(UNNAMED, b"".join([chunk async for chunk in body]))
            else:
                raise RefusalError(
                    415, f"a body of type {kind[:80]!r} is not a photo; send the photo's bytes, or a form."
                )
    except TimeoutError:
        raise RefusalError(408, f"the photo did not arrive within {seconds:g} seconds.") from None
    if not upload.content:
        raise RefusalError(400, "the photo is empty (0 bytes).")
    return upload


async def _bounded(request: Request, place: Place, most: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _too_big(most)
        place.hold(len(chunk))
        yield chunk


def _too_big(most: int) -> RefusalError:
    return RefusalError(413, f"the body is larger than the limit of {most / 1e6:g} MB; make the photo smaller.")


async def _of_form(request: Request, body: AsyncGenerator[bytes, None]) -> Upload:
    parser = MultiPartParser(request.headers, body, max_files=1, max_fields=8)
    parser.spool_max_size = 2**40  # keep it in memory, which is limited, and never write to disk
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as problem:
        detail = problem.message.rstrip(".") if isinstance(problem, MultiPartException) else "Invalid multipart data"
        raise RefusalError(400, f"the form cannot be read ({detail}); send one photo as a file.") from None
    try:
        return await _only_file(form)
    finally:
        await form.close()


async def _only_file(form: FormData) -> Upload:
    upload = None
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile):
            field = name[:80]
            raise RefusalError(400, f"the form has a field {field!r}; options belong in the URL: ?{field}=…")
        upload = Upload((value.filename or UNNAMED)[:_LONGEST_NAME], await value.read())
    if upload is None:
        raise RefusalError(400, "the form has no file; send one photo as a file.")
    return upload
