"""The translator: an overfitted model is exact, padding has no effect, and every input gets a result or an error."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import captioner
from captioner import checkpoint
from captioner.cli import main
from captioner.config import TextEncoderConfig
from captioner.decoding import DecodingOptions
from captioner.errors import ModelError, UsageError
from captioner.folders.batch import caption_photos
from captioner.models.encoders import TextEncoder
from captioner.text import as_sentence
from captioner.text.subwords import Subwords
from captioner.translation import picture as words
from captioner.translation.picture import draw_words
from captioner.translation.translator import LONGEST, Translator, _ended
from tests.sentence_pairs import ENGLISH, GERMAN, PAIRS


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
    assert not torch.allclose(among.values[0, 0], encoder(torch.tensor([[4, 5, 7]])).values[0, 0])  # bidirectional


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
    with pytest.raises(UsageError, match="has no attention weights"):
        draw_words(translator.translate("A dog runs."))


def test_several_sentences_are_translated_each_by_itself(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captioner.translation.translator.AT_ONCE", 2)
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


@pytest.mark.parametrize("end", ['."', ".”", ".)", '!"', "?»"])
def test_a_sentence_that_ends_with_a_quotation_mark_has_one_end(translator: Translator, end: str) -> None:
    assert as_sentence(f"a girl jumps{end}") == f"A girl jumps{end}"
    assert as_sentence('a girl says "jump"') == 'A girl says "jump".'
    found = translator.translate(f"a girl jumps{end}")
    assert found.source == f"A girl jumps{end}"
    assert not found.text.endswith(f"{end}.")
    assert sum(found.text.count(mark) for mark in ".!?") == 1


@pytest.mark.parametrize(
    "sentence", ["🐕 ☕", "x", "ŁŁŁ Ωμέγα 你好", "12 12 12", "a" * 50, "Hüte\u00a0\n\tGehe", "<de> <pad> </s> ▁"]
)
def test_whatever_has_words_gets_an_answer(translator: Translator, sentence: str) -> None:
    if any(character.isalnum() for character in sentence):
        found = translator.translate(sentence)
        assert not set("<>▁") & set(found.text)
    else:
        with pytest.raises(UsageError, match="contains no words"):
            translator.translate(sentence)


def test_what_cannot_be_translated_is_said_in_a_sentence(translator: Translator) -> None:
    for empty in ("", "  \n", "...", "\u200b"):
        with pytest.raises(UsageError, match="contains no words to translate"):
            translator.translate(empty)
    with pytest.raises(UsageError, match=f"'Two.*at most {LONGEST}.*split it into shorter sentences"):
        translator.translate("A dog. " + "Two dogs run on the beach and " * 20)
    with pytest.raises(UsageError, match=r"'en'.*choose one of: de, cs"):
        translator.translate("A dog.", to="en")
    with pytest.raises(UsageError, match="is not valid UTF-8"):
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
        with pytest.raises(ModelError, match="no token for language"):
            subwords.language_token(missing)
    with pytest.raises(ModelError, match="not a sentencepiece model"):
        Subwords(b"something else")


def test_a_checkpoint_is_what_it_says(learned: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="this is a translator, which does not read photos"):
        captioner.load(learned)
    with pytest.raises(ModelError, match="this is a captioner, which does not read sentences"):
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


# -- the command line
# -----------------------------------------------------------------------------------------------------


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


def test_lines_stay_beside_each_other(
    learned: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["A girl jumps.", "", "...", "A boy swims."]
    command = [sys.executable, "-m", "captioner", "translate", "--model", str(learned), "--to", "cs"]
    done = subprocess.run(
        command, input="\n".join(lines) + "\n", capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.stdout == "Dívka skáče.\n\n...\nChlapec plave.\n"
    assert done.returncode == 1
    assert done.stderr == "captioner: line 3: '...' contains no words to translate.\n"
    for text, encoding in (("A caf\xe9 girl jumps.\n", "latin-1"), ("A girl jumps.\r\n", "utf-16")):
        stream = io.BufferedReader(io.BytesIO(text.encode(encoding)))  # type: ignore[arg-type]
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stream))
        assert main(command[3:]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        assert encoding == "latin-1" or out == "Dívka skáče.\n"


def test_sentences_of_a_command_are_answered_one_by_one(learned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["translate", "--model", str(learned), "--to", "de"]
    long = "Two dogs run on the beach and " * 20
    assert main([*command, "A girl jumps.", "", "A boy swims."]) == 0
    assert capsys.readouterr() == ("Ein Mädchen springt.\n\nEin Junge schwimmt.\n", "")
    assert main([*command, long, "A boy swims.", "--format", "jsonl"]) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)["text"] for line in out.splitlines()] == [None, "Ein Junge schwimmt."]
    assert err.startswith("captioner: sentence 1: 'Two dogs run")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_sentences_of_windows_are_read(
    learned: Path, encoding: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = io.BytesIO("A girl jumps.\r\nA boy swims.\r\n".encode(encoding))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(text)))  # type: ignore[arg-type]
    assert main(["translate", "--model", str(learned), "--to", "cs"]) == 0
    assert capsys.readouterr() == ("Dívka skáče.\nChlapec plave.\n", "")


def test_a_caption_that_cannot_be_translated_is_its_photos_error(
    learned: Path, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint.reading, "DEFAULT_TRANSLATOR", learned)
    model = captioner.load(device="cpu", language="de")
    sources = list(photos.items())
    reader = Translator.load(learned)
    lengths = [max(len(one.ids) - 1 for one in reader._read(model.caption(path).source)) for _, path in sources]
    assert min(lengths) < max(lengths)
    monkeypatch.setattr("captioner.translation.translator.LONGEST", max(lengths) - 1)
    records = list(caption_photos(model, sources))
    assert [record.path for record in records] == list(photos)
    for length, record in zip(lengths, records, strict=True):
        if length == max(lengths):
            assert record.error is not None
            assert record.error.startswith(f"cannot translate the caption of {record.path}: ")
        else:
            assert record.caption
            assert record.language == "de"


def test_photos_are_captioned_in_another_language(
    learned: Path, small_checkpoint: Path, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checkpoint.reading, "DEFAULT_TRANSLATOR", learned)
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
