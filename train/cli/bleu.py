"""python -m train bleu: Score a translator with sacreBLEU on Multi30k's test sets.

With --photos, also scores the captions of Flickr8k's test photos, translated to German.
"""

import argparse
from pathlib import Path

EXAMPLES = """\
  Score the embedded translator:
    python -m train bleu --data multi30k
  Score your own and store the scores in its config.json:
    python -m train bleu runs/text-en-de-fr-cs/best --data multi30k --record
  Score photo to German as well:
    python -m train bleu --data multi30k --photos flickr8k
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="checkpoint directory or embedded model (default: text-en-de-fr-cs)"
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="directory of Multi30k, with task1 and task2"
    )
    parser.add_argument("--record", action="store_true", help="also write the scores to the model's config.json")
    parser.add_argument(
        "--photos",
        type=Path,
        metavar="DIR",
        help="directory of Flickr8k; also caption its test photos and translate the captions",
    )


def run(options: argparse.Namespace) -> None:
    from captioner.predict import Captioner
    from captioner.translation.translator import Translator
    from train.sentences.bleu import record, score_captions, score_translations, to_table

    translator = Translator.load(options.model)
    scores = score_translations(translator, options.data / "task1")
    if options.photos:
        scores.append(score_captions(Captioner.load(), translator, options.data / "task2", options.photos))
    if options.record:
        record(translator.checkpoint.path, scores)
    print(to_table(scores))
