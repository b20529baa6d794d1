"""Translation with a single summary vector and with attention: BLEU by sentence length.

A bidirectional LSTM reads the English sentence, and the project's decoder writes the German one. The two models differ
in one setting of the decoder: with attention `none` it receives the mean of the encoder's vectors at every step, always
the same vector; with `additive` (Bahdanau et al. 2015) it weights the vectors separately for every word. Both are
trained on the same sentence pairs in the same order for the same number of steps, and write by greedy search.

Without real data the target language is an artificial one, in which verbs come last and adjectives follow their nouns.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.config import AttentionKind, DecoderConfig, TextEncoderConfig, TranslatorConfig
from captioner.decoding import DecodingOptions
from captioner.evaluation.bleu import bleu, bleu_statistics
from captioner.inference import generate, pad
from captioner.models.encoder_decoder import EncoderDecoder
from captioner.models.interfaces import Vectors
from captioner.text import Tokenizer, Vocabulary
from train.batches import encode
from train.objectives.cross_entropy import cross_entropy
from train.sentences.pairs import read_pairs
from train.study import chart, toy
from train.study.learning import in_batches, learn
from train.study.setting import Entry, Finding, Setting

CLAIM = "A single summary vector fails on long sentences; attention repairs it."

KINDS: tuple[tuple[AttentionKind, str], ...] = (("none", "one summary vector"), ("additive", "attention"))
EMBEDDING, MAX_LENGTH = 64, 40
OPTIONS = DecodingOptions(beam_size=1, max_length=MAX_LENGTH, no_repeat_ngram=0)

Sentences = tuple[list[str], list[str]]


@dataclass(frozen=True)
class Pairs:
    """Sentences with their translations, both vocabularies, and the limits of the length groups, the last one open."""

    train: list[Sentences]
    test: list[Sentences]
    source: Vocabulary
    target: Vocabulary
    lengths: tuple[int, ...]


def read_sentences(setting: Setting) -> Pairs:
    """Multi30k's English and German sentences (Elliott et al. 2016), or an artificial language.

    Raises:
        UsageError: a file of Multi30k is missing.
    """
    if setting.data:
        train = _read(setting, "train")
        test = [pair for part in ("val", "test_2016_flickr", "test_2017_flickr") for pair in _read(setting, part)]
        lengths: tuple[int, ...] = (1, 9, 11, 13, 15, 18)
    else:
        counts = setting.pick(full=(20000, 1000), quick=(6000, 200), tiny=(70, 12))
        train, test = (toy.draw_translations(count, seed) for seed, count in enumerate(counts))
        lengths = (1, 8, 15)
    source, target = (
        Vocabulary.build((pair[side] for pair in train), min_count=10 if setting.data else 1) for side in (0, 1)
    )
    return Pairs(train, test, source, target, lengths)


def _read(setting: Setting, part: str) -> list[Sentences]:
    assert setting.data
    root = setting.data / "text" / "multi30k" / "task1"
    tokenize = Tokenizer().tokenize
    pairs = [
        (tokenize(pair.source)[:MAX_LENGTH], tokenize(pair.targets["de"])[:MAX_LENGTH])
        for pair in read_pairs(root, part, ["de"])
    ]
    return [pair for pair in pairs if all(pair)]


def build(kind: AttentionKind, pairs: Pairs, width: int) -> EncoderDecoder:
    """A translator with random weights."""
    encoder = TextEncoderConfig(vocabulary_size=len(pairs.source), hidden_size=width, embedding_size=EMBEDDING)
    decoder = DecoderConfig(
        cell="gru",
        attention=kind,
        hidden_size=width,
        embedding_size=EMBEDDING,
        dropout=0.1,
        tie_weights=True,
        vocabulary_size=len(pairs.target),
    )
    return EncoderDecoder(TranslatorConfig(encoder=encoder, decoder=decoder, languages=("de",)))


def read(model: EncoderDecoder, sentences: list[list[str]], pairs: Pairs) -> Vectors:
    """Encode sentences given as words."""
    vectors: Vectors = model.encoder(pad([[encode(words, pairs.source, MAX_LENGTH)] for words in sentences])[:, 0])
    return vectors


def loss(model: EncoderDecoder, batch: list[Sentences], pairs: Pairs) -> Tensor:
    """Cross-entropy of translations under teacher forcing."""
    tokens = pad([[encode(target, pairs.target, MAX_LENGTH)] for _, target in batch])
    return cross_entropy(model.decoder, read(model, [source for source, _ in batch], pairs), tokens)[0].value


@torch.inference_mode()
def write(model: EncoderDecoder, sentences: list[list[str]], pairs: Pairs) -> list[list[str]]:
    """Translations of the sentences, in order."""
    order = sorted(range(len(sentences)), key=lambda number: len(sentences[number]))
    written: list[list[str]] = [[]] * len(sentences)
    for start in range(0, len(order), 200):
        numbers = order[start : start + 200]
        found = generate(model.decoder, read(model, [sentences[number] for number in numbers], pairs), OPTIONS)
        for number, (best,) in zip(numbers, found, strict=True):
            written[number] = pairs.target.decode(best.tokens)
    return written


def measure(kind: AttentionKind, pairs: Pairs, seed: int, setting: Setting) -> list[float]:
    """BLEU-4 (%) of a trained model: on all test sentences, then by length."""
    torch.manual_seed(seed)
    steps, batch, width = setting.pick(full=(600, 64, 128), quick=(150, 24, 48), tiny=(1, 24, 8))
    model = build(kind, pairs, width)
    order = in_batches([len(target) for _, target in pairs.train], batch, steps=steps, seed=seed)
    learn(
        model.parameters(),
        lambda number: loss(model, [pairs.train[place] for place in order[number]], pairs),
        steps=steps,
        title=f"attention {kind}",
        rate=5e-3,
    )
    model.eval()
    written = write(model, [source for source, _ in pairs.test], pairs)
    statistics = bleu_statistics(written, [[target] for _, target in pairs.test])
    groups = [list(range(len(pairs.test))), *_by_length(pairs)]
    return [100 * float(bleu(statistics.take(group).total())[3]) for group in groups]


def _by_length(pairs: Pairs) -> list[list[int]]:
    """Indices of the test sentences in each length group."""
    ends = (*pairs.lengths[1:], MAX_LENGTH + 1)
    return [
        [number for number, (source, _) in enumerate(pairs.test) if start <= len(source) < end]
        for start, end in zip(pairs.lengths, ends, strict=True)
    ]


def study(setting: Setting) -> Finding:
    """BLEU with and without attention, by sentence length."""
    pairs = read_sentences(setting)
    ends = (*(f"–{start - 1}" for start in pairs.lengths[1:]), " and more")
    names = [f"{start}{end}" for start, end in zip(pairs.lengths, ends, strict=True)]
    figure, (axes,) = chart.panels(size=(6.5, 4.0))
    rows: list[tuple[Entry, ...]] = []
    means = {}
    for number, (kind, name) in enumerate(KINDS):
        runs = [measure(kind, pairs, seed, setting) for seed in setting.seeds]
        chart.line(axes, range(len(names)), [run[1:] for run in runs], label=name, number=number)
        rows.append((name, *zip(*runs, strict=True)))
        means[kind] = [sum(values) / len(values) for values in zip(*runs, strict=True)]
    rows.append(("sentences", len(pairs.test), *map(len, _by_length(pairs))))
    axes.set_xticks(range(len(names)), names)
    axes.set(xlabel="words in the English sentence", ylabel="BLEU-4 (%)", ylim=(0, None))
    axes.legend()
    without, attending = means["none"], means["additive"]
    seen = (
        f"From the shortest sentences to the longest, BLEU goes from {without[1]:.1f} to {without[-1]:.1f} with one "
        f"summary vector and from {attending[1]:.1f} to {attending[-1]:.1f} with attention; on all sentences it is "
        f"{without[0]:.1f} and {attending[0]:.1f}."
    )
    return Finding(columns=("decoder", "all lengths", *names), rows=tuple(rows), figure=figure, seen=seen)
