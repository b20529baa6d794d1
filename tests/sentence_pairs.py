"""Ten sentences in three languages in Multi30k's layout, and the settings of a small translator."""

from pathlib import Path

from captioner.config import from_mapping
from train.sentences.config import TranslationConfig

ENGLISH = [
    "A dog runs on the beach.",
    "Two men in hats ride 12 horses.",
    "A girl jumps.",
    "An old woman reads a newspaper in the park near the river.",
    "A man climbs a rock.",
    "Three children play in the snow.",
    "A brown dog catches a ball.",
    "A boy swims.",
    "People wait for the bus.",
    "A woman in a red dress sings.",
]
GERMAN = [
    "Ein Hund rennt am Strand.",
    "Zwei Männer mit Hüten reiten auf 12 Pferden.",
    "Ein Mädchen springt.",
    "Eine alte Frau liest im Park am Fluss eine Zeitung.",
    "Ein Mann klettert auf einen Felsen.",
    "Drei Kinder spielen im Schnee.",
    "Ein brauner Hund fängt einen Ball.",
    "Ein Junge schwimmt.",
    "Leute warten auf den Bus.",
    "Eine Frau im roten Kleid singt.",
]
CZECH = [
    "Pes běží po pláži.",
    "Dva muži v kloboucích jedou na 12 koních.",
    "Dívka skáče.",
    "Stará žena čte noviny v parku u řeky.",
    "Muž leze na skálu.",
    "Tři děti si hrají ve sněhu.",
    "Hnědý pes chytá míč.",
    "Chlapec plave.",
    "Lidé čekají na autobus.",
    "Žena v červených šatech zpívá.",
]
PAIRS = {"en": ENGLISH, "de": GERMAN, "cs": CZECH}


def write_pairs(root: Path) -> None:
    for split in ("train", "val"):
        for language, lines in PAIRS.items():
            (root / f"{split}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
        names = "".join(f"{number}.jpg\n" for number in range(len(ENGLISH)))
        (root / f"images_{split}.txt").write_text(names)


def write_descriptions(root: Path, captions: dict[str, list[str]], language: str = "de") -> None:
    """Captioned photos by split, 0.jpg and so on, each with the same caption five times."""
    root.mkdir(parents=True)
    for split in ("train", "val", "test_2016"):
        lines = captions.get(split, [])
        names = (
            [f"{number}.jpg" for number in range(len(lines))] if split == "train" else [f"{split}.jpg" for _ in lines]
        )
        (root / f"images_{split}_images.txt").write_text("\n".join(names) + "\n")
        for number in range(1, 6):
            (root / f"{split}.{number}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")


def settings(root: Path, **phase: object) -> TranslationConfig:
    data = {
        "name": "ten",
        "languages": ["de", "cs"],
        "data": {"root": str(root), "source_size": 300, "target_size": 500},
        "encoder": {"hidden_size": 32, "embedding_size": 32},
        "decoder": {"layers": 2, "hidden_size": 64, "embedding_size": 32, "heads": 4},
        "decoding": {"max_length": 60, "no_repeat_ngram": 0},
        "training": {"average_decay": 0, "label_smoothing": 0, "select_by": "Bleu_4", "threads": 1},
        "phase": [
            {"name": "all", "epochs": 1, "batch_size": 10, "learning_rate": 1e-2, "encoder_learning_rate": 1e-2}
            | {"warmup": 10}
            | phase
        ],
    }
    return from_mapping(TranslationConfig, data, where="test")
