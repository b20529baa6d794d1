"""Data-parallel training: each process takes a share of every batch, and gradients are summed over all processes.

    torchrun --nproc-per-node 2 -m train fit CONFIG.toml

Started in any other way, a run is a team of one process, and everything here does nothing.
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
    """The processes of a run, and the rank of this one. Only the first validates, writes files and prints."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the first."""
        return self.rank == 0

    def share(self, batch: Batch) -> Batch:
        """This process's rows of a batch. If there are fewer rows than processes, the first row is used as a
        placeholder, which `weigh` ignores.
        """
        if self.size == 1:
            return batch
        rows = slice(self.rank, None, self.size) if self.rank < len(batch.tokens) else slice(0, 1)
        taught = tuple(grids[rows] for grids in batch.taught)
        return Batch(batch.inputs[rows], batch.tokens[rows], batch.photos[rows], taught)

    def weigh(self, loss: Loss, *, rows: int) -> Loss:
        """Scale the mean over this share's tokens to its part of the mean over the whole batch.

        Args:
            loss: loss of this share.
            rows: rows of the whole batch.
        """
        if self.size == 1:
            return loss
        mine = loss.tokens if self.rank < rows else 0
        total = torch.tensor(mine, device=loss.value.device)
        distributed.all_reduce(total)
        part = mine / int(total)
        return Loss(loss.value * part, int(total), {name: fact * part for name, fact in loss.facts.items()})

    def gather(self, loss: Loss) -> Loss:
        """Sum the parts from `weigh`, for the log."""
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
        """Whether the condition holds in any process, so that all processes act on it at the same step."""
        if self.size == 1:
            return value
        so = torch.tensor(float(value), device="cuda" if torch.cuda.is_available() else "cpu")
        distributed.all_reduce(so)
        return bool(so)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            distributed.barrier()

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Run the block in the first process, then in the others, which find what it has cached."""
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()


def join_team() -> Team:
    """Join the other processes started by `torchrun`; without it, a team of one."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Team()
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    # One process validates while the others wait.
    distributed.init_process_group(backend, timeout=datetime.timedelta(hours=2))
    return Team(distributed.get_rank(), distributed.get_world_size())
