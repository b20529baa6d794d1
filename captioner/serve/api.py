"""The FastAPI application: routes, request and response models, and error handlers."""

import contextlib
import hmac
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from captioner import checkpoint
from captioner._version import __version__
from captioner.errors import CaptionerError, ImageError, UsageError
from captioner.folders.batch import record_of
from captioner.folders.results import COLUMNS
from captioner.images import ImageLimits
from captioner.pages import render
from captioner.serve.desk import Desk
from captioner.serve.refusal import Arrivals, Refusal, RefusalError
from captioner.serve.uploads import Upload, read_upload
from captioner.text import ENGLISH

if TYPE_CHECKING:
    from captioner.decoding import DecodingOptions
    from captioner.predict import Captioner

MAX_BODY = 30_000_000
"""Maximum size of a request body in bytes."""
_MAX_BODIES = 300_000_000  # bytes, for all current requests together


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Settings of the server.

    Attributes:
        workers: number of captioning threads.
        queue: maximum number of waiting requests.
        seconds: time limit for a photo to arrive, and again for it to be captioned.
        token: bearer token that `/caption` requires; empty for none.
    """

    workers: int = 2
    queue: int = 64
    seconds: float = 60.0
    token: str = ""


class Sentence(BaseModel):
    """A caption and its log-probability."""

    caption: str
    log_prob: float


class CaptionedRecord(BaseModel):
    """The record of a photo, as printed by `captioner caption --format jsonl`."""

    path: str = Field(description="file name of the photo; - if it was sent without a name")
    caption: str
    log_prob: float = Field(description="natural log-probability of the caption, at most 0")
    confidence: float = Field(description="probability, in [0, 1], that the caption is close to captions by people")
    captions: list[Sentence] = Field(description="the num_captions best captions, best first")
    language: str
    source: str | None = Field(description="the English sentence that was translated; null if the language is en")
    width: int
    height: int
    error: None = None


class Problem(BaseModel):
    """An error message."""

    error: str


class Health(BaseModel):
    """Status of the server, its model and its version."""

    status: str
    model: str
    version: str


class Asked(BaseModel):
    """Query parameters of a request."""

    model_config = ConfigDict(extra="forbid")

    language: str = Field(ENGLISH, description="language of the captions; others than en are translated")
    num_captions: int | None = Field(None, description="number of captions, best first (default: 1)")


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": description}
    for code, description in {
        400: "The body has no photo, or the form cannot be read.",
        401: "The token is missing or wrong.",
        408: "The photo did not arrive in time.",
        413: f"The body is larger than {MAX_BODY / 1e6:g} MB.",
        415: "The body is not a photo in a known format.",
        422: "The photo cannot be read, or an option is invalid.",
        503: "Too many requests, or captioning took too long. Retry-After says when to try again.",
    }.items()
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {"type": "object", "required": ["photo"], "properties": {"photo": _BINARY["schema"]}}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _FORM},
            "image/*": _BINARY,
            "application/octet-stream": _BINARY,
        },
    }
}


class _Service:
    """A model, and the queue of requests to it."""

    def __init__(self, model: "Captioner", options: ServeOptions) -> None:
        import torch

        threads = max(1, torch.get_num_threads() // options.workers)
        self.model, self.options = model, options
        self.languages = (ENGLISH, *checkpoint.read_translator().config.languages)
        self.limits = ImageLimits(max_bytes=MAX_BODY)
        self.desk = Desk(
            workers=options.workers,
            queue=options.queue,
            seconds=options.seconds,
            memory=_MAX_BODIES,
            initializer=lambda: torch.set_num_threads(threads),
        )

    def search(self, asked: Asked) -> "DecodingOptions":
        """The decoding options of a request, by the same rules as on the command line.

        Raises:
            UsageError: an option is invalid.
        """
        if asked.language not in self.languages:
            raise UsageError(f"language {asked.language[:80]!r} is unknown; known: {', '.join(self.languages)}.")
        options, number = self.model.decoding, asked.num_captions
        if number is None:
            return options
        return replace(options, num_captions=number, beam_size=max(options.beam_size, number))

    async def caption(self, request: Request, asked: Asked) -> Mapping[str, Any]:
        """Caption the photo in a request, and return its record.

        Raises:
            RefusalError: there is no photo, the queue is full, or a time limit is exceeded.
            CaptionerError: the photo cannot be captioned, or an option is invalid.
        """
        search, seconds = self.search(asked), self.options.seconds
        with self.desk.place() as place:
            upload = await read_upload(request, place, most=MAX_BODY, seconds=seconds)
            return await place.do(lambda: self._record(upload, search, asked.language))

    def _record(self, upload: Upload, search: "DecodingOptions", language: str) -> Mapping[str, Any]:
        caption = self.model.caption(upload.content, search, language=language, limits=self.limits)
        row = record_of(upload.name, caption).as_dict()
        return {name: row[name] for name in COLUMNS}


def create_app(model: "Captioner", options: ServeOptions | None = None) -> FastAPI:
    """Create the application.

    Args:
        model: the model that captions photos.
        options: settings of the server; None for the defaults.
    """
    service = _Service(model, options or ServeOptions())

    @contextlib.asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.desk.close()

    app = FastAPI(
        title="captioner",
        version=__version__,
        description="Caption photos.",
        docs_url=None,  # FastAPI's pages load scripts from a CDN
        redoc_url=None,
        lifespan=living,
    )
    app.add_middleware(Arrivals)
    _add_routes(app, service)
    _add_problems(app)
    return app


def _add_routes(app: FastAPI, service: _Service) -> None:
    guards = [Depends(_guard(service.options.token))] if service.options.token else []
    page = _page(service)

    @app.post(
        "/caption",
        summary="Caption a photo",
        response_model=CaptionedRecord,
        responses=_PROBLEMS,
        openapi_extra=_BODY,
        dependencies=guards,
    )
    async def caption(request: Request, asked: Annotated[Asked, Query()]) -> Mapping[str, Any]:
        return await service.caption(request, asked)

    @app.get("/health", summary="Check that the server is running")
    async def health() -> Health:
        return Health(status="ok", model=service.model.checkpoint.path.name, version=__version__)

    @app.get("/", include_in_schema=False)
    async def start() -> HTMLResponse:
        policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})


def _guard(token: str) -> Callable[..., None]:
    def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]) -> None:
        if given is None or not hmac.compare_digest(given.credentials.encode(), token.encode()):
            raise RefusalError(
                401, "the token is missing or wrong; send Authorization: Bearer TOKEN.", {"WWW-Authenticate": "Bearer"}
            )

    return check


def _page(service: _Service) -> str:
    return render(
        "serve/page.html",
        version=__version__,
        languages=service.languages,
        megabytes=MAX_BODY // 10**6,
        token=bool(service.options.token),
    )


def _add_problems(app: FastAPI) -> None:
    """Answer every error with a status code and one sentence."""

    @app.exception_handler(RefusalError)
    async def refuse(_: Request, problem: RefusalError) -> Response:
        return Refusal(problem)

    @app.exception_handler(CaptionerError)
    async def explain(_: Request, problem: CaptionerError) -> Response:
        unknown = isinstance(problem, ImageError) and "known format" in str(problem)
        return Refusal(RefusalError(415 if unknown else 422, str(problem)))

    @app.exception_handler(RequestValidationError)
    async def explain_options(_: Request, problem: RequestValidationError) -> Response:
        return Refusal(RefusalError(422, _sentence(problem)))

    @app.exception_handler(HTTPException)
    async def explain_path(request: Request, problem: HTTPException) -> Response:
        sentence = f"{request.method[:80]} {request.url.path[:80]}: {problem.detail}; POST a photo to /caption."
        return Refusal(RefusalError(problem.status_code, sentence, problem.headers))

    @app.exception_handler(ClientDisconnect)
    async def forget(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # never read: the client has disconnected

    @app.exception_handler(Exception)
    async def own_up(_: Request, __: Exception) -> Response:
        return Refusal(RefusalError(500, "internal error; see the server's log."))


def _sentence(problem: RequestValidationError) -> str:
    first = problem.errors()[0]
    name = str(first["loc"][-1])[:80]
    if first["type"] == "extra_forbidden":
        return f"option {name!r} is unknown; known: {', '.join(Asked.model_fields)}."
    return f"{name} is {str(first['input'])[:80]!r}; give a whole number."
