"""The translator: learned by heart it answers exactly, padding changes nothing, and every input gets an answer or a sentence."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import captioner
from captioner import checkpoint, words
from captioner.cli import main
from captioner.config import TextEncoderConfig
from captioner.decoding import DecodingOptions
from captioner.errors import ModelError, UsageError
from captioner.models.encoders import TextEncoder
from captioner.subwords import Subwords
from captioner.translator import LONGEST, Translator, _ended
from captioner.words import draw_words
from tests.sentence_pairs import CZECH, ENGLISH, GERMAN, PAIRS, settings, write_descriptions, write_pairs
from train.__main__ import main as train_main
from train.config import TranslationConfig, read_config
from train.loop import Run
from train.pairs import held_out_photos, read_pairs
from train.translation import Translating

RECIPE = Path(__file__).parent.parent / "train" / "recipes" / "text-en-de-fr-cs.toml"


@pytest.mark.parametrize("language", ["de", "cs"])
def test_ten_pairs_are_learned_exactly(translator: Translator, language: str) -> None:
    found = translator.translate_batch(ENGLISH, to=language)
    assert [one.text for one in found] == PAIRS[language]
    assert {one.language for one in found} == {language}
    assert all(one.log_prob < 0 and 0.5 < one.confidence < 1 for one in found)


def test_the_batch_changes_nothing(translator: Translator) -> None:
    together = translator.translate_batch(ENGLISH, attention=True)
    for sentence, among in zip(ENGLISH, together, strict=True):
        alone = translator.translate(sentence, attention=True)
        assert alone.text == among.text
        assert alone.log_prob == pytest.approx(among.log_prob, abs=1e-4)
        assert torch.allclose(torch.tensor(alone.attention), torch.tensor(among.attention), atol=1e-4)


def test_padding_changes_no_vector() -> None:
    torch.manual_seed(0)
    encoder = TextEncoder(TextEncoderConfig(vocabulary_size=9, hidden_size=8, embedding_size=8, layers=2)).eval()
    alone = encoder(torch.tensor([[4, 5, 6]]))
    among = encoder(torch.tensor([[4, 5, 6, 0, 0], [7, 8, 4, 5, 6]]))
    assert torch.allclose(alone.values[0], among.values[0, :3], atol=1e-6)
    assert among.padding is not None
    assert among.padding.tolist() == [[False] * 3 + [True] * 2, [False] * 5]
    assert not torch.allclose(among.values[0, 0], encoder(torch.tensor([[4, 5, 7]])).values[0, 0])  # it reads backwards


def test_attention_is_between_whole_words(translator: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    found = translator.translate("a dog runs  on the beach", attention=True)
    assert found.source == "A dog runs on the beach."
    assert found.source_words == ("A", "dog", "runs", "on", "the", "beach.")
    assert found.words == ("Ein", "Hund", "rennt", "am", "Strand.")
    assert found.attention is not None
    assert [len(row) for row in found.attention] == [6] * 5
    assert [sum(row) for row in found.attention] == pytest.approx([1] * 5)
    picture = draw_words(found)
    assert picture.mode == "RGB"
    assert len({picture.getpixel((x, picture.height - 20)) for x in range(picture.width)}) > 3
    monkeypatch.setattr(words, "_find_font", lambda: None)  # Pillow's own has no accents
    assert draw_words(found).size > (200, 150)
    assert words._plain("Žluťoučký Hüte") == "Zlutoucky Hute"
    with pytest.raises(UsageError, match="without attention"):
        draw_words(translator.translate("A dog runs."))


def test_several_sentences_are_translated_each_by_itself(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captioner.translator.AT_ONCE", 2)
    text = " ".join([ENGLISH[0], *ENGLISH, "12!"])
    whole, one = translator.translate_batch([text, ENGLISH[1]], attention=True)
    each = translator.translate_batch([ENGLISH[0], *ENGLISH, "12!"], attention=True)
    assert one.text == each[2].text
    assert whole.text == " ".join(found.text for found in each)
    assert whole.alternatives[0] == whole.text
    assert whole.source == text
    assert whole.log_prob == pytest.approx(sum(found.log_prob for found in each))
    assert min(found.confidence for found in each) < whole.confidence < max(found.confidence for found in each)
    assert whole.attention is not None
    assert whole.source_words == tuple(text.split())
    last = each[-1].attention
    assert last is not None
    assert [row[-1] for row in whole.attention[-len(last) :]] == [row[0] for row in last]
    assert {len(row) for row in whole.attention} == {len(whole.source_words)}
    assert all(sum(row) == pytest.approx(1, abs=1e-3) for row in whole.attention)


@pytest.mark.parametrize(
    ("language", "news", "dog"),
    [
        ("de", "Eine alte Frau liest Zeitung.", "Ein brauner Hund rennt durch den Schnee."),
        ("fr", "Une vieille femme lit le journal.", "Un chien brun court dans la neige."),
        ("cs", "Stará žena čte noviny.", "Hnědý pes běží sněhem."),
    ],
)
def test_the_embedded_translator_writes_what_it_wrote(language: str, news: str, dog: str) -> None:
    sentences = ["An old woman is reading the newspaper.", "A brown dog is running through the snow."]
    found = Translator.load().translate_batch(sentences, to=language)
    assert [one.text for one in found] == [news, dog]


@pytest.mark.parametrize(
    ("language", "text"), [("de", "Zwei Hunde!"), ("fr", "Deux chiens\u00a0!"), ("cs", "Dva psi!")]
)
def test_a_sentence_ends_as_its_source_does(language: str, text: str) -> None:
    bare, ended = text.rstrip("!\u00a0"), "Ja."
    assert _ended(bare, "!", language) == text
    assert _ended(bare, ".", language) == bare + "."
    assert _ended(ended, "!", language) == ended


@pytest.mark.parametrize(
    "sentence", ["🐕 ☕", "x", "ŁŁŁ Ωμέγα 你好", "12 12 12", "a" * 50, "Hüte\u00a0\n\tGehe", "<de> <pad> </s> ▁"]
)
def test_whatever_has_words_gets_an_answer(translator: Translator, sentence: str) -> None:
    if any(character.isalnum() for character in sentence):
        found = translator.translate(sentence)
        assert not set("<>▁") & set(found.text)
    else:
        with pytest.raises(UsageError, match="holds no words"):
            translator.translate(sentence)


def test_what_cannot_be_translated_is_said_in_a_sentence(translator: Translator) -> None:
    for empty in ("", "  \n", "...", "\u200b"):
        with pytest.raises(UsageError, match="holds no words to translate"):
            translator.translate(empty)
    with pytest.raises(UsageError, match=f"'Two.*at most {LONGEST}.*make shorter sentences"):
        translator.translate("A dog. " + "Two dogs run on the beach and " * 20)
    with pytest.raises(UsageError, match=r"'en'.*choose one of: de, cs"):
        translator.translate("A dog.", to="en")
    with pytest.raises(UsageError, match="bytes that are not UTF-8"):
        translator.translate("A dog\udcff.")
    with pytest.raises(UsageError, match="'xx'"):
        Translator.load(translator.checkpoint, language="xx")
    assert translator.translate_batch([]) == []


def test_a_language_has_a_token_that_text_cannot_spell() -> None:
    with pytest.raises(UsageError, match="10 subwords are too few to spell"):
        Subwords.learn(GERMAN, size=10)
    subwords = Subwords.learn(GERMAN, size=100, languages=["de"])
    token = subwords.language_token("de")
    assert token not in subwords.encode("<de>")
    assert subwords.decode(subwords.encode("Hüte am Fluss 12.")) == "Hüte am Fluss 12."
    for missing in ("fr", "unk"):
        with pytest.raises(ModelError, match="no token for the language"):
            subwords.language_token(missing)
    with pytest.raises(ModelError, match="not a sentencepiece model"):
        Subwords(b"something else")


def test_a_checkpoint_is_what_it_says(learned: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a translator, which reads sentences and not photos"):
        captioner.load(learned)
    with pytest.raises(ModelError, match="a captioner, which reads photos and not sentences"):
        captioner.load_translator("de", small_checkpoint)
    for name, sentence in (("target.model", "the file is missing"), ("source.model", "not a sentencepiece model")):
        broken = tmp_path / name
        broken.mkdir()
        for file in learned.iterdir():
            (broken / file.name).write_bytes(file.read_bytes())
        if "missing" in sentence:
            (broken / name).unlink()
        else:
            (broken / name).write_bytes(b"{}")
        with pytest.raises(ModelError, match=f"{name}: .*{sentence}"):
            checkpoint.read_translator(broken)
    read = checkpoint.read_any(learned)
    assert isinstance(read, checkpoint.TranslatorCheckpoint)
    assert read.config.languages == ("de", "cs")


def test_pairs_are_read_line_by_line_without_held_out_photos(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    pairs = read_pairs(tmp_path, "train", ["de", "cs"], without=frozenset({"0", "3"}))
    assert [pair.source for pair in pairs] == [ENGLISH[n] for n in range(10) if n not in {0, 3}]
    assert pairs[0].targets == {"de": GERMAN[1], "cs": CZECH[1]}
    with pytest.raises(UsageError, match=r"train\.fr: there is no such file"):
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
    run = Run(task, tmp_path / "run")
    run.start()
    assert [one.text for one in task.translator(run.model).translate_batch(ENGLISH)] == GERMAN
    feed = task.feed(config.phase[0], run.model, lambda *_: torch.zeros(0))
    groups = feed.groups("0/0")
    assert sorted(number for group in groups for number in group) == list(range(15))
    shapes = [tuple(feed.batch(group, 0).tokens.shape[:2]) for group in groups]
    assert sorted(shapes) == [(1, 1), *[(2, 2)] * 5, (4, 1)]  # as many translations in each, of one kind
    assert shapes != sorted(shapes)
    run.directory.mkdir()
    run.fit()
    facts = checkpoint.read_translator(run.directory / "best").training
    assert (facts["sentences"], facts["translations"], facts["config"]["start"]) == (15, 25, "best")
    with pytest.raises(UsageError, match="best writes de, cs; name these languages in this order"):
        Translating(replace(config, languages=("cs", "de")))
    photos = tmp_path / "captions.json"
    photos.write_text(json.dumps([{"file": "3_a.jpg", "split": "test", "captions": ["A dog."]}]))
    with pytest.raises(UsageError, match=r"images_train\.txt: there is no such file"):  # whose photos may be held out
        Translating(replace(config, data=replace(config.data, held_out=str(photos))))
    with pytest.raises(UsageError, match="further: has train files in none of the languages cs"):
        Translating(replace(config, start="", languages=("cs",)))


def test_german_captions_get_an_english(learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "task1").mkdir()
    write_pairs(tmp_path / "task1")
    for language, lines in PAIRS.items():
        (tmp_path / "task1" / f"train.{language}").write_text("\n".join(lines * 100) + "\n", encoding="utf-8")
    config = settings(tmp_path / "task1")
    run = Run(Translating(replace(config, source="de", languages=("en",))), tmp_path / "run")
    run.directory.mkdir()
    run.start()
    run.fit()
    write_pairs(tmp_path / "task1")  # a photo a line again
    write_descriptions(tmp_path / "task2", {"train": [*GERMAN, "Ohne Übersetzung."], "val": ["Nein."]})
    photos = tmp_path / "captions.json"
    photos.write_text(json.dumps([{"file": "3_a.jpg", "split": "test", "captions": ["A dog."]}]))
    out = tmp_path / "further"
    command = ["backtranslate", str(out), "--data", str(tmp_path), "--held-out", str(photos), "--captions", "2"]
    assert train_main([*command, "--model", str(run.directory / "best")]) == 0
    assert "18 German captions with an English" in capsys.readouterr().out
    kept = [number for number in range(10) if number != 3 for _ in range(2)]
    for name, lines in {
        "train.en": ENGLISH,
        "train.de": GERMAN,
        "images_train.txt": [f"{n}.jpg" for n in range(10)],
    }.items():
        assert (out / name).read_text(encoding="utf-8").splitlines() == [lines[number] for number in kept]
    write_descriptions(tmp_path / "other" / "task2", {"val": ["Nein."]})
    shutil.copytree(tmp_path / "task1", tmp_path / "other" / "task1")
    nothing = [*command[:3], str(tmp_path / "other"), *command[4:], "--model", str(run.directory / "best")]
    assert train_main(nothing) == 2
    assert "other: no photo to train on has a German caption" in capsys.readouterr().err
    assert train_main([*command, "--model", str(learned)]) == 2
    assert "best: writes de, cs; name a model that writes English" in capsys.readouterr().err


def test_english_captions_get_translations(learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "task1").mkdir()
    write_pairs(tmp_path / "task1")
    captions = [f"A dog sees {n} balls." for n in range(10)]
    captions[4] = "a man climbs a rock"  # but for case and full stop, people have translated it
    write_descriptions(tmp_path / "task2", {"train": captions, "test_2016": ["No."]}, "en")
    photos = tmp_path / "captions.json"
    photos.write_text(json.dumps([{"file": "3_a.jpg", "split": "test", "captions": ["A dog."]}]))
    out = tmp_path / "further"
    command = ["forwardtranslate", str(out), "--data", str(tmp_path), "--held-out", str(photos)]
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
    assert "no photo to train on has an English caption without a translation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("training.select_by=CIDEr", 'of translations there is only "Bleu_4"'),
        ("phase.0.encoder_learning_rate=0", "the encoder knows nothing yet"),
        ("phase.0.objective=self-critical", "a translator learns by objective 'captions' only"),
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
        run = Run(task, tmp_path / name)
        (tmp_path / name).mkdir()
        run.start()
        if name == "stopped":
            monkeypatch.setattr(run, "_validate", iter([{"Bleu_4": 0.0}]).__next__)
            with pytest.raises(StopIteration):  # in the second pass, whose state is not saved
                run.fit()
            run = Run(Translating(settings(tmp_path, epochs=3, batch_size=4)), tmp_path / name)
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
    assert "none of the test sets" in capsys.readouterr().err


# -- the command line -----------------------------------------------------------------------------------------------------


def test_sentences_are_translated_from_the_shell(
    learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "words.png"
    command = ["translate", "--model", str(learned), "--to", "de"]
    assert main([*command, "a dog runs on the beach", "--show-attention", str(picture)]) == 0
    assert capsys.readouterr().out == "Ein Hund rennt am Strand.\n"
    with Image.open(picture) as drawn:
        assert drawn.size > (200, 200)
    assert main([*command, "--format", "jsonl", "A girl jumps.", "A boy swims."]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in rows] == ["Ein Mädchen springt.", "Ein Junge schwimmt."]
    assert rows[0]["source"] == "A girl jumps."
    assert rows[0]["language"] == "de"
    assert main([*command, "A girl.", "--show-attention", str(tmp_path / "no" / "x.png")]) == 4
    assert main([*command[:-1], "pl", "A girl."]) == 2
    assert "choose one of: de, cs" in capsys.readouterr().err


def test_lines_stay_beside_each_other(learned: Path) -> None:
    lines = ["A girl jumps.", "", "...", "A boy swims."]
    command = [sys.executable, "-m", "captioner", "translate", "--model", str(learned), "--to", "cs"]
    done = subprocess.run(
        command, input="\n".join(lines) + "\n", capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.stdout == "Dívka skáče.\n\n...\nChlapec plave.\n"
    latin = subprocess.run(command, input="A caf\xe9 girl jumps.\n".encode("latin-1"), capture_output=True, check=False)
    assert (latin.returncode, latin.stderr) == (0, b"")
    assert done.returncode == 1
    assert done.stderr == "captioner: line 3: '...' holds no words to translate.\n"


def test_photos_are_captioned_in_another_language(
    learned: Path, small_checkpoint: Path, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checkpoint, "DEFAULT_TRANSLATOR", learned)
    model = captioner.load(small_checkpoint, device="cpu")
    english = model.caption(photos["coffee"])
    czech = model.caption(
        photos["coffee"], DecodingOptions(beam_size=2, max_length=7, num_captions=2), language="cs", attention=True
    )
    assert (english.language, english.source, english.translation) == ("en", english.text, None)
    assert (czech.language, czech.source, czech.tokens) == ("cs", english.text, english.tokens)
    assert czech.text == model._load_translator().translate(english.text, to="cs").text == czech.alternatives[0].text
    assert czech.translation is not None
    assert czech.translation.attention is not None
    assert len(czech.alternatives) == 2
    out = tmp_path / "out.jsonl"
    command = ["caption", "--model", str(small_checkpoint), "--language", "cs", "--output", str(out)]
    assert main([*command, str(photos["coffee"])]) == 0
    row = json.loads(out.read_text())
    assert (row["language"], row["source"], row["caption"]) == ("cs", english.text, czech.text)
    assert main(["caption", "--model", str(small_checkpoint), "--language", "pl", str(photos["coffee"])]) == 2
