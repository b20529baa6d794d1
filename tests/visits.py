"""Photos of a visit with made-up captions."""

from captioner.predict import Alternative, Caption, TokenGuess
from captioner.visit.photos import VisitPhoto


def caption(
    text: str = "A dog runs.",
    *,
    confidence: float = 0.5,
    guesses: tuple[TokenGuess, ...] | None = None,
    tokens: tuple[str, ...] = ("a", "dog", "runs"),
) -> Caption:
    return Caption(
        text=text,
        tokens=tokens,
        log_prob=-1.5,
        confidence=confidence,
        alternatives=(Alternative(text=text, tokens=tokens, log_prob=-1.5),),
        attention=None,
        grid=None,
        width=640,
        height=480,
        guesses=guesses,
    )


def photo(name: str = "dog.jpg", text: str = "A dog runs.", confidence: float = 0.5) -> VisitPhoto:
    return VisitPhoto(name=name, picture=b"", thumbnail=b"", caption=caption(text, confidence=confidence))
