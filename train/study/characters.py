"""A character-level language model: each character of a caption predicts the next.

The project's own decoder writes captions without a photo: it attends to a single vector of zeros. Its tokens are
characters, as with `tokens = "char"` in a captioning model, so every text is covered by a vocabulary of some dozens of
symbols. It is trained with each cell and in two sizes on the same captions in the same order, and measured on the
captions of other photos. Captions are sampled from each model at three temperatures, and their words looked up in the
training captions. The samples shown in the plot are those of the last model.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captioner import datasets
from captioner.config import Cell, DecoderConfig
from captioner.decoding.sampling import sample
from captioner.inference import pad
from captioner.models.decoder import RecurrentDecoder
from captioner.models.interfaces import Vectors
from captioner.text import BOS, EOS, PAD, UNK, Tokenizer, Vocabulary, ptb_tokenize
from train.batches import encode
from train.objectives.cross_entropy import cross_entropy
from train.study import chart, toy
from train.study.learning import count_parameters, in_batches, learn
from train.study.setting import Entry, Finding, Setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLAIM = "In a character-level language model each character predicts the next, and no word is unknown."

MODELS: tuple[tuple[Cell, int], ...] = (("lstm", 64), ("rnn", 128), ("gru", 128), ("lstm", 128))
"""Cells and their units."""

TEMPERATURES = (0.4, 0.8, 1.2)
MAX_LENGTH, BATCH, SAMPLES = 100, 64, 100


@dataclass(frozen=True)
class Texts:
    """Training and test captions, and the characters of the former."""

    train: list[str]
    test: list[str]
    vocabulary: Vocabulary


def read_texts(setting: Setting) -> Texts:
    """Flickr8k's captions, or those of toy scenes."""
    if setting.data:
        found = datasets.read(setting.data / "flickr8k")
        train, test = (
            [text for photo in found.select(split).photos for text in photo.captions] for split in ("train", "dev")
        )
        test = test[:2000]
    else:
        train, test = (
            [text for scene in toy.draw_scenes(count, seed) for text in toy.caption(scene)]
            for count, seed in ((800, 1), (40, 2))
        )
    return Texts(train, test, Vocabulary.build(Tokenizer("char").tokenize(text) for text in train))


def to_tokens(texts: list[str], vocabulary: Vocabulary) -> Tensor:
    """Captions as characters, (1, K, T): K sentences about the same empty photo."""
    return pad([[encode(Tokenizer("char").tokenize(text), vocabulary, MAX_LENGTH) for text in texts]])


def nothing() -> Vectors:
    """The vector of zeros that the decoder attends to."""
    return Vectors(torch.zeros(1, 1, 1))


def teach(kind: Cell, size: int, texts: Texts, seed: int, setting: Setting) -> RecurrentDecoder:
    """A trained decoder."""
    torch.manual_seed(seed)
    config = DecoderConfig(
        cell=kind, hidden_size=size, embedding_size=32, attention="none", vocabulary_size=len(texts.vocabulary)
    )
    decoder = RecurrentDecoder(config, vector_size=1)
    steps = setting.pick(full=160, quick=30, tiny=1)
    order = in_batches([len(text) for text in texts.train], BATCH, steps=steps, seed=seed)

    def loss(number: int) -> Tensor:
        tokens = to_tokens([texts.train[place] for place in order[number]], texts.vocabulary)
        return cross_entropy(decoder, nothing(), tokens)[0].value

    learn(decoder.parameters(), loss, steps=steps, title=f"characters {kind} {size}", rate=5e-3)
    return decoder.eval()


@torch.inference_mode()
def bits_per_character(decoder: RecurrentDecoder, texts: Texts) -> float:
    """Bits per character of the test captions, with their ends counted as characters."""
    nats, count = 0.0, 0
    for start in range(0, len(texts.test), 500):
        tokens = to_tokens(texts.test[start : start + 500], texts.vocabulary)
        loss, _ = cross_entropy(decoder, nothing(), tokens)
        nats += loss.value.item() * loss.tokens
        count += loss.tokens
    return nats / count / math.log(2)


def draw(decoder: RecurrentDecoder, texts: Texts, temperature: float) -> list[str]:
    """Captions sampled character by character."""
    tokens = sample(
        decoder.step,
        decoder.init_state(nothing()),
        batch_size=1,
        count=SAMPLES,
        bos=BOS,
        eos=EOS,
        max_length=MAX_LENGTH,
        generator=torch.Generator().manual_seed(0),
        temperature=temperature,
        banned=(PAD, BOS, UNK),
    )
    return ["".join(texts.vocabulary.decode(ids)) for ids in tokens[0].tolist()]


def known_words(samples: list[str], known: set[str]) -> float:
    """Share (%) of known words in samples."""
    words = [word for text in samples for word in ptb_tokenize(text)]
    return 100 * sum(word in known for word in words) / max(1, len(words))


def study(setting: Setting) -> Finding:
    """Bits per character and share of real words, by model; samples at three temperatures."""
    texts = read_texts(setting)
    read = [ptb_tokenize(text) for text in texts.train]
    known = {word for words in read for word in words}
    figure, (axes, page) = chart.panels(2, size=(6.0, 4.2))
    rows: list[tuple[Entry, ...]] = []
    found: dict[str, tuple[float, ...]] = {}
    models = setting.pick(full=MODELS, quick=tuple((kind, 48) for kind, _ in MODELS[1:]), tiny=(("gru", 8),))
    for kind, size in models:
        decoders = [teach(kind, size, texts, seed, setting) for seed in setting.seeds]
        drawn = [[draw(decoder, texts, temperature) for temperature in TEMPERATURES] for decoder in decoders]
        shares = zip(*([known_words(one, known) for one in three] for three in drawn), strict=True)
        name, count = f"{kind}, {size} units", count_parameters(decoders[0])
        found[name] = tuple(bits_per_character(decoder, texts) for decoder in decoders)
        rows.append((name, count, found[name], *shares))
    chart.bars(axes, [name.replace(", ", "\n") for name in found], list(found.values()), unit="bits per character")
    _show(page, dict(zip(TEMPERATURES, drawn[0], strict=True)))
    columns = ("model", "parameters", "bits per character", *(f"real words at {one} (%)" for one in TEMPERATURES))
    return Finding(columns=columns, rows=tuple(rows), figure=figure, seen=_sentence(texts, read, found))


def _sentence(texts: Texts, read: list[list[str]], found: dict[str, tuple[float, ...]]) -> str:
    best = min(found, key=lambda name: sum(found[name]))
    unknown = int((to_tokens(texts.test, texts.vocabulary) == UNK).sum())
    words = Vocabulary.build(read, min_count=5)
    lost = [word not in words for text in texts.test for word in ptb_tokenize(text)]
    return (
        f"The best model ({best}) needs {sum(found[best]) / len(found[best]):.2f} bits per character; {unknown} "
        "characters of the test captions are unknown to it, while a vocabulary of words seen five times lacks "
        f"{100 * sum(lost) / len(lost):.1f} % of their words."
    )


def _show(axes: "Axes", samples: dict[float, list[str]]) -> None:
    """Sample captions as text, under their temperature."""
    axes.axis("off")
    lines = []
    for temperature, drawn in samples.items():
        lines += [f"temperature {temperature}", *(f"   {text[:62]}{'…' * (len(text) > 62)}" for text in drawn[:4]), ""]
    axes.text(0, 1, "\n".join(lines), va="top", family="monospace", fontsize=8, transform=axes.transAxes)
