"""The networks of the studies of memory, pixels, characters and attention, checked against hand calculations."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from train.study import attention, characters, episodes, memory, pixels
from train.study.learning import count_parameters
from train.study.row_lstm import MaskedConvolution, PixelRNN, RowLSTM
from train.study.setting import Setting
from train.study.turing import Address, TuringMachine, look

TINY = Setting(tiny=True, seeds=(0,))


def fill(module: nn.Module, value: float = 0.0) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(value)


def check_gradients(module: nn.Module, inputs: Tensor) -> bool:
    """Compare numerical and analytical gradients of the inputs and all parameters, in float64."""
    module = module.double()
    names, values = zip(*module.named_parameters(), strict=True)

    def run(inputs: Tensor, *values: Tensor) -> Tensor:
        found = torch.func.functional_call(module, dict(zip(names, values, strict=True)), (inputs,))
        return found[0] if isinstance(found, tuple) else found

    return torch.autograd.gradcheck(run, (inputs.double().requires_grad_(), *values))


@pytest.mark.parametrize(
    ("shift", "expected"), [((0, 0, 1), (1, 25, 4)), ((0, 1, 0), (25, 4, 1)), ((1, 0, 0), (4, 1, 25))]
)
def test_a_head_finds_mixes_moves_and_sharpens(
    shift: tuple[float, float, float], expected: tuple[float, float, float]
) -> None:
    # By content ln 2 times a cosine of 1 in the second row: (1, 2, 1) / 4. Half of it and half of (1, 0, 0): (5, 2, 1)
    # / 8.
    address = Address(
        key=torch.tensor([[[0.0, 5.0, 0.0]]]),
        strength=torch.full((1, 1, 1), math.log(2)),
        gate=torch.full((1, 1, 1), 0.5),
        shift=torch.tensor([[shift]], dtype=torch.float32),
        sharpness=torch.full((1, 1, 1), 2.0),
    )
    weights = look(address, torch.eye(3)[None], torch.tensor([[[1.0, 0.0, 0.0]]]))
    assert torch.allclose(weights, torch.tensor([[expected]]) / 30, atol=1e-6)


def test_heads_of_all_sequences_look_for_themselves() -> None:
    torch.manual_seed(0)
    machine = TuringMachine(3, 2, hidden=5, rows=6, width=4)
    inputs = torch.randn(4, 7, 3)
    logits, weights = machine(inputs)
    assert torch.allclose(weights.sum(-1), torch.ones(4, 7, 2), atol=1e-5)
    alone = [machine(one[None]) for one in inputs]
    assert torch.allclose(torch.cat([one for one, _ in alone]), logits, atol=1e-5)
    assert not torch.allclose(weights[0], weights[1], atol=1e-3)


def test_the_machine_erases_adds_and_reads_what_it_wrote() -> None:
    machine = TuringMachine(1, 1, hidden=2, rows=3, width=2)
    fill(machine)
    with torch.no_grad():  # with zero weights, the biases decide: stay at the first row, move one row forward
        machine.heads.bias.copy_(torch.tensor([0.0, 0, -50, -50, -50, -50, 50, -50] * 2))
        machine.write.bias.copy_(torch.tensor([0.0, 50, math.atanh(0.5), math.atanh(-0.25)]))
        machine.output.weight.copy_(torch.tensor([[0.0, 0, 1, 10]]))
    logits, state = machine.step(torch.zeros(1, 1), machine.init_state(1))
    assert torch.allclose(state.weights, torch.tensor([0.0, 1, 0]).expand(1, 2, 3), atol=1e-5)
    # Half of 0.001 stays of the first number and nothing of the second; 0.5 and -0.25 are added.
    expected = torch.tensor([[[0.001, 0.001], [0.5005, -0.25], [0.001, 0.001]]])
    assert torch.allclose(state.memory, expected, atol=1e-5)
    assert logits.item() == pytest.approx(0.5005 - 2.5, abs=1e-4)


def test_the_machine_has_right_gradients() -> None:
    torch.manual_seed(0)
    assert check_gradients(TuringMachine(2, 1, hidden=3, rows=4, width=2), torch.randn(1, 3, 2))


def test_a_row_lstm_reads_a_row_and_the_state_above() -> None:
    layer = RowLSTM(1, 1)
    fill(layer)
    with torch.no_grad():  # gates are half open; the content is the pixel itself and the outputs above and to the left
        layer.input_to_state.weight[3, 0, 0, 1] = 1
        layer.input_to_state.weight[3, 0, 0, 2] = 99  # behind the mask
        layer.state_to_state.weight[3, 0, 0] = 1
    c = [0.5 * math.tanh(pixel) for pixel in (1, 2, 3)]
    h = [0.5 * math.tanh(one) for one in c]
    c_below = [0.5 * one + 0.5 * math.tanh(said) for one, said in zip(c, (0, h[0], h[1]), strict=True)]
    expected = torch.tensor([h, [0.5 * math.tanh(one) for one in c_below]])
    found = layer(torch.tensor([[[[1.0, 2, 3], [0, 0, 0]]]]))
    assert torch.allclose(found, expected[None, None], atol=1e-6)


def test_a_row_lstm_and_its_masks_have_right_gradients() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(MaskedConvolution(1, 2, (3, 3), mask="A"), RowLSTM(2, 2))
    assert check_gradients(layers, torch.randn(1, 1, 3, 4))


@pytest.mark.parametrize(("mask", "seen"), [("A", (1, 1, 1, 1, 0, 0, 0, 0, 0)), ("B", (1, 1, 1, 1, 1, 0, 0, 0, 0))])
def test_a_mask_hides_what_comes_later(mask: str, seen: tuple[int, ...]) -> None:
    convolution = MaskedConvolution(1, 1, (3, 3), mask=mask)
    fill(convolution, 1.0)
    grid = torch.zeros(1, 1, 3, 3, requires_grad=True)
    convolution(grid)[0, 0, 1, 1].backward()
    assert grid.grad.flatten().tolist() == list(seen)


@pytest.mark.parametrize("model", [PixelRNN(17, hidden=4), pixels.RasterLSTM(6)], ids=["rows", "raster"])
@pytest.mark.parametrize("place", [(0, 0), (3, 7), (4, 2)])
def test_no_pixel_is_predicted_from_itself_or_a_later_one(model: nn.Module, place: tuple[int, int]) -> None:
    images = torch.randint(17, (2, 8, 8), generator=torch.Generator().manual_seed(0))
    changed = images.clone()
    changed[:, *place] = (changed[:, *place] + 5) % 17
    difference = (model(images) - model(changed)).abs().amax((0, 1)).flatten()
    number = place[0] * 8 + place[1]
    assert difference[: number + 1].max() == 0
    assert difference[number + 1 :].max() > 0


def test_a_completion_keeps_what_was_shown_and_depends_on_the_seed_alone() -> None:
    torch.manual_seed(0)
    model = PixelRNN(17, hidden=4, layers=1)
    images = torch.randint(17, (2, 8, 8))
    first, again, other = (
        model.complete(images, rows=5, chance=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first[:, :5], images[:, :5])
    assert torch.equal(first, again)
    assert not torch.equal(first[:, 5:], other[:, 5:])
    assert not torch.equal(first[:, 5:], images[:, 5:])


def test_a_histogram_gives_what_was_counted() -> None:
    images = torch.zeros(4, 8, 8, dtype=torch.long)
    images[0] = 3
    probabilities = pixels.histogram(images).exp()
    assert torch.allclose(probabilities[[0, 3, 5], 2, 2], torch.tensor([3.1, 1.1, 0.1]) / 5.7)


def test_the_last_state_of_training_is_judged_too() -> None:
    images = torch.full((1, 8, 8), 5)
    model = pixels.RasterLSTM(4)
    before = pixels.nats(model(images), images)
    pixels.fit(model, images, images, steps=3, seed=0, title="")
    assert pixels.nats(model(images), images) < before


def test_tasks_ask_for_what_they_say() -> None:
    chance = torch.Generator().manual_seed(0)
    inputs, answer = episodes.copy(5, 4, chance)
    assert torch.equal(answer[..., :6], inputs[:, :4, :6])
    assert inputs[:, 4, 6].eq(1).all()
    assert inputs[:, 5:].eq(0).all()

    inputs, answer = episodes.repeat(5, 4, chance)
    times = round(inputs[0, 4, 6].item() * episodes.REPEATS)
    assert torch.equal(answer[:, :-1, :6], inputs[:, :4, :6].repeat(1, times, 1))
    assert answer[..., 6].sum(1).eq(1).all()
    assert answer[:, -1, 6].eq(1).all()

    inputs, answer = episodes.recall(5, 4, chance)
    for asked, due in zip(inputs, answer, strict=True):
        after = {tuple(one): other for one, other in pairwise(asked[:5, :6].tolist())}
        assert [after.pop(tuple(one)) for one in asked[6:, :6].tolist()] == due[:, :6].tolist()
        assert not after

    inputs, answer = episodes.sort(5, 4, chance)
    for asked, due in zip(inputs, answer, strict=True):
        ranked = sorted(asked[:4].tolist(), key=lambda vector: -vector[7])
        assert due[:, :6].tolist() == [vector[:6] for vector in ranked]


@pytest.mark.parametrize(("name", "vectors"), [("copy", 4), ("repeated copy", 3 * 4), ("recall", 4), ("sorting", 4)])
def test_who_guesses_has_half_of_the_vectors_bits_wrong(name: str, vectors: int) -> None:
    assert memory.guessing(memory.TASKS[name], 4) == vectors * 6 / 2


def test_the_lstm_has_about_as_many_parameters_as_the_machine() -> None:
    machine, lstm = (count_parameters(memory.build(name)) for name in ("NTM", "LSTM"))
    assert lstm == pytest.approx(machine, rel=0.05)


@pytest.mark.parametrize("name", ["NTM", "LSTM"])
def test_the_same_seed_gives_the_same_network(name: str) -> None:
    trained = []
    for seed in (3, 3, 4):
        torch.rand(1)  # independent of earlier draws
        network = memory.fit(name, memory.TASKS["recall"], seed, TINY)
        trained.append(nn.utils.parameters_to_vector(network.parameters()))
    assert torch.equal(trained[0], trained[1])
    assert not torch.equal(trained[0], trained[2])


def test_who_knows_nothing_needs_the_bits_of_the_vocabulary() -> None:
    texts = characters.read_texts(TINY)
    decoder = characters.teach("gru", 4, texts, 0, TINY)
    fill(decoder)
    assert characters.bits_per_character(decoder, texts) == pytest.approx(math.log2(len(texts.vocabulary)), abs=1e-5)


def test_words_of_samples_are_looked_up_in_what_was_learned_from() -> None:
    assert characters.known_words(["a brown dog", "a borwn"], {"a", "brown", "dog", "cat"}) == pytest.approx(80)


def test_a_translation_does_not_depend_on_its_neighbours() -> None:
    pairs = attention.read_sentences(TINY)
    torch.manual_seed(0)
    model = attention.build("additive", pairs, 8).eval()
    sentences = [source for source, _ in pairs.test[:6]]
    assert len({len(sentence) for sentence in sentences}) > 1
    alone = [attention.write(model, [sentence], pairs)[0] for sentence in sentences]
    assert attention.write(model, sentences, pairs) == alone
