"""Training a translator: data, runs, and BLEU."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from captioner import checkpoint
from captioner.errors import UsageError
from captioner.translation.translator import Translator
from tests.sentence_pairs import CZECH, ENGLISH, GERMAN, PAIRS, settings, write_descriptions, write_pairs
from train.__main__ import main as train_main
from train.loop import Training
from train.recipe import read_config
from train.sentences.config import TranslationConfig
from train.sentences.pairs import held_out_photos, read_pairs
from train.sentences.task import Translating

RECIPE = Path(__file__).parents[2] / "train" / "recipes" / "text-en-de-fr-cs.toml"


def test_pairs_are_read_line_by_line_without_held_out_photos(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    pairs = read_pairs(tmp_path, "train", ["de", "cs"], without=frozenset({"0", "3"}))
    assert [pair.source for pair in pairs] == [ENGLISH[n] for n in range(10) if n not in {0, 3}]
    assert pairs[0].targets == {"de": GERMAN[1], "cs": CZECH[1]}
    with pytest.raises(UsageError, match=r"train\.fr: no such file"):
        read_pairs(tmp_path, "train", ["fr"])
    (tmp_path / "train.cs").write_text("Jeden.\n")
    with pytest.raises(UsageError, match="10 sentences, but 1 lines in 'cs'"):
        read_pairs(tmp_path, "train", ["cs"])


def test_all_splits_but_those_to_learn_from_are_held_out(tmp_path: Path) -> None:
    photos = tmp_path / "captions.json"
    splits = ("train", "validation", "unused", "test")
    rows = [{"file": f"{n}_a.jpg", "split": split, "captions": ["A dog."]} for n, split in enumerate(splits)]
    photos.write_text(json.dumps(rows))
    assert held_out_photos(photos) == {"1", "3"}
    photos.write_text(json.dumps([row | {"split": ""} for row in rows]))
    with pytest.raises(UsageError, match="has no splits"):
        held_out_photos(photos)


def test_a_run_goes_on_from_a_model_with_further_pairs(learned: Path, tmp_path: Path) -> None:
    write_pairs(tmp_path)
    further = tmp_path / "further"
    further.mkdir()
    (further / "train.en").write_text("A dog.\nA red cat runs.\nA boy reads.\nSnow.\nA bus.\n")
    (further / "train.de").write_text("Ein Hund.\nEine Katze rennt.\nEin Junge liest.\nSchnee.\nEin Bus.\n")
    config = settings(tmp_path, epochs=1, batch_size=2)
    config = replace(config, start=str(learned), data=replace(config.data, also=(str(further),)))
    task = Translating(config)
    run = Training(task, tmp_path / "run")
    run.start()
    assert [one.text for one in task.translator(run.model).translate_batch(ENGLISH)] == GERMAN
    feed = task.feed(config.phase[0], run.model, lambda *_: torch.zeros(0))
    groups = feed.groups("0/0")
    assert sorted(number for group in groups for number in group) == list(range(15))
    shapes = [tuple(feed.batch(group, 0).tokens.shape[:2]) for group in groups]
    assert sorted(shapes) == [(1, 1), *[(2, 2)] * 5, (4, 1)]  # the same number of translations in each, of one language
    assert shapes != sorted(shapes)
    run.directory.mkdir()
    run.fit()
    facts = checkpoint.read_translator(run.directory / "best").training
    assert (facts["sentences"], facts["translations"], facts["config"]["start"]) == (15, 25, "best")
    with pytest.raises(UsageError, match="best writes de, cs; set languages to these, in this order"):
        Translating(replace(config, languages=("cs", "de")))
    photos = tmp_path / "captions.json"
    photos.write_text(json.dumps([{"file": "3_a.jpg", "split": "test", "captions": ["A dog."]}]))
    with pytest.raises(UsageError, match=r"images_train\.txt: no such file"):  # whose photos may be held out
        Translating(replace(config, data=replace(config.data, held_out=str(photos))))
    with pytest.raises(UsageError, match="further: has no train files in any of the languages cs"):
        Translating(replace(config, start="", languages=("cs",)))


def test_german_captions_get_an_english(learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "task1").mkdir()
    write_pairs(tmp_path / "task1")
    for language, lines in PAIRS.items():
        (tmp_path / "task1" / f"train.{language}").write_text("\n".join(lines * 100) + "\n", encoding="utf-8")
    config = settings(tmp_path / "task1")
    run = Training(Translating(replace(config, source="de", languages=("en",))), tmp_path / "run")
    run.directory.mkdir()
    run.start()
    run.fit()
    write_pairs(tmp_path / "task1")  # one photo per line again
    write_descriptions(tmp_path / "task2", {"train": [*GERMAN, "Ohne Übersetzung."], "val": ["Nein."]})
    photos = tmp_path / "captions.json"
    photos.write_text(json.dumps([{"file": "3_a.jpg", "split": "test", "captions": ["A dog."]}]))
    out = tmp_path / "further"
    command = [
        "multi30k",
        "backtranslate",
        str(out),
        "--data",
        str(tmp_path),
        "--held-out",
        str(photos),
        "--captions",
        "2",
    ]
    assert train_main([*command, "--model", str(run.directory / "best")]) == 0
    assert "18 German captions with English back-translations" in capsys.readouterr().out
    kept = [number for number in range(10) if number != 3 for _ in range(2)]
    for name, lines in {
        "train.en": ENGLISH,
        "train.de": GERMAN,
        "images_train.txt": [f"{n}.jpg" for n in range(10)],
    }.items():
        assert (out / name).read_text(encoding="utf-8").splitlines() == [lines[number] for number in kept]
    write_descriptions(tmp_path / "other" / "task2", {"val": ["Nein."]})
    shutil.copytree(tmp_path / "task1", tmp_path / "other" / "task1")
    nothing = [*command[:4], str(tmp_path / "other"), *command[5:], "--model", str(run.directory / "best")]
    assert train_main(nothing) == 2
    assert "other: no training photo has a German caption" in capsys.readouterr().err
    assert train_main([*command, "--model", str(learned)]) == 2
    assert "best: this model writes de, cs; give a model that writes English" in capsys.readouterr().err


def test_english_captions_get_translations(learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "task1").mkdir()
    write_pairs(tmp_path / "task1")
    captions = [f"A dog sees {n} balls." for n in range(10)]
    captions[4] = "a man climbs a rock"  # translated by people, apart from case and full stop
    write_descriptions(tmp_path / "task2", {"train": captions, "test_2016": ["No."]}, "en")
    photos = tmp_path / "captions.json"
    photos.write_text(json.dumps([{"file": "3_a.jpg", "split": "test", "captions": ["A dog."]}]))
    out = tmp_path / "further"
    command = ["multi30k", "forwardtranslate", str(out), "--data", str(tmp_path), "--held-out", str(photos)]
    assert train_main([*command, "--model", str(learned)]) == 0
    assert "8 English captions with translations" in capsys.readouterr().out
    kept = [number for number in range(10) if number not in (3, 4)]
    translator = Translator.load(learned)
    assert (out / "images_train.txt").read_text(encoding="utf-8").splitlines() == [f"{n}.jpg" for n in kept]
    assert (out / "train.en").read_text(encoding="utf-8").splitlines() == [captions[n] for n in kept]
    for language in ("de", "cs"):
        assert (out / f"train.{language}").read_text(encoding="utf-8").splitlines() == [
            translator.translate(captions[n], to=language).text for n in kept
        ]
    photos.write_text(json.dumps([{"file": f"{n}_a.jpg", "split": "test", "captions": ["A dog."]} for n in range(10)]))
    assert train_main([*command, "--model", str(learned)]) == 2
    assert "no training photo has an English caption without a translation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("training.select_by=CIDEr", 'training.select_by: must be "Bleu_4" for a translator'),
        ("phase.0.encoder_learning_rate=0", "the encoder is not trained yet"),
        ("phase.0.objective=self-critical", "a translator supports only the objective 'captions'"),
        ('languages=["deutsch"]', "languages.0: string should match pattern"),
        ("languages=[]", "languages: tuple should have at least 1 item"),
        ("encoder.backbone=resnet50", "unknown key 'encoder.backbone'"),
    ],
)
def test_wrong_settings_are_refused(change: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_config(RECIPE, [change])
    assert sentence in str(caught.value)
    assert isinstance(read_config(RECIPE), TranslationConfig)


def test_a_run_that_was_stopped_goes_on_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pairs(tmp_path)
    states = []
    for name in ("whole", "stopped"):
        task = Translating(settings(tmp_path, epochs=3, batch_size=4))
        run = Training(task, tmp_path / name)
        (tmp_path / name).mkdir()
        run.start()
        if name == "stopped":
            monkeypatch.setattr(run, "_validate", iter([{"Bleu_4": 0.0}]).__next__)
            with pytest.raises(StopIteration):  # in the second pass, before its state is saved
                run.fit()
            run = Training(Translating(settings(tmp_path, epochs=3, batch_size=4)), tmp_path / name)
            run.resume()
        run.fit()
        states.append(run.model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_scores_are_sacrebleus_and_are_written_down(
    learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    shutil.copytree(learned, model)
    (tmp_path / "task1").mkdir()
    for language, lines in PAIRS.items():
        changed = [line.lower() if language == "de" else line for line in lines]
        (tmp_path / "task1" / f"test_2016_flickr.{language}").write_text("\n".join(changed), encoding="utf-8")
    assert train_main(["bleu", str(model), "--data", str(tmp_path), "--record"]) == 0
    table = capsys.readouterr().out
    assert "| test_2016_flickr | cs | 10 | 100.0 | 100.0 |" in table
    assert re.findall(r"signature, (.*): .*case:(.*)\|eff:no\|tok:13a", table) == [
        ("cased", "mixed"),
        ("lower case", "lc"),
    ]
    scores = checkpoint.read_translator(model).scores["test_2016_flickr, de"]
    assert scores["BLEU"] < 0.9 < scores["BLEU_lower_case"] == 1
    assert train_main(["bleu", str(model), "--data", str(tmp_path / "task1")]) == 2
    assert "contains none of the test sets" in capsys.readouterr().err
