"""One training run, from a checked configuration to the best checkpoint."""

import json
import math
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from captioner import checkpoint
from captioner.config import to_mapping
from captioner.errors import CaptionerError, UsageError
from captioner.evaluation.data import CaptionedPhoto
from captioner.evaluation.scores import score
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.encoders import Vectors
from captioner.text import PAD, SPECIAL_TOKENS, Tokenizer, Vocabulary
from train.config import PhaseSettings, TrainConfig
from train.data import (
    IMAGES,
    batches,
    crops,
    encode_captions,
    hash_of,
    jitter,
    load_photos,
    pad,
)
from train.features import Grids, load_features, weights_key
from train.optimizer import (
    build_optimizer,
    exponential_average,
    learning_rate,
    optimizer_tensors,
    restore_optimizer,
)
from train.pretrained import load_pretrained
from train.state import load_state, save_state, with_prefix, without_prefix
from train.validation import caption_photos

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
    """What a step reads: `inputs` are images (B, 3, S, S) or cached grids (B, N, D); tokens (B, K, T)."""

    inputs: Tensor
    tokens: Tensor


class Run:
    """A training run: its data, its model, and where it stands."""

    def __init__(self, config: TrainConfig, photos: dict[str, list[CaptionedPhoto]], directory: Path) -> None:
        self.config = config
        self.directory = directory
        if config.training.threads:
            torch.set_num_threads(config.training.threads)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tokenizer = Tokenizer(config.text.tokens)
        images, cache = Path(config.data.root) / IMAGES, Path(config.data.cache)
        self.train, self.validation = (
            load_photos(chosen, images, size=config.image.size, cache=cache, name=split)
            for split, chosen in photos.items()
        )
        words = [self.tokenizer.tokenize(text) for photo in self.train.photos for text in photo.captions]
        self.vocabulary = Vocabulary.build(words, min_count=config.data.min_count)
        self.captions = encode_captions(self.train.photos, self.tokenizer, self.vocabulary, config.data.max_length)
        self.lengths = [max(map(len, captions), default=0) for captions in self.captions]
        if len(self.vocabulary) <= len(SPECIAL_TOKENS):
            raise UsageError(f"no word stands in {config.data.min_count} captions; lower data.min_count.")
        torch.manual_seed(config.training.seed)
        self.model = EncoderDecoder(config.model(len(self.vocabulary))).to(self.device)
        self.average = self._new_average()
        self.moments: dict[str, Tensor] = {}  # of the optimiser, between `resume` and `fit`
        self.at = Position()

    # -- the loop ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin with the encoder's pretrained weights.

        Raises:
            UsageError: they cannot be had, or belong to another network.
        """
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
            grids = self._grids(phase) if not phase.encoder_learning_rate else None
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
        groups = batches(self.lengths, phase.batch_size, f"{settings.seed}/{self.at.phase}/{self.at.epoch}")
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
                loss, tokens = self._loss(self._batch(phase, group, grids))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                norm = float(nn.utils.clip_grad_norm_(self._trained(optimizer), settings.clip_norm))
                if not math.isfinite(norm):
                    raise CaptionerError(
                        f"step {self.at.step + 1}: the loss is no longer a number; lower {phase.name}'s learning rates."
                    )
                optimizer.step()
                if settings.average_decay:
                    self.average.update_parameters(self.model)
                value = loss.item()
                at = self.at
                at.batch, at.step, at.phase_step = number + 1, at.step + 1, at.phase_step + 1
                at.loss_sum, at.tokens = at.loss_sum + value * tokens, at.tokens + tokens
                at.seconds += time.monotonic() - begun
                log.write(json.dumps({"step": at.step, "loss": value, "norm": norm, "rate": rate}) + "\n")
                bar.update()
                bar.set_postfix(loss=f"{at.loss_sum / at.tokens:.3f}", norm=f"{norm:.2f}")
                if at.step % settings.save_every == 0:
                    log.flush()
                    self._save(optimizer)

    def _loss(self, batch: Batch) -> tuple[Tensor, int]:
        """Cross-entropy of the next token under teacher forcing, per token, and the number of tokens."""
        tokens = batch.tokens.to(self.device)
        with self._arithmetic():
            forced = (
                self.model.decoder(Vectors(batch.inputs.to(self.device).float()), tokens[..., :-1])
                if batch.inputs.dim() == 3
                else self.model(batch.inputs.to(self.device), tokens[..., :-1])
            )
        targets = tokens[..., 1:]
        smoothing = self.config.training.label_smoothing
        logits = forced.logits.float().flatten(0, 2)
        loss = F.cross_entropy(logits, targets.flatten(), ignore_index=PAD, label_smoothing=smoothing)
        return loss, int((targets != PAD).sum())

    # -- what a step reads ------------------------------------------------------------------------------------------

    def _batch(self, phase: PhaseSettings, photos: list[int], grids: Grids | None) -> Batch:
        """What the step that comes next reads about these photos."""
        seed = f"{self.config.training.seed}/{self.at.step}"
        tokens = pad([self.captions[photo] for photo in photos])
        if grids is not None:
            return Batch(grids.choose(photos, seed), tokens)
        cut = crops(self.train.pixels[photos], [f"{seed}/{photo}" for photo in photos], smallest=phase.crop)
        return Batch(jitter(cut, seed, strength=phase.colour), tokens)

    def _grids(self, phase: PhaseSettings) -> Grids:
        views, crop, seed = phase.views, phase.crop, self.config.training.seed
        key = f"{weights_key(self.model.encoder)}-{self.config.training.precision}"
        cache = Path(self.config.data.cache)
        features = load_features(
            self.train, self._encode, key=key, views=views, crop=crop, seed=seed, cache=cache, name="train"
        )
        return Grids(features)

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
        predictions = caption_photos(model, self.validation, self.config, self.vocabulary, self._arithmetic())
        references = {photo.id: photo.captions for photo in self.validation.photos}
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
            "photos": len(self.train),
            "captions": sum(map(len, self.captions)),
            "steps": self.at.step,
            "hours": round(self.at.seconds / 3600, 2),
        }
        checkpoint.save(
            self.directory / BEST,
            model,
            vocabulary=self.vocabulary,
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
        for section, key in (("data", "root"), ("data", "cache"), ("encoder", "weights")):
            del settings[section][key]
        return settings

    def _data_key(self) -> str:
        """A hash of all that is learned from."""
        return hash_of(self.train.key, self.validation.key, self.vocabulary.tokens, self.captions)

    def _save(self, optimizer: torch.optim.Optimizer | None) -> None:
        tensors = {
            **with_prefix("model.", dict(self.model.state_dict())),
            **with_prefix("average.", dict(self.average.state_dict())),
            **with_prefix("optimizer.", optimizer_tensors(optimizer, self._names()) if optimizer else {}),
        }
        save_state(
            self.directory / STATE, tensors, {"at": vars(self.at), "config": self._settings(), "data": self._data_key()}
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
        if facts["data"] != self._data_key():
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
