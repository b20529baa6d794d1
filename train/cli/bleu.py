"""python -m train bleu: score a translator on Multi30k.

sacreBLEU on Multi30k's test sets and, with --photos, of photos' captions in German.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="checkpoint directory or name (default: the embedded one)"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="Multi30k, with task1 and task2 in it")
    parser.add_argument("--record", action="store_true", help="also write the scores into the model's config.json")
    parser.add_argument(
        "--photos", type=Path, metavar="DIR", help="Flickr8k: caption its test photos and translate that"
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
