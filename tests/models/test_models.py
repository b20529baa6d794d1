"""Encoders, attention, decoder: shapes, shared computation, and teacher forcing that agrees with decoding."""

from typing import get_args

import pytest
import torch
from torch import Tensor

from captioner.config import AttentionKind, Backbone, Cell, DecoderConfig, ImageConfig, ImageEncoderConfig, ModelConfig
from captioner.models.attention import build_attention
from captioner.models.decoder import DecoderState, RecurrentDecoder
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.encoders import GRID_CHANNELS, ImageEncoder
from captioner.models.interfaces import Vectors
from captioner.models.packed import PackedCell, PackedLinear, pack

B, K, N, D, T, V = 3, 2, 6, 10, 5, 11


def decoder(**settings: object) -> RecurrentDecoder:
    torch.manual_seed(0)
    config = DecoderConfig(vocabulary_size=V, hidden_size=8, embedding_size=6, heads=2, **settings)
    return RecurrentDecoder(config, D).eval()


def vectors(padding: Tensor | None = None) -> Vectors:
    return Vectors(torch.randn(B, N, D, generator=torch.Generator().manual_seed(1)), padding)


def tokens() -> Tensor:
    return torch.randint(4, V, (B, K, T), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("backbone", get_args(Backbone))
def test_every_backbone_gives_the_grid_it_promises(backbone: Backbone) -> None:
    encoder = ImageEncoder(ImageEncoderConfig(backbone=backbone), ImageConfig(size=64)).eval()
    with torch.inference_mode():
        values, padding = encoder(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert values.shape == (2, 4, GRID_CHANNELS[backbone])
    assert padding is None


@pytest.mark.parametrize("backbone", get_args(Backbone))
def test_a_folded_batch_norm_changes_no_grid(backbone: Backbone) -> None:
    torch.manual_seed(0)
    encoder = ImageEncoder(ImageEncoderConfig(backbone=backbone), ImageConfig(size=64)).eval()
    for name, value in encoder.state_dict().items():
        if "running" in name or name.endswith("bias"):
            value.uniform_(0.5, 1.5)
    photos = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        plain = encoder(photos).values
        encoder.settle()
        folded = encoder(photos).values
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in encoder.network.modules())
    assert folded.std() > 0.01
    torch.testing.assert_close(folded, plain, atol=1e-4 * float(plain.abs().max()), rtol=1e-3)


@pytest.mark.parametrize("cell", get_args(Cell))
@pytest.mark.parametrize("tied", [False, True])
def test_packed_weights_say_the_same(cell: Cell, tied: bool) -> None:
    model = decoder(cell=cell, tie_weights=tied)
    for value in model.parameters():
        value.data = value.data.half().float()
    with torch.inference_mode():
        plain = model(vectors(), tokens()).logits
        pack(model)
        packed = model(vectors(), tokens()).logits
    torch.testing.assert_close(packed, plain)
    if torch.backends.quantized.engine == "x86":
        assert {type(part) for part in model.cells} == {PackedCell}
        assert isinstance(model.classify, PackedLinear)


def test_weights_that_float16_would_change_are_not_packed() -> None:
    model = decoder()
    for value in model.parameters():
        value.data = value.data.half().float()
    model.classify.weight.data[0, 0] = 1 / 3
    pack(model)
    assert isinstance(model.classify, torch.nn.Linear)
    assert isinstance(model.attention.query, PackedLinear) == (torch.backends.quantized.engine == "x86")


def test_bytes_and_floats_are_the_same_photo() -> None:
    encoder = ImageEncoder(ImageEncoderConfig(), ImageConfig()).eval()
    photo = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(encoder(photo).values, encoder(photo / 255).values)


def test_photos_are_normalised_by_the_configuration() -> None:
    photo = torch.full((1, 3, 64, 64), 0.7)
    torch.manual_seed(0)
    gray = ImageEncoder(ImageEncoderConfig(), ImageConfig(mean=(0.5, 0.5, 0.5), std=(0.1, 0.1, 0.1))).eval()
    seen: list[Tensor] = []
    gray.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    gray(photo)
    torch.testing.assert_close(seen[0].contiguous(), torch.full((1, 3, 64, 64), 2.0))


def test_the_grid_is_read_row_by_row() -> None:
    encoder = ImageEncoder(ImageEncoderConfig(), ImageConfig()).eval()
    encoder.network = torch.nn.Identity()  # type: ignore[assignment]
    encoder.mean.zero_()
    encoder.std.fill_(1)
    grid = torch.arange(12.0).reshape(1, 3, 2, 2)
    assert encoder(grid).values[0].tolist() == [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]]


@pytest.mark.parametrize("cell", get_args(Cell))
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("attention", get_args(AttentionKind))
@pytest.mark.parametrize("tie", [False, True])
def test_stepping_gives_what_teacher_forcing_gives(
    cell: Cell, layers: int, attention: AttentionKind, tie: bool
) -> None:
    sentinel = tie and attention != "none"
    model = decoder(cell=cell, layers=layers, attention=attention, tie_weights=tie, sentinel=sentinel)
    words = tokens()
    forced = model(vectors(), words)
    assert forced.logits.shape == (B, K, T, V)
    assert forced.attention.shape == (B, K, T, N)
    state = model.init_state(vectors()).select(torch.arange(B), torch.zeros(B, K, dtype=torch.long))
    for t in range(T):
        log_probs, state = model.step(words[..., t], state)
        torch.testing.assert_close(log_probs, forced.logits[:, :, t].log_softmax(-1))
        torch.testing.assert_close(state.attention, forced.attention[:, :, t])
        torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(B, K))


def test_what_is_not_wanted_has_no_logits() -> None:
    model, wanted = decoder(tie_weights=True), torch.rand(B, K, T) < 0.5
    torch.testing.assert_close(model(vectors(), tokens(), wanted).logits, model(vectors(), tokens()).logits[wanted])


@pytest.mark.parametrize("attention", get_args(AttentionKind))
def test_padding_changes_nothing(attention: AttentionKind) -> None:
    model = decoder(attention=attention)
    plain = model(vectors(), tokens())
    filling = torch.full((B, 4, D), 7.0)
    padding = torch.tensor([[False] * N + [True] * 4] * B)
    padded = model(Vectors(torch.cat([vectors().values, filling], 1), padding), tokens())
    torch.testing.assert_close(padded.logits, plain.logits)
    torch.testing.assert_close(padded.attention[..., :N], plain.attention)
    assert not padded.attention[..., N:].any()


def test_a_sentinel_takes_its_share_of_attention() -> None:
    model = decoder(sentinel=True, attention="dot")
    plain = model(vectors(), tokens())
    padding = torch.zeros(B, N, dtype=torch.bool)
    torch.testing.assert_close(model(vectors(padding), tokens()).logits, plain.logits)
    shares = plain.attention.sum(-1)
    assert plain.attention.shape == (B, K, T, N)
    assert bool(((shares > 0) & (shares < 1)).all())
    with torch.no_grad():
        model.sentinel += 100 * model.attention.key.weight.sum(0)
    assert not torch.allclose(model(vectors(), tokens()).attention.sum(-1), shares)


@pytest.mark.parametrize("attention", ["additive", "dot", "multi-head"])
def test_attention_looks_at_the_vector_that_answers(attention: AttentionKind) -> None:
    config = DecoderConfig(vocabulary_size=V, hidden_size=8, attention=attention, heads=2)
    torch.manual_seed(0)
    layer = build_attention(config, D)
    query = torch.randn(B, K, 8)
    read, weights = layer(query, layer.prepare(vectors()))
    assert read.shape == (B, K, 8)
    assert weights.shape == (B, K, N)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, K))
    assert not torch.allclose(weights[:, 0], weights[:, 1])  # another query, other weights


def test_without_attention_every_query_reads_the_mean() -> None:
    layer = build_attention(DecoderConfig(vocabulary_size=V, hidden_size=8, attention="none"), D)
    read, weights = layer(torch.randn(B, K, 8), layer.prepare(vectors()))
    torch.testing.assert_close(read[:, 0], layer.value(vectors().values).mean(1))
    torch.testing.assert_close(weights, torch.full((B, K, N), 1 / N))


def test_multi_head_attention_is_what_pytorch_computes() -> None:
    layer = build_attention(DecoderConfig(vocabulary_size=V, hidden_size=8, heads=4), D)
    query = torch.randn(B, K, 8)
    memory = layer.prepare(vectors())
    heads = [part.unflatten(2, (4, 2)).transpose(1, 2) for part in (layer.query(query), memory.keys, memory.values)]
    expected = torch.nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
    torch.testing.assert_close(layer(query, memory)[0], expected)


def test_sentences_of_one_photo_do_not_touch_each_other() -> None:
    model = decoder(layers=2)
    words = tokens()
    before = model(vectors(), words).logits
    words[0, 1] = 4
    after = model(vectors(), words).logits
    torch.testing.assert_close(after[0, 0], before[0, 0])
    torch.testing.assert_close(after[1:], before[1:])
    assert not torch.allclose(after[0, 1], before[0, 1])


def test_the_future_does_not_reach_the_past() -> None:
    model = decoder(layers=2)
    words = tokens()
    before = model(vectors(), words).logits
    words[..., 3] = 4
    after = model(vectors(), words).logits
    torch.testing.assert_close(after[..., :3, :], before[..., :3, :])
    assert not torch.allclose(after[..., 3, :], before[..., 3, :])


def test_a_state_is_selected_as_a_whole() -> None:
    model = decoder(layers=2)
    state = model.init_state(vectors()).select(torch.arange(B), torch.zeros(B, K, dtype=torch.long))
    _, state = model.step(tokens()[..., 0], state)
    rows, beams = torch.tensor([2, 0]), torch.tensor([[1, 1, 0], [0, 1, 1]])
    chosen: DecoderState = state.select(rows, beams)
    for row, beam, old_row, old_beam in [(0, 0, 2, 1), (0, 2, 2, 0), (1, 0, 0, 0), (1, 2, 0, 1)]:
        torch.testing.assert_close(chosen.output[row, beam], state.output[old_row, old_beam])
        for new, old in zip(chosen.hidden, state.hidden, strict=True):
            for new_part, old_part in zip(new, old, strict=True):
                torch.testing.assert_close(new_part[row, beam], old_part[old_row, old_beam])
        torch.testing.assert_close(chosen.memory.keys[row], state.memory.keys[old_row])


def test_every_weight_learns(small_config: ModelConfig) -> None:
    model = EncoderDecoder(small_config)
    words = torch.randint(4, small_config.decoder.vocabulary_size, (2, 3, 4))
    model(torch.rand(2, 3, 64, 64), words).logits.square().mean().backward()
    assert [
        name for name, value in model.decoder.named_parameters() if value.grad is None or not value.grad.any()
    ] == []
    assert all(value.grad is not None for value in model.encoder.parameters())
