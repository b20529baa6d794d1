"""One training run, from a checked configuration to the best checkpoint."""

import json
import math
import random
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from captioner import checkpoint
from captioner.checkpoint import Checkpoint
from captioner.config import to_mapping
from captioner.errors import CaptionerError, UsageError
from captioner.evaluation.scores import score
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.encoders import Vectors
from train.augment import crops, jitter
from train.config import PhaseSettings, TrainConfig
from train.corpus import Corpus
from train.data import batches, pad
from train.features import Grids, load_features, weights_key
from train.losses import Loss, attention_penalty, cross_entropy
from train.optimizer import (
    build_optimizer,
    exponential_average,
    learning_rate,
    optimizer_tensors,
    restore_optimizer,
)
from train.pretrained import load_pretrained, load_start
from train.self_critical import SelfCritic
from train.state import load_state, save_state, with_prefix, without_prefix
from train.validation import caption_photos

SENTENCES = 5  # of captions without photos, so many make a set, as if they were about one photo
STATE, BEST, EPOCHS, STEPS = "state.safetensors", "best", "epochs.jsonl", "steps.jsonl"


@dataclass
class Position:
    """How far a run has come: all that changes besides tensors."""

    phase: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0
    phase_step: int = 0
    loss_sum: float = 0.0
    tokens: int = 0
    best: float = -math.inf
    seconds: float = 0.0


@dataclass(frozen=True)
class Batch:
    """What a step reads.

    Attributes:
        inputs: images (B, 3, S, S) or grids (B, N, D).
        tokens: (B, K, T), the captions.
        photos: (B,), their numbers in the corpus; empty where captions have no photo.
    """

    inputs: Tensor
    tokens: Tensor
    photos: list[int]


class Run:
    """A training run: its data, its model, and where it stands."""

    def __init__(self, config: TrainConfig, corpus: Corpus, directory: Path) -> None:
        self.config = config
        self.corpus = corpus
        self.directory = directory
        if config.training.threads:
            torch.set_num_threads(config.training.threads)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(config.training.seed)
        self.model = EncoderDecoder(config.model(len(corpus.vocabulary))).to(self.device)
        self.average = self._new_average()
        self.moments: dict[str, Tensor] = {}  # of the optimiser, between `resume` and `fit`
        self.critic: SelfCritic | None = None
        self.at = Position()

    # -- the loop ---------------------------------------------------------------------------------------------------

    def start(self, checkpoint: Checkpoint | None) -> None:
        """Begin with a checkpoint's weights or, where there is none, with a pretrained encoder's.

        Raises:
            UsageError: they cannot be had, or belong to another network.
            ModelError: the checkpoint's weights are missing or damaged.
        """
        if checkpoint:
            load_start(self.model, checkpoint)
        else:
            load_pretrained(self.model.encoder, self.config.encoder)
        self.average = self._new_average()

    def fit(self) -> None:
        """Train from where the run stands to its end.

        Raises:
            CaptionerError: the loss is no longer a number.
            OutputError: the state or a checkpoint cannot be written.
        """
        # What was logged after the state that the run goes on from will come again.
        _cut_log(self.directory / STEPS, self.at.step)
        _cut_log(
            self.directory / EPOCHS, sum(phase.epochs for phase in self.config.phase[: self.at.phase]) + self.at.epoch
        )
        for number, phase in enumerate(self.config.phase):
            if number < self.at.phase:
                continue
            optimizer = build_optimizer(self.model, phase)
            if self.at.phase_step:
                restore_optimizer(optimizer, self._names(), self.moments)
                self.moments = {}
            grids = self._grids(phase) if not phase.encoder_learning_rate and phase.objective != "text" else None
            self.critic = self._critic() if phase.objective == "self-critical" else None
            for epoch in range(self.at.epoch, phase.epochs):
                self.at.epoch = epoch
                self._epoch(phase, optimizer, grids)
                scores = self._validate()
                self._record(phase, scores)
                self.at = replace(self.at, epoch=epoch + 1, batch=0, loss_sum=0.0, tokens=0)
                self._save(optimizer)
            # The next phase starts from the averaged weights: they are what was validated.
            if self.config.training.average_decay:
                self.model.load_state_dict(self.average.module.state_dict())
            self.average = self._new_average()
            self.at = replace(self.at, phase=number + 1, epoch=0, phase_step=0)
            self._save(None)

    def _epoch(self, phase: PhaseSettings, optimizer: torch.optim.Optimizer, grids: Grids | None) -> None:
        """One pass over the training photos, from the batch where the run stands."""
        settings = self.config.training
        groups = self._groups(phase)
        steps = phase.epochs * len(groups)
        self.model.train()
        for part in self.model.encoder.modules():  # statistics stay those of pretraining: batches are too small
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()
        title = f"{phase.name} {self.at.epoch + 1}/{phase.epochs}"
        with (
            tqdm(desc=title, total=len(groups), initial=self.at.batch, unit="batch") as bar,
            (self.directory / STEPS).open("a", encoding="utf-8") as log,
        ):
            for number, group in list(enumerate(groups))[self.at.batch :]:
                begun = time.monotonic()
                torch.manual_seed(settings.seed * 1_000_003 + self.at.step)  # dropout, for exact resuming
                rate = learning_rate(self.at.phase_step, steps, phase.warmup)
                for parameters in optimizer.param_groups:
                    parameters["lr"] = parameters["peak"] * rate
                batch = self._batch(phase, group, grids)
                loss = self._loss(phase, batch, self.at.phase_step / steps)
                optimizer.zero_grad(set_to_none=True)
                loss.value.backward()  # type: ignore[no-untyped-call]
                norm = float(nn.utils.clip_grad_norm_(self._trained(optimizer), settings.clip_norm))
                if not math.isfinite(norm):
                    raise CaptionerError(
                        f"step {self.at.step + 1}: the loss is no longer a number; lower {phase.name}'s learning rates."
                    )
                optimizer.step()
                if settings.average_decay:
                    self.average.update_parameters(self.model)
                value, seconds = loss.value.item(), time.monotonic() - begun
                at = self.at
                at.batch, at.step, at.phase_step = number + 1, at.step + 1, at.phase_step + 1
                at.loss_sum, at.tokens = at.loss_sum + value * loss.tokens, at.tokens + loss.tokens
                at.seconds += seconds
                log.write(json.dumps({"step": at.step, "loss": value, "norm": norm, "rate": rate, **loss.facts}) + "\n")
                bar.update()
                speed = math.prod(batch.tokens.shape[:2]) / seconds
                bar.set_postfix(
                    {"loss": f"{at.loss_sum / at.tokens:.3f}", "norm": f"{norm:.2f}", "captions/s": f"{speed:.0f}"}
                )
                if at.step % settings.save_every == 0:
                    log.flush()
                    self._save(optimizer)

    def _loss(self, phase: PhaseSettings, batch: Batch, progress: float) -> Loss:
        """What this step makes smaller; `progress` is how much of the phase is behind, in [0, 1)."""
        settings = self.config.training
        tokens, inputs = batch.tokens.to(self.device), batch.inputs.to(self.device)
        seed = settings.seed * 1_000_003 + self.at.step
        with self._arithmetic():
            vectors = Vectors(inputs.float()) if inputs.dim() == 3 else self.model.encoder(inputs)
            loss, forced = cross_entropy(
                self.model.decoder,
                vectors,
                tokens,
                smoothing=settings.label_smoothing,
                own_words=phase.scheduled_sampling * progress,
                seed=seed,
            )
            value = loss.value
            if settings.attention_regularisation:
                value = value + settings.attention_regularisation * attention_penalty(forced.attention, tokens)
            if self.critic is None:
                return Loss(value, loss.tokens)
            share = phase.cross_entropy_share
            critical = self.critic.loss(self.model.decoder, vectors, batch.photos, count=phase.samples, seed=seed)
            return Loss((1 - share) * critical.value + share * value, critical.tokens, critical.facts)

    # -- what a step reads ------------------------------------------------------------------------------------------

    def _groups(self, phase: PhaseSettings) -> list[list[int]]:
        """The batches of the pass that comes next: numbers of photos, or of captions without photos."""
        seed = f"{self.config.training.seed}/{self.at.phase}/{self.at.epoch}"
        if phase.objective == "text":
            return batches(list(map(len, self.corpus.texts)), SENTENCES * phase.batch_size, seed)
        return batches(self.corpus.lengths, phase.batch_size, seed)

    def _batch(self, phase: PhaseSettings, numbers: list[int], grids: Grids | None) -> Batch:
        """What the step that comes next reads about these photos or captions."""
        seed = f"{self.config.training.seed}/{self.at.step}"
        if phase.objective == "text":
            texts = [self.corpus.texts[number] for number in numbers]
            tokens = pad([texts[start : start + SENTENCES] for start in range(0, len(texts), SENTENCES)])
            return Batch(torch.zeros(len(tokens), 1, self.model.encoder.output_size), tokens, [])  # nothing to see
        captions = [self.corpus.captions[photo] for photo in numbers]
        if phase.objective == "self-critical":  # one of people's is enough beside the samples
            captions = [[random.Random(f"{seed}/{place}").choice(choices)] for place, choices in enumerate(captions)]
        tokens = pad(captions)
        if grids is not None:
            return Batch(grids.choose(numbers, seed), tokens, numbers)
        seeds = [f"{seed}/{photo}" for photo in numbers]
        mirror = [self.corpus.mirrored[photo] for photo in numbers] if phase.flip else None
        cut = crops(self.corpus.train.pixels[numbers], seeds, smallest=phase.crop, mirror=mirror)
        return Batch(jitter(cut, seed, strength=phase.colour), tokens, numbers)

    def _grids(self, phase: PhaseSettings) -> Grids:
        key = f"{weights_key(self.model.encoder)}-{self.config.training.precision}"
        features = load_features(
            self.corpus.train,
            self._encode,
            key=key,
            views=phase.views,
            crop=phase.crop,
            mirror=self.corpus.mirrored if phase.flip else None,
            seed=self.config.training.seed,
            cache=Path(self.config.data.cache),
            name="train",
        )
        return Grids(features)

    def _critic(self) -> SelfCritic:
        longest = self.config.decoding.max_length
        return SelfCritic(self.corpus.words, self.corpus.vocabulary, max_length=longest)

    def _encode(self, images: Tensor) -> Tensor:
        self.model.encoder.eval()
        with torch.inference_mode(), self._arithmetic():
            grid: Tensor = self.model.encoder(images.to(self.device)).values
        return grid

    def _arithmetic(self) -> AbstractContextManager[object]:
        enabled = self.config.training.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    # -- validation -------------------------------------------------------------------------------------------------

    def _validate(self) -> dict[str, float]:
        """Scores of a free-running beam search on the validation photos, with the averaged weights."""
        model = self.average.module if self.config.training.average_decay else self.model
        begun = time.monotonic()
        predictions = caption_photos(
            model, self.corpus.validation, self.config, self.corpus.vocabulary, self._arithmetic()
        )
        references = {photo.id: photo.captions for photo in self.corpus.validation.photos}
        found = score(predictions, references).as_dict()
        found["seconds"] = time.monotonic() - begun
        if found[self.config.training.select_by] > self.at.best:
            self.at.best = found[self.config.training.select_by]
            self._save_best(model, found)
        return found

    def _save_best(self, model: nn.Module, scores: dict[str, float]) -> None:
        assert isinstance(model, EncoderDecoder)
        facts = {
            "config": self._settings(),
            "photos": len(self.corpus.train),
            "captions": sum(map(len, self.corpus.captions)),
            "steps": self.at.step,
            "hours": round(self.at.seconds / 3600, 2),
        }
        checkpoint.save(
            self.directory / BEST,
            model,
            vocabulary=self.corpus.vocabulary,
            decoding=self.config.decoding,
            scores={"validation": {name: round(value, 4) for name, value in scores.items() if name != "seconds"}},
            training=facts,
            card=f"# {self.config.name}\n\nTrained by `python -m train fit`; scores and settings are in `config.json`.\n",
        )

    def _record(self, phase: PhaseSettings, scores: dict[str, float]) -> None:
        record = {
            "phase": phase.name,
            "epoch": self.at.epoch + 1,
            "step": self.at.step,
            "loss": self.at.loss_sum / max(1, self.at.tokens),
            "train_seconds": round(self.at.seconds, 1),
            **scores,
        }
        with (self.directory / EPOCHS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        shown = " ".join(f"{name} {100 * scores[name]:.1f}" for name in ("Bleu_4", "CIDEr"))
        print(
            f"{phase.name} {self.at.epoch + 1}/{phase.epochs}: loss {record['loss']:.3f}, validation {shown}",
            flush=True,
        )

    # -- optimiser, averaging, resuming -----------------------------------------------------------------------------

    def _trained(self, optimizer: torch.optim.Optimizer) -> list[Tensor]:
        return [parameter for group in optimizer.param_groups for parameter in group["params"]]

    def _names(self) -> dict[Tensor, str]:
        return {parameter: name for name, parameter in self.model.named_parameters()}

    def _new_average(self) -> AveragedModel:
        return AveragedModel(self.model, multi_avg_fn=exponential_average(self.config.training.average_decay))

    def _settings(self) -> dict[str, Any]:
        """The configuration without the places on this machine, which are nobody else's business and may change."""
        settings = to_mapping(self.config)
        places = (("data", "root"), ("data", "also"), ("data", "text"), ("data", "cache"), ("encoder", "weights"))
        for section, key in places:
            del settings[section][key]
        return settings | {"start": Path(self.config.start).name}

    def _save(self, optimizer: torch.optim.Optimizer | None) -> None:
        tensors = {
            **with_prefix("model.", dict(self.model.state_dict())),
            **with_prefix("average.", dict(self.average.state_dict())),
            **with_prefix("optimizer.", optimizer_tensors(optimizer, self._names()) if optimizer else {}),
        }
        save_state(
            self.directory / STATE, tensors, {"at": vars(self.at), "config": self._settings(), "data": self.corpus.key}
        )

    def resume(self) -> None:
        """Go back to the last saved state.

        Raises:
            UsageError: there is none, or it belongs to another configuration.
        """
        path = self.directory / STATE
        tensors, facts = load_state(path)
        if facts["config"] != self._settings():
            raise UsageError(f"{path}: made with another configuration; resume with that one or choose another --out.")
        if facts["data"] != self.corpus.key:
            raise UsageError(f"{path}: made with other photos or captions; resume with those or choose another --out.")
        self.at = Position(**facts["at"])
        self.model.load_state_dict(without_prefix("model.", tensors))
        self.average.load_state_dict(without_prefix("average.", tensors))
        self.moments = without_prefix("optimizer.", tensors)


def _cut_log(path: Path, lines: int) -> None:
    """Keep the first lines of a log, one a step or an epoch, and drop what came after."""
    if path.is_file():
        kept = path.read_text(encoding="utf-8").splitlines(keepends=True)[:lines]
        with checkpoint.replacing(path) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")
