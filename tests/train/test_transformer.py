"""The transformer that the translator is compared with: it has the same interfaces, and it learns."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from captioner.decoding import DecodingOptions
from captioner.inference import generate
from tests.sentence_pairs import PAIRS, write_pairs
from train.__main__ import main
from train.study.transformer import Transformer


@pytest.fixture
def model() -> Transformer:
    torch.manual_seed(0)
    return Transformer((30, 40), width=16, layers=2, dropout=0.1).eval()


def test_steps_say_what_teacher_forcing_says(model: Transformer) -> None:
    tokens = torch.tensor([[[1, 7, 8, 9], [1, 5, 4, 3]], [[1, 30, 20, 10], [1, 6, 6, 6]]])
    vectors = model.encoder(torch.tensor([[5, 6, 7], [8, 9, 0]]))
    whole = model.decoder(vectors, tokens).logits.log_softmax(-1)
    state = model.decoder.init_state(vectors).select(torch.arange(2), torch.zeros(2, 2, dtype=torch.long))
    for place in range(4):
        said, state = model.decoder.step(tokens[..., place], state)
        assert torch.allclose(said, whole[:, :, place], atol=1e-5)


def test_padding_changes_nothing(model: Transformer) -> None:
    options = DecodingOptions(max_length=8)
    alone = generate(model.decoder, model.encoder(torch.tensor([[8, 9]])), options)[0][0]
    among = generate(model.decoder, model.encoder(torch.tensor([[5, 6, 7], [8, 9, 0]])), options)[1][0]
    assert alone.tokens == among.tokens
    assert alone.log_prob == pytest.approx(among.log_prob, abs=1e-4)


def test_it_learns_ten_pairs_and_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs(tmp_path)
    for language, lines in PAIRS.items():
        (tmp_path / f"train.{language}").write_text("\n".join(lines * 300) + "\n", encoding="utf-8")
        (tmp_path / f"test_2016_flickr.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        f"""name = "tiny"
languages = ["de", "cs"]
data = {{root = "{tmp_path}", source_size = 300, target_size = 500}}
training = {{average_decay = 0, label_smoothing = 0, select_by = "Bleu_4", threads = 1}}
phase = [{{name = "all", epochs = 1, batch_size = 10, learning_rate = 3e-3, encoder_learning_rate = 3e-3, warmup = 50}}]
"""
    )
    command = ["transformer", str(recipe), "--out", str(tmp_path / "run"), "--width", "64", "--layers", "1"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "0.2 million parameters" in shown
    assert "| test_2016_flickr | de | 10 | 100.0 | 100.0 |" in shown
    assert not (tmp_path / "run" / "best").exists()
    assert main(command) == 2
    assert "already contains a run" in capsys.readouterr().err
    assert main([*command, "--width", "32", "--resume"]) == 2
    assert "was saved with another configuration" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["levers.toml"], "trains a captioner; give a translator's recipe"),
        (["text-en-de-fr-cs.toml", "--width", "30"], "--width a multiple of 4"),
        (["text-en-de-fr-cs.toml", "--layers", "0"], "--layers must be at least 1"),
    ],
)
def test_what_cannot_be_trained_is_said(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, *others = arguments
    assert main(["transformer", str(Path("train") / "recipes" / recipe), *others]) == 2
    assert sentence in capsys.readouterr().err


def test_flickr8k_in_german(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts, photos = tmp_path / "multi30k" / "task2", tmp_path / "flickr8k"
    texts.mkdir(parents=True)
    (photos / "images").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(photos / "images" / "11_a.jpg")
    rows = [{"file": f"{number}_a.jpg", "split": "test", "captions": ["A dog."]} for number in (11, 12)]
    (photos / "captions.json").write_text(json.dumps(rows))
    for split in ("train", "val", "test_2016"):
        (texts / f"images_{split}_images.txt").write_text("11.jpg\n" if split == "val" else "13.jpg\n")
        for number in range(1, 6):
            (texts / f"{split}.{number}.de").write_text(f"Hündin {number}.\n", encoding="utf-8")
    out = tmp_path / "german"
    command = ["multi30k", "german", str(out), "--data", str(tmp_path / "multi30k"), "--photos", str(photos)]
    assert main(command) == 0
    assert json.loads((out / "captions.json").read_text(encoding="utf-8")) == [
        {"file": "11_a.jpg", "split": "test", "captions": [f"Hündin {number}." for number in range(1, 6)]}
    ]
    assert (out / "images" / "11_a.jpg").is_file()
    assert main(command) == 4
    assert "cannot be written (File exists)" in capsys.readouterr().err
