"""Byte-pair encoding that skips merges at random (BPE-dropout, Provilkov et al. 2020), so that a word has many
segmentations.

sentencepiece also samples, but from another distribution: a merge that it skips once is not tried again, so the same
rate splits words more finely (docs/decisions/0010-translation.md has figures). Up to version 0.2.1 it cannot be seeded
for each step either, which exact resuming needs.
"""

import random
from functools import lru_cache

from captioner.text import UNK
from captioner.text.subwords import SPACE, Subwords


class Segmenter:
    """Splits words into the pieces of a vocabulary; without dropout, the same as `Subwords.encode`."""

    def __init__(self, subwords: Subwords) -> None:
        # A piece's id is the rank of its merge, the most frequent first. Single characters come last.
        self._ranks = {piece: index for index, piece in enumerate(subwords.pieces) if not subwords.is_control(index)}
        self._whole = lru_cache(maxsize=100_000)(self._cut)

    def segment(self, text: str, *, dropout: float, chance: random.Random) -> list[int]:
        """The ids of a text's pieces.

        Args:
            text: normalized text; each unknown character gives `UNK`.
            dropout: probability of skipping a merge, each time it could be applied.
            chance: source of randomness.
        """
        ids: list[int] = []
        for word in text.split(" "):
            ids += self._cut(word, dropout, chance) if dropout else self._whole(word)
        return ids

    def _cut(self, word: str, dropout: float = 0.0, chance: random.Random | None = None) -> list[int]:
        pieces = [SPACE, *word]
        while len(pieces) > 1:
            best, place = len(self._ranks), -1
            for left in range(len(pieces) - 1):
                rank = self._ranks.get(pieces[left] + pieces[left + 1], best)
                if rank < best and not (chance and chance.random() < dropout):
                    best, place = rank, left
            if place < 0:
                break
            pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
        return [self._ranks.get(piece, UNK) for piece in pieces]
