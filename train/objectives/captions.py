"""Objective `captions`: cross-entropy of captions or translations by people, optionally with knowledge distillation."""

from captioner.models.encoder_decoder import EncoderDecoder
from train.batches import Batch
from train.objectives.cross_entropy import Loss
from train.objectives.distillation import distillation
from train.objectives.objective import Objective


class Captions(Objective):
    """Teacher forcing."""

    def loss(self, model: EncoderDecoder, batch: Batch, *, seed: int) -> Loss:
        """Cross-entropy of people's captions, mixed with that of the teachers' probabilities; see `Objective.loss`."""
        del seed
        people, forced, _ = self.imitate(model, batch)
        value = people.value
        if self.teachers:
            weight = self.teachers.weight
            taught = distillation(forced.logits, self.teachers.opinions(batch))
            value = (1 - weight) * value + weight * taught
        return Loss(value + self.penalty(forced, batch), people.tokens)
