"""`Captioner`: the same caption for every kind of input, batch and number of threads."""

import io
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

import captioner
from captioner import Captioner, DecodingOptions, ImageError, ImageLimits, UsageError


@pytest.fixture(scope="module")
def model() -> Captioner:
    return captioner.load(device="cpu")


def test_the_embedded_model_sees_what_is_in_real_photos(model: Captioner, photos: dict[str, Path]) -> None:
    """The bounds are wide enough for a retrained model and narrow enough to detect a broken one."""
    person = {"man", "woman", "person", "people", "girl", "boy", "lady"}
    for name, words in {"astronaut": person, "camera": person | {"camera"}}.items():
        assert words & set(model.caption(photos[name]).tokens)
    for path in photos.values():
        caption = model.caption(path)
        assert 4 <= len(caption.tokens) <= 20
        assert len(set(caption.tokens)) > len(caption.tokens) / 2
        assert caption.text[0].isupper()
        assert caption.text.endswith(".")


def test_all_kinds_of_source_give_the_same(model: Captioner, photos: dict[str, Path]) -> None:
    path = photos["chelsea"]
    content = path.read_bytes()
    sources = [path, str(path), content, io.BytesIO(content), Image.open(io.BytesIO(content))]
    assert len({model.caption(source).text for source in sources}) == 1


def test_a_batch_gives_what_each_gives_alone(model: Captioner, photos: dict[str, Path]) -> None:
    together = model.caption_batch(photos.values())
    for caption, path in zip(together, photos.values(), strict=True):
        alone = model.caption(path)
        assert caption.text == alone.text
        assert caption.log_prob == pytest.approx(alone.log_prob, abs=1e-4)


def test_threads_do_not_disturb_each_other(model: Captioner, photos: dict[str, Path]) -> None:
    paths = list(photos.values()) * 4
    expected = [model.caption(path).text for path in photos.values()] * 4
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda path: model.caption(path).text, paths)) == expected


def test_a_caption_says_how_sure_the_model_is(model: Captioner, photos: dict[str, Path]) -> None:
    caption = model.caption(photos["coffee"])
    assert 0 < caption.confidence < 1
    assert caption.log_prob < 0
    assert len(caption.steps) == len(caption.tokens) + 1
    assert sum(caption.steps) == pytest.approx(caption.log_prob, abs=1e-4)


def test_without_a_calibration_confidence_is_the_mean_token_probability(
    small_checkpoint: Path, photos: dict[str, Path]
) -> None:
    caption = captioner.load(small_checkpoint, device="cpu").caption(photos["coffee"])
    tokens = len(caption.steps)
    assert caption.confidence == pytest.approx(math.exp(caption.log_prob / tokens))


def test_several_captions_come_best_first(model: Captioner, photos: dict[str, Path]) -> None:
    options = DecodingOptions(beam_size=5, num_captions=4)
    caption = model.caption(photos["rocket"], options)
    assert len({one.text for one in caption.alternatives}) == 4
    assert caption.alternatives[0].text == caption.text
    scores = [one.log_prob / ((5 + len(one.tokens) + 1) / 6) ** 0.7 for one in caption.alternatives]
    assert scores == sorted(scores, reverse=True)


def test_options_are_obeyed(model: Captioner, photos: dict[str, Path]) -> None:
    assert len(model.caption(photos["rocket"], DecodingOptions(max_length=4)).tokens) <= 4
    assert len(model.caption(photos["rocket"], DecodingOptions(min_length=14)).tokens) >= 14


def test_attention_says_where_the_model_looked(model: Captioner, photos: dict[str, Path]) -> None:
    caption = model.caption(photos["chelsea"], attention=True)
    assert caption.attention is not None
    assert caption.grid == (8, 8)
    assert len(caption.attention) == len(caption.tokens)
    for weights in caption.attention:
        assert len(weights) == 64
        assert 0 < sum(weights) <= 1 + 1e-4  # the rest is the sentinel's
    assert caption.attention[0] != caption.attention[-1]
    assert model.caption(photos["chelsea"]).attention is None


def test_a_batch_of_nothing_is_nothing(model: Captioner) -> None:
    assert model.caption_batch([]) == []


def test_sizes_are_those_of_the_upright_photo(model: Captioner, photos: dict[str, Path], tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(photos["rocket"]) as image:
        width, height = image.size
        image.save(tmp_path / "turned.jpg", exif=exif)
    caption = model.caption(tmp_path / "turned.jpg")
    assert (caption.width, caption.height) == (height, width)


def test_limits_reach_the_photo(model: Captioner, photos: dict[str, Path]) -> None:
    with pytest.raises(ImageError, match="pixels"):
        model.caption(photos["rocket"], limits=ImageLimits(max_pixels=1000))


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="device 'tpu' is unknown; known: auto, cpu, cuda, mps"):
        Captioner.load(device="tpu")


def test_a_small_checkpoint_of_random_weights_still_answers(small_checkpoint: Path, photos: dict[str, Path]) -> None:
    model = captioner.load(small_checkpoint, device="cpu")
    captions = model.caption_batch(photos.values(), attention=True)
    assert all(caption.grid == (2, 2) for caption in captions)
    assert all(len(caption.tokens) <= 7 for caption in captions)
