"""What a phase makes smaller: people's captions, the reward, teachers, and penalties, put together."""

import torch
from torch import Tensor

from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.encoders import Vectors
from train.config import LoopSettings, PhaseSettings
from train.objectives.distillation import Teachers, distillation
from train.objectives.losses import Loss, attention_penalty, cross_entropy
from train.objectives.self_critical import SelfCritic
from train.photos.feed import Batch


class Objective:
    """The loss of one phase."""

    def __init__(
        self,
        settings: LoopSettings,
        phase: PhaseSettings,
        *,
        critic: SelfCritic | None = None,
        teachers: Teachers | None = None,
        weight: float = 0.0,
    ) -> None:
        """Put the parts together.

        Args:
            settings: of all phases.
            phase: this one.
            critic: gives the reward, where that counts.
            teachers: other models to learn from, if any.
            weight: theirs.
        """
        self.settings = settings
        self.phase = phase
        self.critic = critic
        self.teachers = teachers
        self.weight = weight

    def loss(self, model: EncoderDecoder, batch: Batch, *, progress: float, seed: int) -> Loss:
        """What one step makes smaller.

        Args:
            model: the student.
            batch: on the model's device.
            progress: how much of the phase is behind, in [0, 1).
            seed: of what is drawn at random.
        """
        inputs = batch.inputs
        vectors = Vectors(inputs.float()) if inputs.dim() == 3 else model.encoder(inputs)
        people, forced = cross_entropy(
            model.decoder,
            vectors,
            batch.tokens,
            smoothing=self.settings.label_smoothing,
            own_words=self.phase.scheduled_sampling * progress,
            seed=seed,
        )
        value, facts = people.value, people.facts
        if self.teachers:
            taught = self.teachers.probabilities(self._views(batch), batch.tokens)
            value = (1 - self.weight) * value + self.weight * distillation(forced.logits, taught)
        # A caption without a photo has one cell to look at, all the time.
        if self.settings.attention_regularisation and self.phase.objective != "text":
            penalty = attention_penalty(forced.attention, batch.tokens)
            value = value + self.settings.attention_regularisation * penalty
        tokens = people.tokens
        if self.critic:
            share = self.phase.cross_entropy_share
            reward = self.critic.loss(model.decoder, vectors, batch.photos, count=self.phase.samples, seed=seed)
            value, tokens, facts = (1 - share) * reward.value + share * value, reward.tokens, reward.facts
        return Loss(value, tokens, facts)

    def _views(self, batch: Batch) -> list[Vectors]:
        """What each teacher sees of the batch."""
        assert self.teachers
        if batch.taught:
            return [Vectors(grids.float()) for grids in batch.taught]
        with torch.no_grad():
            return [encoder(batch.inputs) for encoder in self.teachers.encoders]


def on_device(batch: Batch, device: torch.device) -> Batch:
    """A batch whose tensors live where the model does."""

    def move(tensor: Tensor) -> Tensor:
        return tensor.to(device)

    return Batch(move(batch.inputs), move(batch.tokens), batch.photos, tuple(map(move, batch.taught)))
