"""A decoder with more units that says what it said before (Chen, Goodfellow and Shlens 2016, "Net2Net")."""

import dataclasses

import torch
from torch import Tensor

from captioner.checkpoint import Checkpoint, TranslatorCheckpoint
from captioner.errors import UsageError
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.weights import load_model

QUERY = "decoder.attention.query."


@torch.no_grad()
def widen(read: Checkpoint | TranslatorCheckpoint, hidden_size: int, *, seed: int = 1) -> EncoderDecoder:
    """Give the decoder of a checkpoint more units. The new ones begin at random, with nothing that depends on them.

    Args:
        read: its decoder attends by `dot` or not at all.
        hidden_size: units afterwards.
        seed: of the new ones' weights.

    Raises:
        UsageError: the decoder has as many already, or attends in another way.
    """
    before = read.config.decoder
    if before.attention not in {"dot", "none"}:
        raise UsageError(f"{read.path}: attention {before.attention!r} cannot be widened, only 'dot' and 'none'.")
    if hidden_size <= before.hidden_size:
        raise UsageError(f"{read.path}: its decoder has {before.hidden_size} units; ask for more.")
    torch.manual_seed(seed)
    decoder = dataclasses.replace(before, hidden_size=hidden_size)
    model = EncoderDecoder(dataclasses.replace(read.config, decoder=decoder))
    old = load_model(read).state_dict()
    for name, value in model.state_dict().items():
        if value.shape == old[name].shape:
            value.copy_(old[name])
            continue
        places = [
            _places(size, was, before.hidden_size, hidden_size)
            for size, was in zip(value.shape, old[name].shape, strict=True)
        ]
        if name.startswith(QUERY):  # nobody asks for the new part of the keys, and no score changes
            value.zero_()
            old[name] *= (hidden_size / before.hidden_size) ** 0.5  # the scores are divided by the root of the width
        value[places[0]] = 0.0
        value[torch.meshgrid(*places, indexing="ij")] = old[name]
    return model.eval()


def _places(size: int, was: int, hidden: int, wider: int) -> Tensor:
    """(was,): where the indices of a dimension go that holds something else first, perhaps, and then one or more times all units."""
    if size == was:
        return torch.arange(was)
    times = (size - was) // (wider - hidden)
    first = was - times * hidden
    units = first + torch.arange(times)[:, None] * wider + torch.arange(hidden)
    return torch.cat([torch.arange(first), units.flatten()])
