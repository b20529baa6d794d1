"""Knowledge distillation from an ensemble of teachers, word by word (Hinton et al. 2015)."""

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
    """Teachers for phases whose objective is `captions`.

    Attributes:
        teachers: checkpoints (directories or embedded models) with the same vocabulary, which a new student adopts.
        weight: weight of the teachers' cross-entropy; the rest, up to 1, is that of people's captions.
    """

    teachers: tuple[str, ...] = ()
    weight: Annotated[float, Field(ge=0, le=1)] = 0.5


class Teachers:
    """An ensemble of models with the student's vocabulary, all with the same weight.

    Attributes:
        encoders: encoder of each teacher.
        weight: weight of the teachers' cross-entropy, in [0, 1]; the rest is that of people's captions.
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
        """Load the teachers.

        Args:
            checkpoints: the teachers' checkpoints, at least one.
            vocabulary: vocabulary of the student.
            text: text settings of the student.
            device: device of the teachers.
            weight: weight of the teachers' cross-entropy.

        Raises:
            UsageError: a teacher has another vocabulary or writes in another direction.
            ModelError: a teacher's weights are missing or damaged.
        """
        for one in checkpoints:
            if one.vocabulary != vocabulary:
                raise UsageError(
                    f"{one.path} has another vocabulary than the other models; use models with the same one."
                )
            if one.config.text != text:
                tokens, direction = f"{one.config.text.tokens}s", one.config.text.direction
                way = direction if direction != text.direction else tokens
                raise UsageError(
                    f"{one.path} writes {way}, unlike the other models; use models with the same text.direction."
                )
        self.weight = weight
        self._vocabulary = vocabulary
        self._models = [load_model(one).to(device) for one in checkpoints]
        self.encoders = [model.encoder for model in self._models]

    @torch.no_grad()
    def opinions(self, batch: Batch) -> Tensor:
        """The teachers' mean probabilities of a batch's P predicted tokens, (P, V). Their encoders run on the images if
        the batch has no grids.
        """
        if batch.taught:
            return self.probabilities([Vectors(grids.float()) for grids in batch.taught], batch.tokens)
        return self.probabilities([encoder(batch.inputs) for encoder in self.encoders], batch.tokens)

    @torch.no_grad()
    def probabilities(self, views: Sequence[Vectors], tokens: Tensor) -> Tensor:
        """The teachers' mean probabilities of each of the P predicted tokens: (P, V).

        Args:
            views: for each teacher, its encoder's vectors of the B photos.
            tokens: (B, K, T), `<bos> … <eos>`, padded with `<pad>`.
        """
        said = [
            model.decoder(vectors, tokens[..., :-1], tokens[..., 1:] != PAD).logits.float().softmax(-1)
            for model, vectors in zip(self._models, views, strict=True)
        ]
        return torch.stack(said).mean(0)

    @torch.inference_mode()
    def generate(self, images: Tensor, options: DecodingOptions) -> list[list[Hypothesis]]:
        """Search with the averaged probabilities of the ensemble.

        Args:
            images: (B, 3, S, S), uint8.
            options: decoding options.

        Returns:
            The sentences for each of the B images, best first.
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
    """Mean cross-entropy between the teachers' and the student's probabilities over tokens.

    Args:
        logits: (P, V), of the student.
        taught: (P, V), see `Teachers.probabilities`.
    """
    return F.cross_entropy(logits.float(), taught)
