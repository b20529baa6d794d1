"""From what somebody types to a query of SQLite's full-text index."""

import re
from unicodedata import normalize

from captioner.errors import UsageError

_MOST_WORDS = 64
_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")

# Words that say little about a photo, in the languages of the captions. They are not searched for beside other words.
_FUNCTION_WORDS = frozenset(
    """
    a an the this that these those his her its their my our your some any no each every another and or but
    of in on at by for with from to into onto over under between behind near while as is are was were be being
    der die das den dem des ein eine einen einem einer eines und oder in im an am auf aus bei mit nach von vom zu zum
    zur über unter vor hinter neben zwischen ist sind
    le la les l un une des du de d et ou à au aux en dans sur sous avec par pour devant derrière est sont
    v ve na se s z ze k ke u o do od po před za nad pod mezi při a i nebo je jsou
    """.split()  # noqa: SIM905 - reads better
)


def words_of(text: str) -> list[str]:
    """The words to search for, each once; whatever else is in the text is no operator and is left out.

    Raises:
        UsageError: there is no word, or there are too many.
    """
    words = list(dict.fromkeys(_WORD.findall(normalize("NFC", text).lower())))
    if not words:
        raise UsageError(f"{text!r} has no word to search for; give one or several, such as: dog beach.")
    words = [word for word in words if word not in _FUNCTION_WORDS] or words
    if len(words) > _MOST_WORDS:
        raise UsageError(f"the query has {len(words)} words; give at most {_MOST_WORDS}.")
    return words


def match(words: list[str], operator: str) -> str:
    """A query for FTS5: all words (`AND`) or some of them (`OR`). A word with a dash in it is a phrase of its parts."""
    return f" {operator} ".join(f'"{word}"' for word in words)
