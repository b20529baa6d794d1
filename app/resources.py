"""What all visitors share: the models and the gates. The threads that caption photos use them too, so none needs a
page.
"""

import os
import threading
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from captioner.visit.gate import Gate
from captioner.visit.memory import give_back_large_blocks
from captioner.visit.photos import languages, models

if TYPE_CHECKING:
    from captioner import Captioner, DecodingOptions

_LOADING = threading.Lock()


def offered_models() -> dict[str, str]:
    """Name for people → what `captioner.load` takes."""
    return models(os.environ, separator=os.pathsep)


@cache
def offered_languages() -> dict[str, str]:
    """Name for people → two letters."""
    return languages()


def load_model(name: str) -> "Captioner":
    """One model for all visitors; it keeps nothing between calls. `name` is what `captioner.load` takes."""
    with _LOADING:  # two visitors at once must not load it twice
        return _load(name)


@lru_cache(maxsize=2)
def _load(name: str) -> "Captioner":
    import captioner

    give_back_large_blocks()  # before the first of them is freed
    return captioner.load(name)


def load_ahead(name: str) -> None:
    """Load a model in the background while the visitor looks for a photo; what is wrong with it is told when it is
    used.
    """

    def load() -> None:
        from captioner import CaptionerError

        try:
            load_model(name)
        except CaptionerError:
            return

    threading.Thread(target=load, daemon=True).start()


@cache
def decoding_defaults(name: str) -> "DecodingOptions":
    """What the model's makers found best; the model itself is not loaded."""
    from captioner import checkpoint

    return checkpoint.read(name).decoding


@cache
def photo_gate() -> Gate:
    """Two photos at once: while one is decoded the model works on the other, and the memory for pixels is bounded."""
    return Gate(2)


@cache
def scoring_gate() -> Gate:
    """One evaluation at a time: it keeps a core busy."""
    return Gate(1)
