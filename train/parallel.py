"""Training by several processes: each takes its share of every batch, and the sum of their gradients is everybody's
step.

    torchrun --nproc-per-node 2 -m train fit CONFIG.toml

Started in any other way, a run is a team of one, for which nothing here does anything.
"""

import datetime
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from train.batches import Batch
from train.objectives.cross_entropy import Loss


@dataclass(frozen=True)
class Team:
    """The processes of a run, and which of them this one is; the first alone validates, writes and talks."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the first."""
        return self.rank == 0

    def share(self, batch: Batch) -> Batch:
        """This process's rows of a batch; where there are fewer rows than processes, the first one stands in, for
        `weigh`.
        """
        if self.size == 1:
            return batch
        rows = slice(self.rank, None, self.size) if self.rank < len(batch.tokens) else slice(0, 1)
        return Batch(
            batch.inputs[rows], batch.tokens[rows], batch.photos[rows], tuple(grids[rows] for grids in batch.taught)
        )

    def weigh(self, loss: Loss, *, rows: int) -> Loss:
        """Turn the mean over this share's tokens into its part of the mean over the whole batch's.

        Args:
            loss: of this share.
            rows: of the whole batch.
        """
        if self.size == 1:
            return loss
        mine = loss.tokens if self.rank < rows else 0
        total = torch.tensor(mine, device=loss.value.device)
        distributed.all_reduce(total)
        part = mine / int(total)
        return Loss(loss.value * part, int(total), {name: fact * part for name, fact in loss.facts.items()})

    def gather(self, loss: Loss) -> Loss:
        """Add up the parts that `weigh` gave, for the log."""
        if self.size == 1:
            return loss
        parts = torch.tensor([loss.value.item(), *loss.facts.values()], dtype=torch.float64, device=loss.value.device)
        distributed.all_reduce(parts)
        return Loss(parts[0], loss.tokens, dict(zip(loss.facts, parts[1:].tolist(), strict=True)))

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Give every process the sum of all processes' gradients."""
        if self.size > 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    distributed.all_reduce(parameter.grad)

    def any(self, value: bool) -> bool:
        """Whether it is so for one of the processes: what all do then, they do at the same step."""
        if self.size == 1:
            return value
        so = torch.tensor(float(value), device="cuda" if torch.cuda.is_available() else "cpu")
        distributed.all_reduce(so)
        return bool(so)

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.size > 1:
            distributed.barrier()

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Let the first process do what stands in the block, then the others, who find what it has cached."""
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()


def join_team() -> Team:
    """Meet the other processes that `torchrun` started; a team of one where it did not."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Team()
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=datetime.timedelta(hours=2))  # one validates while the others wait
    return Team(distributed.get_rank(), distributed.get_world_size())
