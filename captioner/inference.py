"""Code shared by `Captioner` and `Translator`: devices, precision, beam search, attention and log-probabilities."""

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
_OTHERS = 4
"""Number of alternatives to each token."""


def find_device(name: str) -> torch.device:
    """Find a device by name. `auto` prefers cuda, then mps, then cpu.

    Raises:
        UsageError: the name is unknown, or this machine has no such device.
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
        raise UsageError(f"device {name!r}: this machine has no such device that PyTorch can use; try cpu.")
    return torch.device(name)


def find_precision(name: str, device: torch.device, *, prepared: bool) -> Precision:
    """Find a precision by name. `auto` chooses int8 where it is faster.

    Args:
        name: `auto`, `int8` or `float32`.
        device: the model's device.
        prepared: whether the checkpoint has input ranges, which int8 needs.

    Raises:
        UsageError: the name is unknown, or int8 was asked for and is not available.
    """
    if name not in PRECISIONS:
        raise UsageError(f"precision {name!r} is unknown; known: {', '.join(PRECISIONS)}.")
    if name == "float32":
        return "float32"
    if not prepared:
        problem = "the checkpoint was not prepared for it; run python -m train quantize, or use float32"
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
    """Run beam search for B sets of vectors; see `beam_search`.

    Args:
        decoder: the decoder.
        vectors: the encoder's output, which the decoder attends to.
        options: settings of the search.
        bos: id of the token that starts every sentence.
        banned: ids that are never generated, besides `<pad>` and `<bos>`.
        unknown: (B,), maximum number of `<unk>` in each sentence; None for 0.
        constraints: further constraints.
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
    """The constraints of decoding options that depend on the vocabulary; see `DecodingOptions.repeat_words`."""
    if options.repeat_words:
        return []
    return [no_repeated_words(torch.tensor([token in REPEATABLE for token in vocabulary.tokens]))]


def pad(sentences: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """Sentences about B photos as one tensor (B, K, T), padded with `<pad>`; K and T are the maxima."""
    count, length = max(map(len, sentences)), max(len(ids) for some in sentences for ids in some)
    tokens = torch.full((len(sentences), count, length), PAD)
    for row, some in enumerate(sentences):
        for place, ids in enumerate(some):
            tokens[row, place, : len(ids)] = torch.tensor(ids)
    return tokens


def reread(decoder: Decoder, vectors: Vectors, hypotheses: Sequence[Hypothesis], *, bos: int = BOS) -> Forced:
    """Run the decoder on one hypothesis per set of vectors (K = 1), for the logits and attention of each step."""
    return decoder(vectors, pad([[[bos, *one.tokens]] for one in hypotheses]).to(vectors.values.device))


def attention_of(forced: Forced, hypotheses: Sequence[Hypothesis]) -> list[list[list[float]]]:
    """The attention weights of each token of the hypotheses given to `reread`.

    Returns:
        For each sentence and token, the N attention weights.
    """
    weights = forced.attention[:, 0].tolist()
    return [weight[: len(one.tokens)] for weight, one in zip(weights, hypotheses, strict=True)]


def guesses_of(forced: Forced, hypotheses: Sequence[Hypothesis]) -> list[list[tuple[float, list[tuple[int, float]]]]]:
    """The log-probability of each token of the hypotheses given to `reread`, and the most probable other tokens.

    Returns:
        For each sentence and token, its log-probability, and at most four other ids with their probabilities.
    """
    said = forced.logits[:, 0].float().log_softmax(-1)  # (B, T, V)
    shares = said.exp()
    shares[..., [PAD, BOS, EOS, UNK]] = 0
    best, ids = shares.topk(min(_OTHERS + 1, shares.shape[-1]), dim=-1)
    found = []
    for row, one in enumerate(hypotheses):
        some = []
        for place, token in enumerate(one.tokens):
            pairs = zip(ids[row, place].tolist(), best[row, place].tolist(), strict=True)
            some.append((float(said[row, place, token]), [pair for pair in pairs if pair[0] != token][:_OTHERS]))
        found.append(some)
    return found


def confidence_of(hypothesis: Hypothesis) -> float:
    """The geometric mean of the token probabilities of a sentence, including `<eos>`, in [0, 1]."""
    return math.exp(hypothesis.log_prob / (len(hypothesis.tokens) + int(hypothesis.finished)))


def log_probs_of(decoder: Decoder, vectors: Vectors, sentences: Sequence[Sequence[Sequence[int]]]) -> list[list[float]]:
    """Compute the log-probabilities of given sentences for each of B sets of vectors.

    Args:
        decoder: the decoder.
        vectors: vectors of B photos.
        sentences: at least one sentence per photo, as ids without `<bos>` and `<eos>`.

    Returns:
        For each photo and sentence, its natural log-probability, including `<eos>`.
    """
    tokens = pad([[[BOS, *one, EOS] for one in some] for some in sentences]).to(vectors.values.device)
    said = decoder(vectors, tokens[..., :-1]).logits.float().log_softmax(-1)
    chosen = said.gather(-1, tokens[..., 1:, None])[..., 0].masked_fill(tokens[..., 1:] == PAD, 0)  # (B, K, T)
    return [row[: len(some)] for row, some in zip(chosen.sum(-1).tolist(), sentences, strict=True)]


def log_probs_unseen(decoder: Decoder, vectors: Vectors, hypotheses: Sequence[Hypothesis]) -> list[float]:
    """Compute the log-probabilities of sentences without an image.

    The decoder attends to a single zero vector, as in training on text only.

    Args:
        decoder: the decoder.
        vectors: any vectors from the encoder; only their size D and device are used.
        hypotheses: at least one sentence.

    Returns:
        For each sentence, its natural log-probability, including `<eos>`.
    """
    nothing = vectors.values.new_zeros(1, 1, vectors.values.shape[2])
    return log_probs_of(decoder, Vectors(nothing), [[one.tokens for one in hypotheses]])[0]
