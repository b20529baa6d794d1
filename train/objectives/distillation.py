"""Learning from other models: what an ensemble of teachers holds probable, word by word (Hinton et al. 2015)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from pydantic import Field
from pydantic.dataclasses import dataclass as settings
from torch import Tensor

from captioner.checkpoint import Checkpoint
from captioner.checkpoint.weights import load_model
from captioner.config import STRICT, TextConfig
from captioner.decoding import DecodingOptions, Hypothesis
from captioner.decoding.beam import beam_search
from captioner.errors import UsageError
from captioner.inference import word_constraints
from captioner.models.decoder import DecoderState
from captioner.models.interfaces import Vectors
from captioner.text import BOS, EOS, PAD, UNK, Vocabulary
from train.batches import Batch


@settings(frozen=True, kw_only=True, config=STRICT)
class DistillationSettings:
    """Models to learn from, in phases whose objective is `captions`.

    Attributes:
        teachers: checkpoints (directories, or names of embedded models) of one vocabulary, which a new student takes
            over.
        weight: of what they say; that of people's captions is what is left to 1.
    """

    teachers: tuple[str, ...] = ()
    weight: Annotated[float, Field(ge=0, le=1)] = 0.5


class Teachers:
    """Models that write with the student's words; their opinions count alike.

    Attributes:
        encoders: each teacher's own.
        weight: of their opinion, in [0, 1]; that of people's captions is what is left to 1.
    """

    def __init__(
        self,
        checkpoints: Sequence[Checkpoint],
        vocabulary: Vocabulary,
        text: TextConfig,
        device: torch.device,
        *,
        weight: float = 0.5,
    ) -> None:
        """Load them.

        Args:
            checkpoints: at least one.
            vocabulary: the student's.
            text: how the student writes.
            device: where they work.
            weight: of their opinion.

        Raises:
            UsageError: a teacher has another vocabulary or writes in another direction.
            ModelError: a teacher's weights are missing or damaged.
        """
        for one in checkpoints:
            if one.vocabulary != vocabulary:
                raise UsageError(
                    f"{one.path} has another vocabulary than the models beside it; train it on the same data."
                )
            if one.config.text != text:
                tokens, direction = f"{one.config.text.tokens}s", one.config.text.direction
                way = direction if direction != text.direction else tokens
                raise UsageError(f"{one.path} writes {way}, unlike the models beside it.")
        self.weight = weight
        self._vocabulary = vocabulary
        self._models = [load_model(one).to(device) for one in checkpoints]
        self.encoders = [model.encoder for model in self._models]

    @torch.no_grad()
    def opinions(self, batch: Batch) -> Tensor:
        """Their mean probabilities of a batch's P tokens that follow another, (P, V); their encoders look where its
        grids lack.
        """
        if batch.taught:
            return self.probabilities([Vectors(grids.float()) for grids in batch.taught], batch.tokens)
        return self.probabilities([encoder(batch.inputs) for encoder in self.encoders], batch.tokens)

    @torch.no_grad()
    def probabilities(self, views: Sequence[Vectors], tokens: Tensor) -> Tensor:
        """The teachers' mean probabilities of each of the P tokens that follow another: (P, V).

        Args:
            views: for each teacher what its encoder gives of the B photos.
            tokens: (B, K, T), `<bos> … <eos>`, filled up with `<pad>`.
        """
        said = [
            model.decoder(vectors, tokens[..., :-1], tokens[..., 1:] != PAD).logits.float().softmax(-1)
            for model, vectors in zip(self._models, views, strict=True)
        ]
        return torch.stack(said).mean(0)

    @torch.inference_mode()
    def generate(self, images: Tensor, options: DecodingOptions) -> list[list[Hypothesis]]:
        """Search for what all of them together hold most probable.

        Args:
            images: (B, 3, S, S), uint8.
            options: what to search for.

        Returns:
            For each of the B the best sentences, best first.
        """
        decoders = [model.decoder for model in self._models]

        def step(tokens: Tensor, states: _States) -> tuple[Tensor, _States]:
            said, after = zip(
                *(decoder.step(tokens, state) for decoder, state in zip(decoders, states.each, strict=True)),
                strict=True,
            )
            return torch.stack(said).logsumexp(0) - math.log(len(said)), _States(after)

        return beam_search(
            step,
            _States(tuple(model.decoder.init_state(model.encoder(images)) for model in self._models)),
            batch_size=len(images),
            bos=BOS,
            eos=EOS,
            options=options,
            banned=(PAD, BOS, UNK),
            constraints=word_constraints(options, self._vocabulary),
            device=images.device,
        )


@dataclass(frozen=True)
class _States:
    each: tuple[DecoderState, ...]

    def select(self, rows: Tensor, beams: Tensor) -> "_States":
        return _States(tuple(state.select(rows, beams) for state in self.each))


def distillation(logits: Tensor, taught: Tensor) -> Tensor:
    """Cross-entropy of the student under the teachers' probabilities, a mean over tokens; least where they agree.

    Args:
        logits: (P, V), the student's.
        taught: the same shape, see `Teachers.probabilities`.
    """
    return F.cross_entropy(logits.float(), taught)
