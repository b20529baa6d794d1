"""Byte-pair encoding that leaves out merges at random (BPE-dropout, Provilkov et al. 2020), so that a word has many
spellings.

sentencepiece samples, too, but another distribution: a merge that it leaves out once is not tried again, so the same
rate cuts words finer (docs/decisions/0010-translation.md has figures). Up to its release 0.2.1 it cannot be seeded for
each step either, which exact resuming needs.
"""

import random
from functools import lru_cache

from captioner.text import UNK
from captioner.text.subwords import SPACE, Subwords


class Segmenter:
    """Cuts words into the pieces of a vocabulary; with no dropout as `Subwords.encode` does."""

    def __init__(self, subwords: Subwords) -> None:
        # A piece's id is the rank of the merge that makes it: the commonest came first. Characters stand at the end.
        self._ranks = {piece: index for index, piece in enumerate(subwords.pieces) if not subwords.is_control(index)}
        self._whole = lru_cache(maxsize=100_000)(self._cut)

    def segment(self, text: str, *, dropout: float, chance: random.Random) -> list[int]:
        """Ids of a text's pieces.

        Args:
            text: normalised; each unknown character gives `UNK`.
            dropout: probability that a merge is left out, each time it could be made.
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
