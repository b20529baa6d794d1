"""Tokens and their ids."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from captioner.errors import ModelError, UsageError

PAD, BOS, EOS, UNK = range(4)
SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<unk>")


@dataclass(frozen=True)
class Vocabulary:
    """Tokens and their ids: the id of a token is its index in `tokens`. Immutable, so it may be shared between threads.

    Attributes:
        tokens: the special tokens ``<pad> <bos> <eos> <unk>`` (ids 0 to 3), then all other tokens, without duplicates.

    Raises:
        ModelError: the special tokens are not first, or a token is repeated, empty or not a string.
    """

    tokens: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for token in self.tokens:
            if not isinstance(token, str) or not token:
                raise ModelError(f"The vocabulary contains {token!r}; every token must be a non-empty string.")
        if self.tokens[: len(SPECIAL_TOKENS)] != SPECIAL_TOKENS:
            raise ModelError(
                f"The vocabulary begins with {list(self.tokens[:4])}; it must begin with {list(SPECIAL_TOKENS)}."
            )
        ids = {token: index for index, token in enumerate(self.tokens)}
        if len(ids) != len(self.tokens):
            twice = next(token for index, token in enumerate(self.tokens) if ids[token] != index)
            raise ModelError(f"The vocabulary contains {twice!r} twice; every token must be unique.")
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def build(cls, token_lists: Iterable[Sequence[str]], *, min_count: int = 1) -> Self:
        """Build a vocabulary from a training set.

        Args:
            token_lists: one list of tokens per caption.
            min_count: at least 1; rarer tokens become ``<unk>``.

        Returns:
            The vocabulary, ordered by descending frequency and then by code points.

        Raises:
            UsageError: `min_count` is below 1.
        """
        if min_count < 1:
            raise UsageError(f"min_count is {min_count}; it must be at least 1.")
        counts = Counter(token for tokens in token_lists for token in tokens)
        for token in SPECIAL_TOKENS:  # captions that contain one of them as text must not use its id
            counts.pop(token, None)
        kept = sorted((token for token, count in counts.items() if count >= min_count), key=lambda t: (-counts[t], t))
        return cls((*SPECIAL_TOKENS, *kept))

    def extended(self, other: "Vocabulary") -> "Vocabulary":
        """This vocabulary with unchanged ids, followed by the tokens that only `other` has."""
        return Vocabulary((*self.tokens, *(token for token in other.tokens if token not in self)))

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Ids of tokens, without ``<bos>`` and ``<eos>``. Unknown tokens and special tokens as text become `UNK`."""
        ids = (self._ids.get(token, UNK) for token in tokens)
        return [index if index > UNK else UNK for index in ids]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Tokens of ids up to the first `EOS`, without special tokens.

        Raises:
            IndexError: an id is outside the vocabulary.
        """
        tokens = []
        for index in ids:
            if index == EOS:
                break
            if not 0 <= index < len(self.tokens):
                raise IndexError(f"id {index} is outside a vocabulary of {len(self.tokens)} tokens")
            if index > UNK:
                tokens.append(self.tokens[index])
        return tokens

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    def to_json(self) -> dict[str, list[str]]:
        """Convert to an object with the list of all tokens, the inverse of `from_json`."""
        return {"tokens": list(self.tokens)}

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read the output of `to_json`.

        Args:
            data: parsed JSON.

        Raises:
            ModelError: the structure or the tokens are invalid.
        """
        if not isinstance(data, dict) or set(data) != {"tokens"} or not isinstance(data["tokens"], list):
            raise ModelError(
                'The vocabulary is not an object {"tokens": [...]}; the file is damaged or belongs to another program.'
            )
        return cls(tuple(data["tokens"]))
