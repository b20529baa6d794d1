"""Objective `text`: text pretraining of the decoder on captions without photos (`data.text`)."""

from collections.abc import Sequence

from captioner.models.encoder_decoder import EncoderDecoder
from train.batches import Batch
from train.config import PhaseBase
from train.objectives.cross_entropy import Loss
from train.objectives.objective import Material, Objective


class Text(Objective):
    """Teacher forcing without photos."""

    photos = False
    together = 5

    @classmethod
    def check(cls, phase: PhaseBase) -> None:
        """Refuse settings that need photos; see `Objective.check`."""
        if phase.encoder_learning_rate:
            raise ValueError(
                f"phase {phase.name}: the objective text trains no encoder; set encoder_learning_rate to 0"
            )
        phase.refuse("views", "crop", "flip", reason="without photos")

    @classmethod
    def lengths(cls, corpus: Material) -> list[int]:
        """Number of tokens of each text."""
        return list(map(len, corpus.texts))

    @classmethod
    def captions(cls, corpus: Material, numbers: Sequence[int], seed: str) -> list[list[list[int]]]:
        """The texts, grouped by `together`; see `Objective.captions`."""
        del seed
        texts = [corpus.texts[number] for number in numbers]
        return [texts[start : start + cls.together] for start in range(0, len(texts), cls.together)]

    def loss(self, model: EncoderDecoder, batch: Batch, *, seed: int) -> Loss:
        """Cross-entropy without attention penalty, because there is only one cell to attend to."""
        del seed
        return self.imitate(model, batch)[0]
