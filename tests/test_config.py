"""Configurations: round trips, and one clear error for invalid values."""

from pathlib import Path

import pytest

from captioner.config import DecoderConfig, ImageConfig, ImageEncoderConfig, ModelConfig, from_mapping, to_mapping
from captioner.errors import ModelError, UsageError
from train.photos.config import TrainConfig
from train.recipe import read_config

RECIPES = sorted((Path(__file__).parent.parent / "train" / "recipes").glob("*.toml"))


def test_a_configuration_survives_the_round_trip() -> None:
    config = ModelConfig(
        encoder=ImageEncoderConfig(backbone="resnet18"),
        decoder=DecoderConfig(vocabulary_size=99, cell="gru", layers=2, attention="additive", tie_weights=True),
        image=ImageConfig(size=96, mean=(0.1, 0.2, 0.3)),
    )
    assert from_mapping(ModelConfig, to_mapping(config), where="here") == config


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cel": "lstm"}, "here: unknown key 'decoder.cel'. Did you mean 'cell'? Known: attention, cell,"),
        ({"cell": "lstmm"}, "here: decoder.cell: input should be 'rnn', 'gru' or 'lstm', not 'lstmm'."),
        ({"layers": 3}, "here: decoder.layers: input should be less than or equal to 2, not 3."),
        ({"layers": "2"}, "here: decoder.layers: input should be a valid integer, not '2'."),
        ({"layers": True}, "here: decoder.layers: input should be a valid integer, not True."),
        ({"dropout": 1.0}, "here: decoder.dropout: input should be less than 1, not 1.0."),
        ({"hidden_size": 10, "heads": 4}, "here: decoder: hidden_size 10 is not a multiple of heads 4."),
        ({"vocabulary_size": None}, "here: decoder.vocabulary_size: input should be a valid integer."),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(change: dict[str, object], sentence: str) -> None:
    data = {"encoder": {}, "decoder": {"vocabulary_size": 99} | change}
    with pytest.raises(ModelError) as caught:
        from_mapping(ModelConfig, data, where="here", error=ModelError)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(UsageError, match=r"^here: 'decoder.vocabulary_size' is missing\.$"):
        from_mapping(ModelConfig, {"encoder": {}, "decoder": {}}, where="here")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_committed_recipes_are_sound_and_name_no_place_of_ours(recipe: Path) -> None:
    config = read_config(recipe)
    assert config.name == recipe.stem
    assert config.data.root == ""
    if isinstance(config, TrainConfig):
        assert config.encoder.weights in {"torchvision", "photo-en"}
    else:
        assert config.data.held_out == ""


def test_settings_are_changed_from_the_shell() -> None:
    config = read_config(
        RECIPES[0], ["data.root=/photos with blanks", "decoder.cell=gru", "phase.0.epochs=7", "training.seed=4"]
    )
    assert config.data.root == "/photos with blanks"
    assert config.decoder.cell == "gru"
    assert config.phase[0].epochs == 7
    assert config.training.seed == 4


def test_a_start_gives_the_settings_of_its_model_that_are_left_out(small_checkpoint: Path) -> None:
    captioner, translator = RECIPES[0].with_name("levers.toml"), RECIPES[0].with_name("text-en-de-fr-cs.toml")
    config = read_config(captioner, [f"start={small_checkpoint}"])
    assert isinstance(config, TrainConfig)
    assert config.image.size == 64  # not in the recipe
    assert config.decoder.layers == 1  # an explicit setting is kept, so that `load_start` can refuse it
    short = read_config(captioner, [f"start={small_checkpoint}", "decoder={}", "decoder.dropout=0.5"])
    assert (short.decoder.hidden_size, short.decoder.embedding_size, short.decoder.layers) == (16, 12, 2)
    assert short.decoder.dropout == 0.5
    taught = read_config(translator, ["start=text-en-de-fr-cs", "decoder={}", "encoder={}"])
    plain = read_config(translator)
    assert (taught.decoder, taught.encoder) == (plain.decoder, plain.encoder)
    with pytest.raises(UsageError, match="start: input should be a valid string, not 3"):
        read_config(captioner, ["start=3"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("decoder.cel=gru", "unknown key 'decoder.cel'. Did you mean 'cell'?"),
        ("decoder.cell", "must have the form section.key=value"),
        ("phase.9.epochs=1", "no such key"),
        ("phase.0.epochs=0", "phase.0.epochs: input should be greater than or equal to 1, not 0."),
        ("phase.0.epoch=1", "unknown key 'phase.0.epoch'. Did you mean 'epochs'?"),
        ("name.x=1", "no such key"),
        ("phase.0.encoder_blocks=4", "phase decoder: encoder_blocks has no effect while encoder_learning_rate is 0"),
        ("phase.0.colour=0.2", "phase decoder: colour has no effect while encoder_learning_rate is 0"),
        ("phase.0.views=1", "phase decoder: crop has no effect while encoder_learning_rate is 0 and views is 1"),
        ("phase.1.views=2", "phase joint: views has no effect with a trained encoder: every epoch sees new crops"),
        ("phase.0.objective=text", "phase decoder: views has no effect without photos"),
        ("phase.0.samples=3", "phase decoder: samples has no effect unless objective is 'self-critical'"),
    ],
)
def test_wrong_changes_are_refused(change: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_config(RECIPES[0].with_name("mobilenet.toml"), [change])
    assert sentence in str(caught.value)


def test_a_translator_has_no_photos_to_crop() -> None:
    with pytest.raises(UsageError, match="phase translation: flip has no effect without photos"):
        read_config(RECIPES[0].with_name("text-en-de-fr-cs.toml"), ["phase.0.flip=true"])


def test_a_config_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_config(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(UsageError, match="not valid TOML"):
        read_config(broken)
    broken.write_bytes(b'name = "\xff"')
    with pytest.raises(UsageError, match="not valid TOML"):
        read_config(broken)
