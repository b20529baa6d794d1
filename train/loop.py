"""The training loop, from a validated configuration to the best checkpoint."""

import math
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from captioner import checkpoint
from captioner.errors import CaptionerError, UsageError
from captioner.interrupt import Interrupt
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.interfaces import Encoder, within
from train.batches import Batch, on_device
from train.config import first_difference
from train.log import Log
from train.objectives import PhaseSettings
from train.objectives.cross_entropy import Loss
from train.objectives.objective import Objective
from train.optimizer import build_optimizer, exponential_average, learning_rate, optimizer_tensors, restore_optimizer
from train.parallel import Team
from train.state import as_part, load_state, save_state
from train.task import Feed, Task

ALONE = Team()
STATE, BEST = "state.safetensors", "best"


def training_device() -> torch.device:
    """The device to train on: the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass
class Position:
    """The progress of a run: everything besides tensors that changes."""

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
class Work:
    """What a phase uses."""

    phase: PhaseSettings
    optimizer: torch.optim.Optimizer
    feed: Feed
    objective: Objective


class Training:
    """A training run: its task, its model and its progress."""

    def __init__(self, task: Task, directory: Path, team: Team = ALONE) -> None:
        self.config = task.config
        self.task = task
        self.team = team
        self.directory = directory
        if self.config.training.threads:
            torch.set_num_threads(self.config.training.threads)
        self.device = training_device()
        torch.manual_seed(self.config.training.seed)
        self.model = task.build().to(self.device)
        self.average = self._new_average()
        self.moments: dict[str, Tensor] = {}  # the optimizer's, between `resume` and `fit`
        self.log: Log | None = None  # only the leader's, while it trains
        self.at = Position()

    # -- the loop ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Load the weights that the task starts from; see `Task.start`."""
        self.task.start(self.model)
        self.average = self._new_average()

    def fit(self) -> None:
        """Train from the current position to the end.

        Raises:
            KeyboardInterrupt: the run was interrupted; the state after the last step is saved.
            CaptionerError: the loss is NaN or infinite.
            OutputError: the state or a checkpoint cannot be written.
        """
        self.team.wait()  # until all processes have read the state
        if self.team.leads:
            epochs = sum(phase.epochs for phase in self.config.phase[: self.at.phase]) + self.at.epoch
            self.log = Log(self.directory, steps=self.at.step, epochs=epochs)
        try:
            self._phases()
        finally:
            if self.log:
                self.log.close()

    def _phases(self) -> None:
        for number, phase in enumerate(self.config.phase):
            if number < self.at.phase:
                continue
            optimizer = build_optimizer(self.model, phase)
            if self.at.phase_step:
                restore_optimizer(optimizer, self._names(), self.moments)
                self.moments = {}
            with self.team.leader_first():  # it fills the cache
                feed = self.task.feed(phase, self.model, self._encode)
            work = Work(phase, optimizer, feed, self.task.objective(phase))
            for epoch in range(self.at.epoch, phase.epochs):
                self.at.epoch = epoch
                with Interrupt() as interrupt:
                    try:
                        self._epoch(work, interrupt)
                    except BrokenPipeError:  # stdout was closed; between two steps, so the state is consistent
                        self._save(optimizer)
                        raise
                    self._save(optimizer)  # validation is slow; interrupting it must not lose the epoch
                if self.team.any(interrupt.requested):
                    raise KeyboardInterrupt
                if self.log:
                    self._record(self.log, phase, self._validate())
                self.at = replace(self.at, epoch=epoch + 1, batch=0, loss_sum=0.0, tokens=0)
                self._save(optimizer)
            # The next phase starts from the averaged weights: they are what was validated.
            if self.config.training.average_decay:
                self.model.load_state_dict(self.average.module.state_dict())
            self.average = self._new_average()
            self.at = replace(self.at, phase=number + 1, epoch=0, phase_step=0)
            self._save(None)

    def _epoch(self, work: Work, interrupt: Interrupt) -> None:
        """Train for one epoch, from the current batch to its end or until the run is interrupted."""
        at, phase = self.at, work.phase
        groups = work.feed.groups(f"{at.phase}/{at.epoch}")
        self.model.train()
        # Batches are too small for their statistics; keep the pretrained ones.
        for part in self.model.encoder.blocks.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()
        title = f"{phase.name} {at.epoch + 1}/{phase.epochs}"
        with tqdm(desc=title, total=len(groups), initial=at.batch, unit="batch", disable=self.log is None) as bar:
            for group in groups[at.batch :]:
                begun = time.monotonic()
                batch = work.feed.batch(group, at.step)
                rate = learning_rate(at.phase_step, phase.epochs * len(groups), phase.warmup)
                loss, norm = self._step(work, batch, rate=rate)
                value, seconds = loss.value.item(), time.monotonic() - begun
                at.batch, at.step, at.phase_step = at.batch + 1, at.step + 1, at.phase_step + 1
                at.loss_sum, at.tokens = at.loss_sum + value * loss.tokens, at.tokens + loss.tokens
                at.seconds += seconds
                if self.log:
                    self.log.step({"step": at.step, "loss": value, "norm": norm, "rate": rate, **loss.facts})
                bar.update()
                speed = math.prod(batch.tokens.shape[:2]) / seconds
                bar.set_postfix(
                    {"loss": f"{at.loss_sum / at.tokens:.3f}", "norm": f"{norm:.2f}", "captions/s": f"{speed:.0f}"}
                )
                if self.team.any(interrupt.requested):
                    return
                if at.step % self.config.training.save_every == 0:
                    self._save(work.optimizer)

    def _step(self, work: Work, batch: Batch, *, rate: float) -> tuple[Loss, float]:
        """Take one step on a batch, shared by all processes; return the whole batch's loss and gradient norm."""
        settings = self.config.training
        seed = settings.seed * 1_000_003 + self.at.step + (self.team.rank << 32)
        torch.manual_seed(seed)  # dropout, for exact resuming
        for parameters in work.optimizer.param_groups:
            parameters["lr"] = parameters["peak"] * rate
        share = on_device(self.team.share(batch), self.device)
        with self._arithmetic():
            loss = work.objective.loss(self.model, share, seed=seed)
        loss = self.team.weigh(loss, rows=len(batch.tokens))
        work.optimizer.zero_grad(set_to_none=True)
        loss.value.backward()  # type: ignore[no-untyped-call]
        trained = [parameter for group in work.optimizer.param_groups for parameter in group["params"]]
        self.team.sum_gradients(trained)
        norm = float(nn.utils.clip_grad_norm_(trained, settings.clip_norm))
        if not math.isfinite(norm):
            raise CaptionerError(
                f"step {self.at.step + 1}: the loss is NaN or infinite; "
                f"lower the learning rates of phase {work.phase.name}."
            )
        work.optimizer.step()
        if settings.average_decay:
            self.average.update_parameters(self.model)
        return self.team.gather(loss), norm

    def _encode(self, encoder: Encoder, images: Tensor) -> Tensor:
        encoder.eval()
        with torch.inference_mode(), self._arithmetic():
            return encoder(images.to(self.device)).values

    def _arithmetic(self) -> AbstractContextManager[object]:
        enabled = self.config.training.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    # -- validation -------------------------------------------------------------------------------------------------

    def _validate(self) -> dict[str, float]:
        """Scores of a free-running beam search on the validation photos, with the averaged weights."""
        model = self._measured()
        begun = time.monotonic()
        found = self.task.validate(model, self._arithmetic())
        found["seconds"] = time.monotonic() - begun
        if found[self.config.training.select_by] >= self.at.best:  # among equals, the one trained longer
            self.at.best = found[self.config.training.select_by]
            self.save_best(model, found)
        return found

    def _measured(self) -> EncoderDecoder:
        """The model that is validated and saved: the averaged weights if there is an average."""
        model: nn.Module = self.average.module if self.config.training.average_decay else self.model
        assert isinstance(model, EncoderDecoder)
        return model

    def save_best(self, model: EncoderDecoder, scores: dict[str, float]) -> None:
        """Save a checkpoint of the model with the best score so far."""
        facts = {
            "config": self.task.settings(),
            **self.task.facts,
            "steps": self.at.step,
            "hours": round(self.at.seconds / 3600, 2),
        }
        checkpoint.save(
            self.directory / BEST,
            model,
            vocabulary=self.task.vocabulary,
            decoding=self.config.decoding,
            scores={"validation": {name: round(value, 4) for name, value in scores.items() if name != "seconds"}},
            training=facts,
            card=(
                f"# {self.config.name}\n\nTrained by `python -m train fit`; scores and settings are in `config.json`.\n"
            ),
        )

    def _record(self, log: Log, phase: PhaseSettings, scores: dict[str, float]) -> None:
        record = {
            "phase": phase.name,
            "epoch": self.at.epoch + 1,
            "step": self.at.step,
            "loss": self.at.loss_sum / max(1, self.at.tokens),
            "train_seconds": round(self.at.seconds, 1),
            **scores,
        }
        log.epoch(record, *self.task.samples(self._measured()))
        shown = " ".join(
            f"{name} {100 * value:.1f}" for name, value in scores.items() if name.startswith(("Bleu_4", "CIDEr"))
        )
        print(
            f"{phase.name} {self.at.epoch + 1}/{phase.epochs}: loss {record['loss']:.3f}, validation {shown}",
            flush=True,
        )

    # -- optimizer, averaging, resuming -----------------------------------------------------------------------------

    def _names(self) -> dict[Tensor, str]:
        return {parameter: name for name, parameter in self.model.named_parameters()}

    def _new_average(self) -> AveragedModel:
        return AveragedModel(self.model, multi_avg_fn=exponential_average(self.config.training.average_decay))

    def _save(self, optimizer: torch.optim.Optimizer | None) -> None:
        if self.log is None:
            return
        self.log.flush()
        tensors = {
            **as_part("model", dict(self.model.state_dict())),
            **as_part("average", dict(self.average.state_dict())),
            **as_part("optimizer", optimizer_tensors(optimizer, self._names()) if optimizer else {}),
        }
        save_state(
            self.directory / STATE,
            tensors,
            {"at": vars(self.at), "config": self.task.settings(), "data": self.task.key},
        )

    def resume(self) -> None:
        """Load the last saved state.

        Raises:
            UsageError: there is none, or it belongs to another configuration or other data.
        """
        path = self.directory / STATE
        tensors, facts = load_state(path)
        if facts["config"] != self.task.settings():
            difference = first_difference(facts["config"], self.task.settings())
            raise UsageError(
                f"{path}: was saved with another configuration ({difference}); use that one or choose another --out."
            )
        if facts["data"] != self.task.key:
            raise UsageError(f"{path}: was saved with other photos or captions; use those or choose another --out.")
        self.at = Position(**facts["at"])
        self.model.load_state_dict(within("model", tensors))
        self.average.load_state_dict(within("average", tensors))
        self.moments = within("optimizer", tensors)
