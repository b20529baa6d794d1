"""Models and queues shared by all visitors. Worker threads use them, too, so nothing here needs Streamlit."""

import os
import threading
from contextlib import suppress
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from captioner.errors import CaptionerError
from captioner.visit.gate import Gate
from captioner.visit.memory import give_back_large_blocks
from captioner.visit.photos import models

if TYPE_CHECKING:
    from captioner import Captioner, DecodingOptions

_LOADING = threading.Lock()


def offered_models() -> dict[str, str]:
    """Display name → argument for `captioner.load`."""
    return models(os.environ, separator=os.pathsep)


def load_model(name: str) -> "Captioner":
    """Load a model, shared by all visitors: it is stateless. `name` is an argument for `captioner.load`."""
    with _LOADING:  # or two visitors could load it twice
        return _load(name)


@lru_cache(maxsize=2)
def _load(name: str) -> "Captioner":
    import captioner

    give_back_large_blocks()  # takes effect only before the first large block is freed
    return captioner.load(name)


def load_ahead(name: str) -> None:
    """Load a model in the background while the visitor selects photos. Errors are reported when it is used."""

    def load() -> None:
        with suppress(CaptionerError):
            load_model(name)

    threading.Thread(target=load, daemon=True).start()


@cache
def decoding_defaults(name: str) -> "DecodingOptions":
    """Default decoding options of a model, without loading it."""
    from captioner import checkpoint

    return checkpoint.read(name).decoding


@cache
def photo_gate() -> Gate:
    """Two photos at a time: one is decoded while the model captions the other, and memory use stays bounded."""
    return Gate(2)


@cache
def scoring_gate() -> Gate:
    """One evaluation at a time, because it keeps a core busy."""
    return Gate(1)
