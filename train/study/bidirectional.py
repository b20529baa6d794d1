"""Past and future context: tags that depend on both, and captions judged from their end.

The tagging task: a sequence of letters contains marks A and B at random places. The tag of each letter is the last mark
before it (or none) and the next mark after it (or none): nine tags in all. One-way networks read from the left or from
the right. The two-way network reads both ways with cells half as wide, so it has about half their parameters. The cell
is the decoder's GRU.

Captions: a decoder that writes from left to right (with plain cells, which learn most in few steps, see `cells`)
proposes the 10 best sentences of a beam search. A second decoder, trained on the same captions in reverse, scores each
of them. The sum of both log-probabilities, divided by the length penalty of the search, decides. Because two models are
better than one whatever their direction, a second left-to-right decoder with another seed is the control.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor, nn

from captioner.decoding import DecodingOptions, Hypothesis
from captioner.inference import generate, log_probs_of
from captioner.models.decoder import RecurrentDecoder
from captioner.models.interfaces import Vectors
from train.study import chart
from train.study.captions import MAX_LENGTH, SETTINGS, CaptionData, build_decoder, read_captions, score, teach
from train.study.learning import Recurrent, count_parameters, learn
from train.study.setting import Entry, Finding, Setting

CLAIM = "An output may depend on the whole input, past and future; a network that reads both ways sees both."
READERS = ("left to right", "right to left", "both ways")
LETTERS, TAGS, LENGTH, WIDTH = 8, 9, 20, 64
BEAM = 10


class Tagger(nn.Module):
    """A recurrent network that tags every symbol, reading in one direction or in both."""

    def __init__(self, reader: str) -> None:
        super().__init__()
        width = WIDTH // 2 if reader == "both ways" else WIDTH
        symbols = LETTERS + 2
        self.onward = Recurrent("gru", symbols, width) if reader != "right to left" else None
        self.backward = Recurrent("gru", symbols, width) if reader != "left to right" else None
        self.classify = nn.Linear(WIDTH, TAGS)

    def forward(self, symbols: Tensor) -> Tensor:
        """Logits (B, T, 9) of the tags of symbols (B, T)."""
        inputs = F.one_hot(symbols, LETTERS + 2).float()
        read = [] if self.onward is None else [self.onward(inputs)]
        if self.backward is not None:
            read.append(self.backward(inputs.flip(1)).flip(1))
        logits: Tensor = self.classify(torch.cat(read, -1))
        return logits


def draw(count: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Symbols (B, T), of which 0 and 1 are the marks, and their tags (B, T)."""
    letters = torch.randint(2, LETTERS + 2, (count, LENGTH), generator=chance)
    marks = torch.randint(2, (count, LENGTH), generator=chance)
    symbols = torch.where(torch.rand(count, LENGTH, generator=chance) < 0.15, marks, letters)
    return symbols, 3 * last_mark(symbols) + last_mark(symbols.flip(1)).flip(1)


def last_mark(symbols: Tensor) -> Tensor:
    """For each symbol (B, T), the last mark before it: 0 or 1, or 2 if there is none."""
    found, last = [], torch.full_like(symbols[:, 0], 2)
    for symbol in symbols.unbind(1):
        found.append(last)
        last = torch.where(symbol < 2, symbol, last)
    return torch.stack(found, 1)


def tag(reader: str, seed: int, steps: int) -> tuple[int, list[float]]:
    """Parameters of a trained tagger, and its accuracy (%) at each position."""
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    tagger = Tagger(reader)

    def loss(_: int) -> Tensor:
        symbols, tags = draw(64, chance)
        return F.cross_entropy(tagger(symbols).flatten(0, 1), tags.flatten())

    learn(tagger.parameters(), loss, steps=steps, title=f"tagging {reader}", rate=5e-3)
    with torch.no_grad():
        symbols, tags = draw(1000, chance)
        right = 100 * (tagger(symbols).argmax(-1) == tags).float().mean(0)
    return count_parameters(tagger), right.tolist()


def train_decoders(data: CaptionData, seed: int, steps: int) -> list[RecurrentDecoder]:
    """Three decoders: forward, backward, and another forward one."""
    settings = replace(SETTINGS, cell="rnn")
    decoders = []
    for number, backwards in enumerate((False, True, False)):
        decoder = build_decoder(data, settings, seed + 1000 * number)
        title = f"captions {READERS[backwards]}"
        teach(decoder, data, steps=steps, seed=seed + 1000 * number, title=title, backwards=backwards)
        decoders.append(decoder)
    return decoders


def agreed(hypotheses: Sequence[Hypothesis], opinions: Sequence[float]) -> list[Hypothesis]:
    """Sentences reranked by the agreement of two models, best first.

    The score is the sum of both log-probabilities, divided by the length penalty (Liu et al. 2016, "Agreement on
    target-bidirectional neural machine translation").

    Args:
        hypotheses: hypotheses of the first model.
        opinions: log-probability of each by the second model.
    """

    def together(pair: tuple[Hypothesis, float]) -> float:
        one, opinion = pair
        return one.score * (1 + opinion / one.log_prob) if one.log_prob else opinion

    pairs = sorted(zip(hypotheses, opinions, strict=True), key=together, reverse=True)
    return [one for one, _ in pairs]


@torch.inference_mode()
def measure(decoders: list[RecurrentDecoder], data: CaptionData) -> list[float]:
    """BLEU-4 of captions: forward, backward, forward judged by backward, forward judged by another forward one."""
    options = DecodingOptions(beam_size=BEAM, num_captions=BEAM, max_length=MAX_LENGTH, no_repeat_ngram=3)
    vectors = Vectors(data.test.vectors)
    onward, backward = (generate(decoder, vectors, options) for decoder in decoders[:2])
    ids = [[list(one.tokens) for one in photo] for photo in onward]
    turned = [[sentence[::-1] for sentence in photo] for photo in ids]
    judged = [
        [
            list(agreed(*photo)[0].tokens)
            for photo in zip(onward, log_probs_of(decoder, vectors, sentences), strict=True)
        ]
        for decoder, sentences in ((decoders[1], turned), (decoders[2], ids))
    ]
    chosen = [
        [list(photo[0].tokens) for photo in onward],
        [list(photo[0].tokens)[::-1] for photo in backward],
        *judged,
    ]
    return [score([data.vocabulary.decode(sentence) for sentence in sentences], data) for sentences in chosen]


def study(setting: Setting) -> Finding:
    """Tags and captions, one-way and two-way."""
    data = read_captions(setting)
    figure, (tagging, captions) = chart.panels(2, size=(6.0, 4.0))
    rows: list[tuple[Entry, ...]] = []
    means = []
    for number, reader in enumerate(READERS):
        tagged = [tag(reader, seed, setting.pick(full=500, quick=120, tiny=2)) for seed in setting.seeds]
        values = torch.tensor([right for _, right in tagged])
        chart.line(tagging, range(1, LENGTH + 1), values, label=reader, number=number)
        rows.append((f"tags, {reader}", tagged[0][0], tuple(values.mean(1).tolist()), "right (%)"))
        means.append(values.mean().item())
    tagging.set(
        title="tags that depend on both sides",
        xlabel="place",
        ylabel="right tags (%)",
        ylim=(0, 105),
        xticks=(1, 5, 10, 15, 20),
    )
    tagging.legend()
    steps = setting.pick(full=450, quick=60, tiny=2)
    runs = [measure(train_decoders(data, seed, steps), data) for seed in setting.seeds]
    scores = list(zip(*runs, strict=True))
    names = ("onward", "backward", "onward, judged\nby backward", "onward, judged by\nanother onward")
    chart.bars(captions, names, scores, unit="BLEU-4 (%)")
    captions.set_title("captions of other photos")
    captions.tick_params(axis="x", labelsize="small")
    rows += [
        (f"captions, {name.replace(chr(10), ' ')}", "", values, "BLEU-4 (%)")
        for name, values in zip(names, scores, strict=True)
    ]
    bleus = [sum(values) / len(values) for values in scores]
    seen = (
        f"Correct tags: {means[0]:.0f} % from the left, {means[1]:.0f} % from the right, {means[2]:.0f} % both ways; "
        f"BLEU-4 of captions: {bleus[0]:.1f} left to right, {bleus[2]:.1f} when also judged by a backward decoder, "
        f"{bleus[3]:.1f} when judged by another left-to-right decoder."
    )
    return Finding(columns=("task", "parameters", "result", "measure"), rows=tuple(rows), figure=figure, seen=seen)
