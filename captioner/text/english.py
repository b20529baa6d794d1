"""English as people write it: the article before a sound, and the words that may stand twice in a caption."""

import re
from collections.abc import Sequence

FUNCTION_WORDS = frozenset(
    """
    a an the this that these those his her its their my our your some any no each every another
    of in on at by for with from to into onto over under through between behind near beside above below along across
    against and or but while as than because if
    is are was were be being has have had
    """.split()  # noqa: SIM905 - reads better
)
"""Words after which an English sentence seldom ends. Some can ("a man walks by"), so the share is to be read beside
people's.
"""

REPEATABLE = FUNCTION_WORDS | frozenset(
    """
    up down out off around it he she they who which 's n't not very other one two three four
    black white red blue green yellow brown pink orange purple gray grey large small big little old young
    man woman boy girl person player dog side
    tennis baseball soccer football basketball hockey train
    """.split()  # noqa: SIM905 - reads better
)
"""Words that people repeat within a caption: "a black dog and a white dog", "a tennis player on a tennis court".

Besides function words, pronouns and numbers, these are the words that people's captions of COCO or Flickr8k repeat
most: of those that hold one, at least 2 in 100 hold it twice, and they stand twice in at least 15 captions of one of
the two. Nouns that a model repeats where people do not ("a sign in front of a sign") are left out by hand: bus, sign,
bed, toilet, pizza and animals.
"""

# Sounds, not letters, choose the article: "an hour", "a uniform". Letters that are read one by one
# have sounds of their own: "an SUV".
_VOWEL_SOUND = re.compile(
    r"""
    hour | heir | honou?r | honest | herb (?! iv )         # the h is silent
    | (?: x-?ray | mri | mp[34] | rvs? | suvs? | nba | nfl | nhl | mlb | fbi | hd | hdtv
        | lcd | led | xbox ) (?! [a-z] )
    | [aefhilmnorsx] (?: - | $ )                           # a letter by itself: "an L", "an x-shaped"
    | (?: 8 | 11 | 18 ) (?! \d\d )                         # eight, eighty, eleven, eighteen
    | [aeiou]
    """,
    re.VERBOSE,
)
_CONSONANT_SOUND = re.compile(
    r"""
    one (?! rous ) | once | ouija                          # as in "won"
    | e [uw]                                               # as in "you"
    | uni (?! [nmd] ) | unanim | ubiq | u (?: k [eru] | r [aio] | s [aeu] | t [aeio] )
    | (?: usb | ufo | u[kswv] | u ) (?! [a-z] )
    | (?: 110 | 180 ) (?! \d )                             # one hundred …
    """,
    re.VERBOSE,
)
"""Of words that begin with the letter of a vowel, or with a figure of the list above."""


def takes_an(word: str) -> bool:
    """Whether the indefinite article before a word is "an": whether it begins with the sound of a vowel.

    Args:
        word: in lower case.
    """
    return bool(_VOWEL_SOUND.match(word)) and not _CONSONANT_SOUND.match(word)


def with_articles(tokens: Sequence[str]) -> list[str]:
    """The same words with "a" and "an" as the sound of the next one wants it."""
    return [
        token if token not in {"a", "an"} or not following[:1].isalnum() else ("an" if takes_an(following) else "a")
        for token, following in zip(tokens, [*tokens, ""][1:], strict=True)
    ]
