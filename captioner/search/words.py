"""Convert a user's query to a query of SQLite's full-text index."""

import re
from unicodedata import normalize

from captioner.errors import UsageError

_MOST_WORDS = 64
_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")

# Function words of the supported languages. They are ignored unless the query has no other words.
_FUNCTION_WORDS = frozenset(
    """
    a an the this that these those his her its their my our your some any no each every another and or but
    of in on at by for with from to into onto over under between behind near while as is are was were be being
    der die das den dem des ein eine einen einem einer eines und oder in im an am auf aus bei mit nach von vom zu zum
    zur über unter vor hinter neben zwischen ist sind
    le la les l un une des du de d et ou à au aux en dans sur sous avec par pour devant derrière est sont
    v ve na se s z ze k ke u o do od po před za nad pod mezi při a i nebo je jsou
    """.split()  # noqa: SIM905 - more readable than a list
)


def words_of(text: str) -> list[str]:
    """Extract the distinct words to search for. Other characters are ignored; there are no operators.

    Raises:
        UsageError: there are no words, or too many.
    """
    words = list(dict.fromkeys(_WORD.findall(normalize("NFC", text).lower())))
    if not words:
        raise UsageError(f"{text!r} has no word to search for; give one or more words, such as: dog beach.")
    words = [word for word in words if word not in _FUNCTION_WORDS] or words
    if len(words) > _MOST_WORDS:
        raise UsageError(f"the query has {len(words)} words; give at most {_MOST_WORDS}.")
    return words


def match(words: list[str], operator: str) -> str:
    """Build an FTS5 query for all (`AND`) or any (`OR`) of the words. A word with a dash matches its parts in order."""
    return f" {operator} ".join(f'"{word}"' for word in words)
