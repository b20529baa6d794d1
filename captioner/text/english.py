"""English: the article "a" or "an", function words, and words that a caption may repeat."""

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
"""Words that rarely end an English sentence. Some can ("a man walks by"), so compare the fraction with that of people's
captions.
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

Besides function words, pronouns and numbers, these are the words most often repeated in the captions of COCO or
Flickr8k: of the captions that contain the word, at least 2 % contain it twice, and at least 15 captions of one dataset
do. Nouns that models repeat but people do not ("a sign in front of a sign") were removed by hand: bus, sign, bed,
toilet, pizza and animals.
"""

# The article depends on the sound, not the letter: "an hour", "a uniform". Letters that are read one by one
# have their own sounds: "an SUV".
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
"""Exceptions among words that begin with a vowel letter, or with a number of the list above."""


def takes_an(word: str) -> bool:
    """Whether the indefinite article before a word is "an", because it begins with a vowel sound.

    Args:
        word: in lower case.
    """
    return bool(_VOWEL_SOUND.match(word)) and not _CONSONANT_SOUND.match(word)


def with_articles(tokens: Sequence[str]) -> list[str]:
    """Replace "a" and "an" by the article that matches the sound of the next word."""
    return [
        token if token not in {"a", "an"} or not following[:1].isalnum() else ("an" if takes_an(following) else "a")
        for token, following in zip(tokens, [*tokens, ""][1:], strict=True)
    ]
