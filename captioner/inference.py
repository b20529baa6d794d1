"""What `Captioner` and `Translator` share: a device, the search over a decoder, and what is told about its result."""

import math
from collections.abc import Callable, Collection, Sequence

import torch

from captioner.decoding import DecodingOptions, Hypothesis, beam_search
from captioner.errors import UsageError
from captioner.models.decoder import Decoder
from captioner.models.encoders import Vectors
from captioner.text import BOS, EOS, PAD, UNK


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


def generate(
    decoder: Decoder, vectors: Vectors, options: DecodingOptions, *, bos: int = BOS, banned: Collection[int] = ()
) -> list[list[Hypothesis]]:
    """Search for sentences about B sets of vectors that begin with `bos`; see `beam_search`."""
    return beam_search(
        decoder.step,
        decoder.init_state(vectors),
        batch_size=len(vectors.values),
        bos=bos,
        eos=EOS,
        options=options,
        banned={PAD, BOS, UNK, *banned},
        device=vectors.values.device,
    )


def attention_of(
    decoder: Decoder, vectors: Vectors, hypotheses: Sequence[Hypothesis], *, bos: int = BOS
) -> list[list[list[float]]]:
    """Where a decoder looked at each token of a sentence about each of B sets of vectors.

    The search forgets it, so the sentences are read once more.

    Returns:
        For each sentence a row for each token, the shares of attention on the N vectors.
    """
    length = max(len(one.tokens) for one in hypotheses)
    rows = [[bos, *one.tokens, *[PAD] * (length - len(one.tokens))] for one in hypotheses]
    tokens = torch.tensor(rows, device=vectors.values.device)[:, None]
    weights = decoder(vectors, tokens).attention[:, 0].tolist()
    return [weight[: len(one.tokens)] for weight, one in zip(weights, hypotheses, strict=True)]


def confidence_of(hypothesis: Hypothesis) -> float:
    """The geometric mean of the probabilities of a sentence's tokens, its end included, in [0, 1]."""
    return math.exp(hypothesis.log_prob / (len(hypothesis.tokens) + int(hypothesis.finished)))
