"""Toy data: scenes with captions, and sentences with translations, from two small grammars."""

import random
from dataclasses import dataclass

import torch
from torch import Tensor

COLORS = ["black", "white", "brown", "red", "blue", "yellow"]
NOUNS = ["dog", "cat", "horse", "bird", "man", "woman", "boy", "girl"]
VERBS = ["runs", "jumps", "sleeps", "plays", "waits", "sits"]
PLACES = [
    "on the beach",
    "in the water",
    "on the grass",
    "in the snow",
    "on a street",
    "in a park",
    "near a house",
    "on a rock",
]
WAYS = (
    "a {color} {noun} {verb} {place}",
    "a {noun} {verb} {place}",
    "{place} a {color} {noun} {verb}",
    "there is a {color} {noun} that {verb} {place}",
    "the {noun} that {verb} {place} is {color}",
)
"""How a caption may be put."""

CELLS, CHANNELS = 4, 24

_NAMES = ["dog", "cat", "horse", "bird", "man", "woman", "boy", "girl", "teacher", "farmer"]
_KINDS = ["small", "big", "young", "old", "happy", "quiet", "red", "white"]
_DEEDS = ["sees", "hears", "follows", "helps", "finds", "likes", "calls", "meets"]
_LINKS = ["and", "because", "while", "but"]


@dataclass(frozen=True)
class Scene:
    """The content of a toy photo: indices of its words in the lists above."""

    color: int
    noun: int
    verb: int
    place: int


def draw_scenes(count: int, seed: int) -> list[Scene]:
    """Random scenes, possibly with duplicates."""
    chance = random.Random(f"scenes {seed}")
    sizes = (len(COLORS), len(NOUNS), len(VERBS), len(PLACES))
    return [Scene(*map(chance.randrange, sizes)) for _ in range(count)]


def caption(scene: Scene) -> list[str]:
    """Five captions of a scene."""
    words = {
        "color": COLORS[scene.color],
        "noun": NOUNS[scene.noun],
        "verb": VERBS[scene.verb],
        "place": PLACES[scene.place],
    }
    return [way.format(**words) for way in WAYS]


def to_vectors(scenes: list[Scene], seed: int) -> Tensor:
    """Vectors of these scenes, as from an encoder: (B, 4, 24), a code for each word, in cells of random order, plus
    noise.
    """
    # One fixed code for each word; color and noun share a cell, as in a photo.
    codes = [
        torch.randn(len(words), CHANNELS, generator=torch.Generator().manual_seed(number))
        for number, words in enumerate((COLORS, NOUNS, VERBS, PLACES))
    ]
    chance = torch.Generator().manual_seed(seed)
    color, noun, verb, place = (
        code[[getattr(scene, part) for scene in scenes]]
        for code, part in zip(codes, ("color", "noun", "verb", "place"), strict=True)
    )
    cells = torch.stack([color + noun, verb, place, torch.zeros_like(noun)], 1)
    order = torch.rand(len(scenes), CELLS, generator=chance).argsort(1)
    cells = cells[torch.arange(len(scenes))[:, None], order]
    return cells + torch.randn(cells.shape, generator=chance) * 0.7


def draw_translations(count: int, seed: int) -> list[tuple[list[str], list[str]]]:
    """Sentences of 1 to 3 clauses and their translations, as words.

    The target language is artificial: its words are English words spelled backwards, adjectives follow their nouns, and
    verbs come at the end of their clauses. A clause has 5 to 7 words.
    """
    chance = random.Random(f"translations {seed}")
    return [_sentence(chance, chance.randint(1, 3)) for _ in range(count)]


def _sentence(chance: random.Random, clauses: int) -> tuple[list[str], list[str]]:
    source: list[str] = []
    target: list[str] = []
    for number in range(clauses):
        if number:
            link = chance.choice(_LINKS)
            source.append(link)
            target.append(link[::-1])
        (who, whose), (whom, what) = _thing(chance), _thing(chance)
        deed = chance.choice(_DEEDS)
        source += [*who, deed, *whom]
        target += [*whose, *what, deed[::-1]]
    return source, target


def _thing(chance: random.Random) -> tuple[list[str], list[str]]:
    """A noun, optionally with an adjective, in both languages."""
    name, kind = chance.choice(_NAMES), chance.choice(_KINDS) if chance.random() < 0.7 else ""
    words = ["the", kind, name] if kind else ["the", name]
    return words, ["eht", *(word[::-1] for word in (name, kind) if word)]
