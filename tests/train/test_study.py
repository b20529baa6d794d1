"""The studies: each one runs, and its parts do what they say."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from captioner.decoding import DecodingOptions, Hypothesis
from captioner.errors import UsageError
from captioner.inference import generate, log_probs_of
from captioner.models.decoder import RecurrentDecoder
from captioner.models.interfaces import Vectors
from captioner.text import BOS, EOS, UNK
from train.__main__ import main
from train.study import bidirectional, captions, catalogue, cells, chart, forcing, gradients, sharing, toy
from train.study.bidirectional import agreed
from train.study.learning import Recurrent
from train.study.report import run_and_write, to_table
from train.study.setting import Finding, Setting

TINY = Setting(tiny=True)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def scenes() -> captions.CaptionData:
    return captions.read_captions(TINY)


def small_decoder(scenes: captions.CaptionData, kind: type[RecurrentDecoder] = RecurrentDecoder) -> RecurrentDecoder:
    return captions.build_decoder(scenes, forcing.SETTINGS, 3, kind=kind).eval()


@pytest.mark.parametrize("name", catalogue.STUDIES)
def test_every_study_gives_a_table_a_picture_and_a_page(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_and_write(name, Setting(tiny=True, seeds=(0, 1)), tmp_path)
    printed = capsys.readouterr().out
    page, found = (tmp_path / f"{name}.md").read_text(), json.loads((tmp_path / f"{name}.json").read_text())
    assert all(len(row) == len(found["columns"]) for row in found["rows"])
    assert any(isinstance(cell, list) and len(cell) == 2 for row in found["rows"] for cell in row)
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(found["rows"])
    assert all(line in printed for line in table)
    assert catalogue.load(name).claim in " ".join(page.split())  # wrapped
    assert catalogue.explain(name) in printed
    with Image.open(tmp_path / f"{name}.png") as image:
        assert image.convert("L").getextrema()[0] < 100


@pytest.mark.parametrize("name", catalogue.STUDIES)
def test_every_study_is_explained_in_a_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "--list"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.split()[0] == name)
    assert 20 < len(line) <= 120


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sharin"], "no study 'sharin'. Did you mean sharing?"),
        ([], "give the name of a study, or all; the studies are: sharing"),
        (["sharing", "--seeds", "0"], "--seeds 0: must be a whole number from 1 to 100"),
        (["sharing", "--data", "nowhere"], "--data nowhere: no such directory"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_runs(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_data_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "cells", "--quick", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert f"{tmp_path / 'flickr8k'} cannot be read: No such file" in capsys.readouterr().err


def test_a_missing_matplotlib_is_said_before_a_study_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match="matplotlib is missing"):
        run_and_write("sharing", TINY, tmp_path)


def test_the_same_seeds_give_the_same_numbers() -> None:
    setting = Setting(tiny=True, seeds=(3, 4))
    first, again, other = (catalogue.load("sharing").run(one).rows for one in (setting, setting, TINY))
    assert first == again
    assert first != other


def test_what_a_person_wrote_on_a_page_stays(tmp_path: Path) -> None:
    page = tmp_path / "sharing.md"
    page.write_text("# sharing\n\nold numbers\n\n## Remarks\n\nAs published.\n")
    run_and_write("sharing", TINY, tmp_path)
    text = page.read_text()
    assert text.endswith("\n\n## Remarks\n\nAs published.\n")
    assert "old numbers" not in text


def test_a_table_shows_mean_and_deviation() -> None:
    rows = (("a", 3, (10.0, 12.0, 14.0)), ("b", 12345, (0.5,)), ("c", 0, (math.nan, 1.0)), ("d", 0, (1.321, 1.325)))
    lines = to_table(Finding(columns=("x", "n", "y"), rows=rows, figure=chart.panels()[0], seen="")).splitlines()
    assert [line.replace(" ", "") for line in lines] == [
        "|x|n|y|",
        "|---|------:|--------------:|",
        "|a|3|12.0±2.0|",
        "|b|12345|0.500|",
        "|c|0|nan|",
        "|d|0|1.323±0.003|",
    ]
    assert len({len(line) for line in lines}) == 1


# ------------------------------------------------------------------------------------------------ what they are made of


def test_the_regulariser_is_what_its_equation_says() -> None:
    """Two steps of a network with one unit: each step multiplies the gradient by (1 - h²) w."""
    matrix = torch.tensor([[-1.5]], dtype=torch.float64)
    states = [torch.zeros(2, 1).double(), torch.tensor([[0.5], [-0.8]], dtype=torch.float64)]
    arriving = tuple(torch.tensor([[2.0], [-3.0]]).double() for _ in states)
    by_hand = ((0.75 * 1.5 - 1) ** 2 + (0.36 * 1.5 - 1) ** 2) / 2
    assert gradients.omega(matrix, states, arriving).item() == pytest.approx(by_hand, abs=1e-12)


def test_the_regularisers_jacobian_is_the_cells_own() -> None:
    torch.manual_seed(0)
    cell = nn.RNNCell(3, 5).double()
    inputs = torch.randn(2, 4, 3, dtype=torch.float64)
    states = [torch.zeros(2, 5, dtype=torch.float64, requires_grad=True)]
    for step in inputs.unbind(1):
        states.append(cell(step, states[-1]))
    arriving = torch.autograd.grad((states[-1] ** 3).sum(), states, retain_graph=True)
    expected = torch.zeros(2, dtype=torch.float64)
    for before, after, gradient in zip(states, states[1:], arriving[1:], strict=False):
        (passed,) = torch.autograd.grad(after, before, gradient, retain_graph=True)
        expected += (passed.norm(dim=1) / gradient.norm(dim=1) - 1) ** 2
    torch.testing.assert_close(gradients.omega(cell.weight_hh, states, arriving), expected.mean())


def test_the_regularisers_gradient_is_right() -> None:
    matrix = torch.randn(4, 4, dtype=torch.float64, generator=chance()).requires_grad_()
    states = [torch.tanh(torch.randn(3, 4, dtype=torch.float64, generator=chance(n))) for n in range(1, 5)]
    arriving = tuple(torch.randn(3, 4, dtype=torch.float64, generator=chance(n)) for n in range(5, 9))
    assert torch.autograd.gradcheck(lambda matrix: gradients.omega(matrix, states, arriving), matrix)


def test_a_gradient_that_has_vanished_does_not_spoil_the_regulariser() -> None:
    zeros = torch.zeros(2, 3)
    assert gradients.omega(torch.eye(3), [zeros, zeros], (zeros, zeros)).item() == 0


def test_norms_by_lag_follow_the_matrix() -> None:
    """With an identity recurrent matrix and no input, a step does not change the gradient."""
    network = gradients.fresh("rnn", 0)
    with torch.no_grad():
        for value in network.parameters():
            value.zero_()
        network.cell.weight_hh.copy_(0.5 * torch.eye(gradients.WIDTH))
    assert gradients.norms_by_lag(network, 0)[:4] == pytest.approx([1, 0.5, 0.25, 0.125])


def test_a_spectral_radius_is_what_was_asked_for() -> None:
    matrix = gradients.fresh("rnn", 0, radius=2.0).cell.weight_hh
    assert torch.linalg.eigvals(matrix).abs().max().item() == pytest.approx(2, rel=1e-4)


@pytest.mark.parametrize("length", [10, 40])
def test_temporal_order_asks_for_both_symbols(length: int) -> None:
    inputs, orders = gradients.draw(length, 200, chance())
    for symbols, order in zip(inputs.argmax(2), orders, strict=True):
        first, second = (symbols < 2).nonzero()[:, 0]
        assert length // 10 <= first < 2 * length // 10
        assert 4 * length // 10 <= second < 5 * length // 10
        assert order == 2 * symbols[first] + symbols[second]
    assert set(orders.tolist()) == {0, 1, 2, 3}


def test_the_adding_problem_asks_for_the_sum_of_the_two_marked_numbers() -> None:
    inputs, sums = cells.draw(9, 100, chance())
    assert (inputs[..., 1].sum(1) == 2).all()
    assert (inputs[:, :4, 1].sum(1) == 1).all()
    torch.testing.assert_close((inputs[..., 0] * inputs[..., 1]).sum(1), sums)


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_a_network_of_cells_is_torchs_layer(kind: str) -> None:
    torch.manual_seed(0)
    ours = Recurrent(kind, 3, 4)
    layer = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[kind](3, 4, batch_first=True)
    layer.load_state_dict({f"{name}_l0": value for name, value in ours.cell.state_dict().items()})
    inputs = torch.randn(2, 5, 3)
    torch.testing.assert_close(ours(inputs), layer(inputs)[0])


def test_separate_parameters_learn_nothing_beyond_the_trained_length() -> None:
    symbols, digits = sharing.draw(sharing.TRAINED, 8, chance())
    assert ((symbols < sharing.DIGITS).sum(1) == 1).all()
    shared, separate = sharing.build("one"), sharing.build("each")
    assert len(set(shared.cells)) == 1
    for network in (shared, separate):
        nn.functional.cross_entropy(network(symbols), digits).backward()
    assert [cell.weight_hh.grad is not None for cell in separate.cells] == [
        place < sharing.TRAINED for place in range(sharing.TESTED)
    ]


def test_a_tag_names_the_marks_on_both_sides() -> None:
    symbols = torch.tensor([[5, 0, 5, 1, 1, 4]])
    assert bidirectional.last_mark(symbols).tolist() == [[2, 2, 0, 0, 1, 1]]
    drawn, tags = bidirectional.draw(50, chance())
    for row, tag in zip(drawn.tolist(), tags.tolist(), strict=True):
        for place, value in enumerate(tag):
            before = [one for one in row[:place] if one < 2] or [2]
            behind = [one for one in row[place + 1 :] if one < 2] or [2]
            assert value == 3 * before[-1] + behind[0]


def test_a_decoder_says_how_probable_it_holds_what_its_search_found(scenes: captions.CaptionData) -> None:
    decoder, vectors = small_decoder(scenes), Vectors(scenes.test.vectors)
    options = DecodingOptions(beam_size=3, num_captions=3, max_length=6, no_repeat_ngram=0)
    found = generate(decoder, vectors, options)
    with torch.no_grad():
        said = log_probs_of(decoder, vectors, [[list(one.tokens) for one in photo] for photo in found])
    for photo, values in zip(found, said, strict=True):
        assert [one.log_prob for one in photo] == pytest.approx(values, rel=1e-4)


def test_the_greatest_sum_of_both_directions_is_chosen() -> None:
    photo = [Hypothesis((5,), -1.0, -1.0, finished=True), Hypothesis((6, 7), -2.0, -1.2, finished=True)]
    assert agreed(photo, [-3.0, -3.0])[0].tokens == (6, 7)  # -4 against -5 · 1.2 / 2
    assert agreed(photo, [-1.0, -3.0])[0].tokens == (5,)
    found = [Hypothesis((5,) * n, log_prob, log_prob / n, finished=True) for n, log_prob in ((2, -4.0), (4, -8.4))]
    assert agreed(found, [-4.0, -4.0]) == found[::-1]  # -8 / 2 below -12.4 / 4
    assert agreed(found, [-4.0, -9.0]) == found
    sure = Hypothesis((5,), 0.0, 0.0, finished=True)
    assert agreed([*found, sure], [-4.0, -4.0, -1.0])[0] is sure


def test_backwards_turns_the_words_but_not_the_ends(scenes: captions.CaptionData) -> None:
    onward = captions.to_batch(scenes.test, scenes.vocabulary)[0, 0].tolist()
    backward = captions.to_batch(scenes.test, scenes.vocabulary, backwards=True)[0, 0].tolist()
    end = onward.index(EOS)
    assert backward[0] == BOS
    assert backward[1:end] == onward[1:end][::-1]
    assert backward[end] == EOS


def test_with_its_own_words_as_target_running_free_costs_nothing(scenes: captions.CaptionData) -> None:
    decoder, vectors = small_decoder(scenes), Vectors(scenes.test.vectors)
    state, tokens = decoder.init_state(vectors), [torch.full((len(scenes.test.words), 1), BOS)]
    for _ in range(5):
        log_probs, state = decoder.step(tokens[-1], state)
        log_probs[..., : UNK + 1] = -math.inf
        tokens.append(log_probs.argmax(-1))
    with torch.no_grad():
        decoder.classify.bias[: UNK + 1] = -1e4  # so that it generates only words, as in the targets
        own = torch.stack(tokens, 2)
        forced = captions.cross_entropy(decoder, vectors, own)[0].value
        torch.testing.assert_close(forcing.free_loss(decoder, vectors, own), forced)
        other = captions.to_batch(scenes.test, scenes.vocabulary)
        forced = captions.cross_entropy(decoder, vectors, other)[0].value
        assert forcing.free_loss(decoder, vectors, other) != forced


@pytest.mark.parametrize("way", forcing.WAYS)
def test_no_way_of_training_has_dropout(way: str, scenes: captions.CaptionData) -> None:
    decoder, vectors = forcing.build(way, scenes, 3).train(), Vectors(scenes.test.vectors)
    tokens, losses = captions.to_batch(scenes.test, scenes.vocabulary), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        losses.append(forcing.loss_of(way, decoder, vectors, tokens, share=0.5, seed=0).item())
    assert losses[0] == losses[1]


def test_all_steps_at_once_are_the_steps_one_by_one(scenes: captions.CaptionData) -> None:
    decoder = small_decoder(scenes, forcing.OutputAlone)
    vectors, tokens = Vectors(scenes.test.vectors), captions.to_batch(scenes.test, scenes.vocabulary)
    with torch.no_grad():
        logits = decoder(vectors, tokens).logits
        state = decoder.init_state(vectors).repeat(tokens.shape[1])
        for place in range(tokens.shape[2]):
            log_probs, state = decoder.step(tokens[..., place], state)
            torch.testing.assert_close(logits[:, :, place], log_probs)


def test_toy_captions_say_what_the_scene_shows() -> None:
    scene = toy.Scene(color=0, noun=1, verb=2, place=3)
    assert "a black cat sleeps in the snow" in toy.caption(scene)
    vectors = toy.to_vectors([scene] * 40, 0)
    assert vectors.shape == (40, toy.CELLS, toy.CHANNELS)
    others = toy.to_vectors([toy.Scene(color=1, noun=2, verb=3, place=4)] * 40, 0)
    assert (vectors.sum(1).mean(0) - others.sum(1).mean(0)).norm() > 3


def test_toy_translations_turn_the_order_of_words() -> None:
    pairs = toy.draw_translations(50, 0)
    assert all(len(source) == len(target) for source, target in pairs)
    assert any(target != [word[::-1] for word in source] for source, target in pairs)
    assert {word[::-1] for source, _ in pairs for word in source} == {word for _, target in pairs for word in target}
    assert pairs == toy.draw_translations(50, 0) != toy.draw_translations(50, 1)


def test_real_captions_come_with_the_embedded_encoders_grid(
    tmp_path: Path, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "flickr8k"
    (root / "images").mkdir(parents=True)
    records = []
    for name, path in photos.items():
        Image.open(path).resize((224, 224)).save(root / "images" / f"{name}.png")
        split = "dev" if name == "coffee" else "train"
        records.append({"file": f"{name}.png", "split": split, "captions": [f"A {name} ."] * 3})
    (root / "captions.json").write_text(json.dumps(records))
    monkeypatch.chdir(tmp_path)  # the cache of decoded photos
    data = captions.read_captions(Setting(data=tmp_path))
    assert data.train.vectors.shape == (4, captions.SIDE**2, 1280)
    assert data.test.words == [[["a", "coffee"]] * 3]
    assert len(data.vocabulary) == 4 + 1 + 4
