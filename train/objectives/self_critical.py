"""Objective `self-critical`: self-critical sequence training, which makes samples with an above-average reward more
probable.

Rennie et al. 2017 compare each sample with the greedy caption. Here each of several samples of a photo is compared with
the mean of the others (Luo 2020, "A better variant of self-critical sequence training"), which needs no extra search.
"""

import random
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from captioner.config import STRICT
from captioner.decoding.sampling import sample
from captioner.evaluation.bleu import bleu, bleu_statistics
from captioner.evaluation.cider import CiderD
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.interfaces import Decoder, Vectors
from captioner.text import BOS, EOS, PAD, UNK, Direction, Vocabulary
from captioner.text.english import FUNCTION_WORDS
from train.batches import Batch
from train.config import PhaseBase
from train.objectives.cross_entropy import Loss
from train.objectives.objective import Material, Objective

END = "<eos>"
"""Counts as a word in samples and references: a truncated sentence shares no n-gram with the references' ends."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SelfCriticalSettings(PhaseBase):
    """Settings of this objective.

    Attributes:
        samples: captions sampled per photo.
        bleu_weight: weight of a sample's BLEU-4, which is added to its CIDEr-D as the reward.
        cross_entropy_share: weight of the cross-entropy of people's captions, which keeps captions grammatical; the
            rest, up to 1, is the weight of the reward.
    """

    samples: Annotated[int, Field(ge=2)] = 5
    bleu_weight: Annotated[float, Field(ge=0)] = 0.0
    cross_entropy_share: Annotated[float, Field(ge=0, le=1)] = 0.2


class SelfCritical(Objective):
    """Self-critical loss plus a share of cross-entropy."""

    settings = SelfCriticalSettings
    phase: SelfCriticalSettings

    @cached_property
    def critic(self) -> "SelfCritic":
        """Scores samples against the training captions, whose n-grams are weighted once."""
        assert self.corpus  # translators have no reward
        return SelfCritic(
            self.corpus.words,
            self.corpus.vocabulary,
            max_length=self.max_length,
            bleu_weight=self.phase.bleu_weight,
            direction=self.corpus.direction,
        )

    @classmethod
    def captions(cls, corpus: Material, numbers: Sequence[int], seed: str) -> list[list[list[int]]]:
        """One human caption per photo, which is enough beside the samples; see `Objective.captions`."""
        choices = (corpus.captions[photo] for photo in numbers)
        return [[random.Random(f"{seed}/{place}").choice(captions)] for place, captions in enumerate(choices)]

    def loss(self, model: EncoderDecoder, batch: Batch, *, seed: int) -> Loss:
        """Self-critical loss plus a share of cross-entropy; see `Objective.loss`."""
        people, forced, vectors = self.imitate(model, batch)
        reward = self.critic.loss(model.decoder, vectors, batch.photos, count=self.phase.samples, seed=seed)
        share = self.phase.cross_entropy_share
        value = (1 - share) * reward.value + share * (people.value + self.penalty(forced, batch))
        return Loss(value, reward.tokens, reward.facts)


class SelfCritic:
    """The reward (CIDEr-D and optionally BLEU-4 against the training captions) and the resulting loss."""

    def __init__(
        self,
        references: Sequence[Sequence[Sequence[str]]],
        vocabulary: Vocabulary,
        *,
        max_length: int,
        bleu_weight: float = 0.0,
        direction: Direction = "left-to-right",
    ) -> None:
        """Compute the weights of the references' n-grams.

        Args:
            references: captions of each photo as tokens; photos without captions are never scored.
            vocabulary: vocabulary of the model.
            max_length: maximum number of tokens in a sample.
            bleu_weight: factor of BLEU-4, in [0, 1], which is added to CIDEr-D; 0 omits it.
            direction: direction in which the model writes; the references are already reversed for it.
        """
        self.last = -2 if direction == "left-to-right" else 0  # position of a sample's last word
        self.vocabulary = vocabulary
        self.max_length = max_length
        self.bleu_weight = bleu_weight
        self.references = {
            photo: [[*tokens, END] for tokens in captions] for photo, captions in enumerate(references) if captions
        }
        self.cider = CiderD(self.references)

    def draw(self, decoder: Decoder, vectors: Vectors, count: int, seed: int) -> Tensor:
        """Samples of the decoder without dropout, as in inference: (B, K, T), `<bos> … <eos>`, then `<pad>`."""
        training = decoder.training
        decoder.eval()
        device = vectors.values.device
        with torch.no_grad():
            drawn = sample(
                decoder.step,
                decoder.init_state(vectors),
                batch_size=len(vectors.values),
                count=count,
                bos=BOS,
                eos=EOS,
                max_length=self.max_length,
                generator=torch.Generator(device).manual_seed(seed),
                banned=(PAD, BOS, UNK),
            )
        decoder.train(training)
        after = (drawn == EOS).cumsum(-1) - (drawn == EOS).long() > 0
        return torch.cat([drawn.new_full((*drawn.shape[:2], 1), BOS), drawn.masked_fill(after, PAD)], -1)

    def reward(self, photos: Sequence[int], samples: Tensor) -> tuple[Tensor, dict[str, float]]:
        """The reward of each sample, (B, K), in [0, 10] without BLEU, and values for the log, where `reward` is CIDEr-D
        alone.
        """
        texts = [
            [self.vocabulary.tokens[token] for token in sentence if token not in {PAD, BOS}]
            for row in samples.tolist()
            for sentence in row
        ]
        about = [photo for photo in photos for _ in range(samples.shape[1])]
        scores = self.cider.score(list(zip(about, texts, strict=True)))
        broken = [text[-1] != END or text[self.last] in FUNCTION_WORDS for text in texts]
        facts = {"reward": float(scores.mean()), "broken_off": sum(broken) / len(broken)}
        if self.bleu_weight:
            each = bleu(bleu_statistics(texts, [self.references[photo] for photo in about]))[:, -1]
            scores, facts = scores + self.bleu_weight * each, facts | {"bleu": float(each.mean())}
        return torch.tensor(scores, dtype=torch.float32, device=samples.device).view(samples.shape[:2]), facts

    def loss(self, decoder: Decoder, vectors: Vectors, photos: Sequence[int], *, count: int, seed: int) -> Loss:
        """−Σ (reward − mean reward of the photo's other samples) · log p(sample), averaged over tokens.

        Args:
            decoder: the decoder; in training mode its gradient passes through dropout.
            vectors: vectors of B photos.
            photos: indices of the photos among the references.
            count: samples per photo, at least 2.
            seed: random seed of the samples.
        """
        samples = self.draw(decoder, vectors, count, seed)
        rewards, facts = self.reward(photos, samples)
        advantage = (rewards - rewards.mean(1, keepdim=True)) * count / (count - 1)
        targets = samples[..., 1:]
        present = targets != PAD
        logits = decoder(vectors, samples[..., :-1], present).logits.float()
        surprise = F.cross_entropy(logits, targets[present], reduction="none")
        value = (advantage[..., None].expand_as(targets)[present] * surprise).mean()
        return Loss(value, len(logits), facts)
