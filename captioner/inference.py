"""What `Captioner` and `Translator` share: a device, the search over a decoder, and what is told about its result."""

import math
from collections.abc import Callable, Collection, Sequence
from typing import Literal

import torch
from torch import Tensor

from captioner.decoding import DecodingOptions, Hypothesis
from captioner.decoding.beam import beam_search
from captioner.decoding.constraints import Constraint, at_most, no_repeated_words
from captioner.errors import UsageError
from captioner.models.interfaces import Decoder, Forced, Vectors
from captioner.models.quantized import is_supported
from captioner.text import BOS, EOS, PAD, UNK, Vocabulary
from captioner.text.english import REPEATABLE

Precision = Literal["int8", "float32"]
PRECISIONS = "auto", "int8", "float32"


def find_device(name: str) -> torch.device:
    """Find a device by name; `auto` prefers cuda, then mps, then cpu.

    Raises:
        UsageError: there is none of that name here.
    """
    there: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if name == "auto":
        return torch.device(next(device for device, present in there.items() if present()))
    if name not in there:
        raise UsageError(f"device {name!r} is unknown; known: auto, {', '.join(sorted(there))}.")
    if not there[name]():
        raise UsageError(f"device {name!r}: this machine has none that PyTorch can use; try cpu.")
    return torch.device(name)


def find_precision(name: str, device: torch.device, *, prepared: bool) -> Precision:
    """Find what a model computes in by name; `auto` prefers int8 where it is faster.

    Args:
        name: `auto`, `int8` or `float32`.
        device: where the model is.
        prepared: whether the checkpoint has the ranges that int8 needs.

    Raises:
        UsageError: the name is unknown, or int8 is not to be had.
    """
    if name not in PRECISIONS:
        raise UsageError(f"precision {name!r} is unknown; known: {', '.join(PRECISIONS)}.")
    if name == "float32":
        return "float32"
    if not prepared:
        problem = "the checkpoint was not prepared for it; see python -m train quantize"
    elif device.type != "cpu" or not is_supported():
        problem = "it needs an x86 processor with VNNI instructions; use float32"
    else:
        return "int8"
    if name == "int8":
        raise UsageError(f"precision int8: {problem}.")
    return "float32"


def generate(
    decoder: Decoder,
    vectors: Vectors,
    options: DecodingOptions,
    *,
    bos: int = BOS,
    banned: Collection[int] = (),
    unknown: Tensor | None = None,
    constraints: Sequence[Constraint] = (),
) -> list[list[Hypothesis]]:
    """Search for sentences about B sets of vectors; see `beam_search`.

    Args:
        decoder: what writes.
        vectors: what it looks at.
        options: what to search for.
        bos: what a sentence begins with.
        banned: ids that are never written, besides `<pad>` and `<bos>`.
        unknown: (B,), how many `<unk>` each sentence may hold; none if None.
        constraints: what else is forbidden.
    """
    return beam_search(
        decoder.step,
        decoder.init_state(vectors),
        batch_size=len(vectors.values),
        bos=bos,
        eos=EOS,
        options=options,
        banned={PAD, BOS, *banned, *([UNK] if unknown is None else [])},
        constraints=[*constraints, *([] if unknown is None else [at_most(UNK, unknown)])],
        device=vectors.values.device,
    )


def word_constraints(options: DecodingOptions, vocabulary: Vocabulary) -> list[Constraint]:
    """What a search must know of the words themselves to do what the options say; see
    `DecodingOptions.repeat_words`.
    """
    if options.repeat_words:
        return []
    return [no_repeated_words(torch.tensor([token in REPEATABLE for token in vocabulary.tokens]))]


def reread(decoder: Decoder, vectors: Vectors, hypotheses: Sequence[Hypothesis], *, bos: int = BOS) -> Forced:
    """Read a sentence about each of B sets of vectors once more, for what a search forgets; K is 1."""
    length = max(len(one.tokens) for one in hypotheses)
    rows = [[bos, *one.tokens, *[PAD] * (length - len(one.tokens))] for one in hypotheses]
    return decoder(vectors, torch.tensor(rows, device=vectors.values.device)[:, None])


def attention_of(forced: Forced, hypotheses: Sequence[Hypothesis]) -> list[list[list[float]]]:
    """Where a decoder looked at each token of the sentences that it reread.

    Returns:
        For each sentence a row for each token, the shares of attention on the N vectors.
    """
    weights = forced.attention[:, 0].tolist()
    return [weight[: len(one.tokens)] for weight, one in zip(weights, hypotheses, strict=True)]


def guesses_of(
    forced: Forced, hypotheses: Sequence[Hypothesis], *, count: int = 4
) -> list[list[tuple[float, list[tuple[int, float]]]]]:
    """How probable a decoder holds each token of the sentences that it reread, given those before it.

    Returns:
        For each sentence and token its log-probability, and at most `count` other ids with their probabilities.
    """
    said = forced.logits[:, 0].float().log_softmax(-1)  # (B, T, V)
    shares = said.exp()
    shares[..., [PAD, BOS, EOS, UNK]] = 0
    best, ids = shares.topk(min(count + 1, shares.shape[-1]), dim=-1)
    found = []
    for row, one in enumerate(hypotheses):
        some = []
        for place, token in enumerate(one.tokens):
            pairs = zip(ids[row, place].tolist(), best[row, place].tolist(), strict=True)
            some.append((float(said[row, place, token]), [pair for pair in pairs if pair[0] != token][:count]))
        found.append(some)
    return found


def confidence_of(hypothesis: Hypothesis) -> float:
    """The geometric mean of the probabilities of a sentence's tokens, its end included, in [0, 1]."""
    return math.exp(hypothesis.log_prob / (len(hypothesis.tokens) + int(hypothesis.finished)))


def log_probs_of(decoder: Decoder, vectors: Vectors, sentences: Sequence[Sequence[Sequence[int]]]) -> list[list[float]]:
    """How probable a decoder holds given sentences about each of B sets of vectors.

    Args:
        decoder: the decoder.
        vectors: of B photos.
        sentences: for each of them at least one sentence, as ids without `<bos>` and `<eos>`.

    Returns:
        For each sentence the natural logarithm of its probability, its end included.
    """
    count, length = max(map(len, sentences)), max(len(one) for some in sentences for one in some)
    tokens = torch.full((len(sentences), count, length + 2), PAD)
    for row, some in enumerate(sentences):
        for place, one in enumerate(some):
            tokens[row, place, : len(one) + 2] = torch.tensor([BOS, *one, EOS])
    tokens = tokens.to(vectors.values.device)
    said = decoder(vectors, tokens[..., :-1]).logits.float().log_softmax(-1)
    chosen = said.gather(-1, tokens[..., 1:, None])[..., 0].masked_fill(tokens[..., 1:] == PAD, 0)  # (B, K, T)
    return [row[: len(some)] for row, some in zip(chosen.sum(-1).tolist(), sentences, strict=True)]


def log_probs_unseen(decoder: Decoder, vectors: Vectors, hypotheses: Sequence[Hypothesis]) -> list[float]:
    """How probable a decoder holds sentences if it sees nothing: natural logarithms, their ends included.

    Nothing is one vector of zeros, which is also what it sees where it learns from text alone.

    Args:
        decoder: the decoder.
        vectors: such as it attends to; only their width and device matter.
        hypotheses: at least one sentence.
    """
    nothing = vectors.values.new_zeros(1, 1, vectors.values.shape[2])
    return log_probs_of(decoder, Vectors(nothing), [[one.tokens for one in hypotheses]])[0]
