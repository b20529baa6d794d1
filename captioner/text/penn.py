"""Penn Treebank tokens of captions, as in COCO's evaluation.

Word tokens are those of the Penn Treebank (Marcus et al., Computational Linguistics 19(2), 1993) in the dialect that
COCO's evaluation uses (Chen et al., "Microsoft COCO Captions", arXiv:1504.00325, section 4.1): lower case, clitics
separated ("a man 's hat", "does n't"), hyphenated words kept whole, and plain punctuation removed. Training and
evaluation share this tokenizer.
"""

import html
import re
import unicodedata

# Abbreviations that always keep their full stop, in lower and upper case.
ABBREVIATIONS = """
    mr mrs ms dr drs prof profs sen sens rep reps atty attys lt col gen messrs gov govs adm rev maj sgt cpl pvt mt capt
    st ste ave pres lieut hon brig cmdr comdr pfc spc supt supts det jr sr bros esq inc co cos corp pty ltd plc bancorp
    bhd assn univ intl sys invt elec natl mfg mtg ph jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed
    thu thurs fri ala ariz calif colo conn ct dak fla ga ind kan kans ky md mich minn mo mont neb nev okla penn tenn va
    vt wis wisc wyo etc al seq bldg vs alex wm jos cie cf treas ft blvd rd sq dept est tel ext mlle mme rt adj adv asst
    ens insp
"""
# ... only if capitalized ("mass." ends a sentence, "Mass." is a state), and only before a number.
ABBREVIATIONS_CAPITALIZED = "Az Ark Del Ill La Mass Miss Ore Pa Tex Wash"
ABBREVIATIONS_BEFORE_NUMBERS = "no nos prop fig figs pp op"
# "plan b. The" is two sentences, "t. Smith" is a name: capitalized after a single letter, these words begin a sentence.
_OPENERS = """
    a about according additionally after an as at but he her here however if in it last many more now one other our she
    since so some such that the their then there these they this we what when while yet you
"""

_LETTER = r"[^\W\d_]"
_ALNUM = r"[^\W_]"
_THING = rf"{_ALNUM}+(?:[-_]{_ALNUM}+)*"
_CLITIC = r"(?:[smd]|ll|re|ve)(?!\w)"


def _any_of(words: str) -> str:
    return "|".join(sorted(words.split(), reverse=True))  # "pp" before "p": the longer one first


# Text that no alternative matches (spaces, commas, quotes, single hyphens, full stops) is dropped, as by COCO. Python
# takes the first alternative that matches, not the longest, so the order matters; the first line is only for speed.
_TOKEN = re.compile(
    rf"""
      [A-Za-z]{{2,}}(?=[\s,]|$)
    | <[/!?]?[A-Za-z][^\s<>]*>                                                  # a tag: <b>
    | https?://[^\s"<>|()]*[^\s"<>|().,!?:;{{}}'-]
    | www\.[^\s"<>|()]*[^\s"<>|().,!?:;{{}}'-]
    | [A-Za-z0-9][\w.+-]{{0,64}}@\w[\w.-]*\b                                           # an address: dog@example.com
    | [@#][A-Za-z_]\w*                                                          # @name, #tag
    | (?i:\'[2-9]0s|\'\d\d(?=\s))                                           # '90s, '09
    | (?i:\'t(?=is(?:n't)?\b|was\b)|\'(?:em|till?|cause|n'?)(?!\w)|'{_CLITIC}|n't\w*)
    | [@&*+=|\\~^%$/°<>()\[\]{{}}](?=\s|$)
    | [dlnoA-HJ-XZ]'(?!(?i:{_CLITIC})){_LETTER}+                        # o'clock, d'oeuvre, O'Brien
    | {_LETTER}*(?i:[aeiouy])'(?!(?i:{_CLITIC}))(?=[aeiouA-Z])(?<![yY]'){_LETTER}+   # hawai'i
    | (?i:c'mon|s'mores|li'l|ev'ry|nat'l|nor'easter|y'(?=\w)|(?:ol|dunkin|somethin)'(?!\w))
    | (?:[A-Za-z]\.)+[A-Za-z]\.(?:-{_ALNUM}+)*(?!{_LETTER})                     # u.s., p.m., u.s.-made
    | {_LETTER}{_ALNUM}*(?:[.!?]{_LETTER}{_ALNUM}*)+                         # two sentences without a space: end.next
    | {_LETTER}{_ALNUM}*\.(?=[,;:])
    | [A-Za-z]\.(?!\s*$|\s+(?=[A-Z])(?i:{_any_of(_OPENERS)})(?!\w))                  # j. smith
    | (?i:{_any_of(ABBREVIATIONS)})\.
    | (?:{_any_of(ABBREVIATIONS_CAPITALIZED + " " + ABBREVIATIONS_CAPITALIZED.upper())})\.
    | (?i:{_any_of(ABBREVIATIONS_BEFORE_NUMBERS)})\.(?=\s*\d)
    | [A-Z]+(?:&[A-Z]+)+
    | [A-Z]+\$
    | [+-]?\d*(?:[.:,]\d+)+(?:-\d+)?                                            # 2:46, 37,000, .5
    | {_THING}(?:/{_THING}){{0,2}}                                              # words, 4x4, close-up, and/or
    | (?:[+]|(?<!-)-)\d+
    | [:;=]-?[()]
    | [?!]{{2,}} | -{{5,}} | _+ | \#+ | [^\w\s.,:;?!'"`-]                       # other symbols, one at a time
    """,
    re.VERBOSE,
)

_REWRITTEN: dict[str, tuple[str, ...]] = {
    "cannot": ("can", "not"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "wanna": ("wan", "na"),
    "lemme": ("lem", "me"),
    "gimme": ("gim", "me"),
    "(": ("-lrb-",),
    ")": ("-rrb-",),
    "[": ("-lsb-",),
    "]": ("-rsb-",),
    "{": ("-lcb-",),
    "}": ("-rcb-",),
    "€": ("$",),
    "£": ("#",),
    "¢": ("cents",),
}
# Nine of ten captions contain only words, commas and a final full stop; for these, splitting at spaces suffices.
_PLAIN = re.compile(r"[A-Za-z, ]++(\.?)\s*")
_NOT_PLAIN = frozenset(_REWRITTEN)
_NOT_PLAIN_AT_END = frozenset(f"{ABBREVIATIONS} {ABBREVIATIONS_CAPITALIZED}".lower().split())
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d+|#x[0-9a-fA-F]+);")
_NOT = re.compile(r"(?i)(?<=[a-z])(?=n't)")
_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("‘’‛", "'"),
        **dict.fromkeys("“”«»‹›„‟‚", '"'),
        **dict.fromkeys("‒–—―", " -- "),
        **dict.fromkeys("‐‑", "-"),
        **dict.fromkeys("\u200b\u200c\u2060\ufeff", " "),
        "\u00ad": None,
        "…": " ... ",
        "½": " 1/2 ",
        "¼": " 1/4 ",
        "¾": " 3/4 ",
    }
)


def _plain_typography(caption: str) -> str:
    """Convert curly quotes and dashes to ASCII, compose accents, remove emoji (non-letters beyond the basic plane)."""
    caption = unicodedata.normalize("NFC", caption.translate(_TYPOGRAPHY))
    return "".join(c if c <= "\uffff" or c.isalnum() else " " for c in caption)


def ptb_tokenize(caption: str) -> list[str]:
    """Tokenize a caption as COCO's evaluation does: Penn Treebank tokens in lower case, without plain punctuation.

    Source: the tokens are those of the Stanford PTBTokenizer (Manning et al., ACL 2014, demonstrations) with
    lower-casing, without coco-caption's list of punctuation (quotes, brackets spelled in capitals, ``. ? ! , : ; -
    -- ...``). Brackets become ``-lrb-`` etc. and are kept, because that list has them only in capitals. Known
    differences: numbers such as telephone numbers, which the original joins across spaces, and characters that it
    cannot tokenize.

    Args:
        caption: any text; it has no tokens if it is empty or only punctuation.

    Returns:
        Non-empty tokens without white space.
    """
    if plain := _PLAIN.fullmatch(caption):
        words = caption.lower().replace(",", " ").replace(".", " ").split()
        if _NOT_PLAIN.isdisjoint(words) and not (plain[1] and words and words[-1] in _NOT_PLAIN_AT_END):
            return words
    if not caption.isascii():
        caption = _plain_typography(caption)
    if "&" in caption:
        caption = _ENTITY.sub(lambda match: html.unescape(match[0]), caption)
    if "'" in caption:
        caption = _NOT.sub(" ", caption)
    tokens: list[str] = []
    for token in _TOKEN.findall(caption):
        lower = token.lower()
        if lower in _REWRITTEN:
            tokens.extend(_REWRITTEN[lower])
        else:
            tokens.append(lower)
    return tokens
