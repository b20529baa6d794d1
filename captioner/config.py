"""Configuration of models: frozen dataclasses, validated when built, with strict conversion from and to JSON.

Unknown keys, wrong types and values out of range are errors that name the field and list the known keys. The same
functions read a checkpoint's `config.json` and the trainer's TOML.
"""

import dataclasses
import difflib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from captioner.errors import CaptionerError, UsageError

Backbone = Literal[
    "mobilenet_v2",
    "mobilenet_v3_large",
    "resnet18",
    "resnet50",
    "resnet101",
    "efficientnet_b0",
    "efficientnet_v2_b0",
    "efficientnet_v2_s",
    "convnext_tiny",
    "regnet_y_1_6gf",
]
Cell = Literal["rnn", "gru", "lstm"]
AttentionKind = Literal["none", "additive", "dot", "multi-head"]

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""Shared by every configuration dataclass: no unknown keys, no silent conversions (`"5"` is not 5), no infinities."""

Language = Annotated[str, Field(pattern="^[a-z]{2}$")]
Languages = Annotated[tuple[Language, ...], Field(min_length=1)]
T = TypeVar("T")
Probability = Annotated[float, Field(ge=0, lt=1)]
Channel = Annotated[float, Field(ge=0, le=1)]
Scale = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ImageConfig:
    """How a photo becomes the encoder's input: squashed to a square, scaled to [0, 1], normalized per channel.

    Attributes:
        size: side of the square in pixels.
        mean: per channel (red, green, blue), in [0, 1]; ImageNet's by default.
        std: per channel, in (0, 1].
    """

    size: Annotated[int, Field(ge=32, le=1024)] = 224
    mean: tuple[Channel, Channel, Channel] = (0.485, 0.456, 0.406)
    std: tuple[Scale, Scale, Scale] = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ImageEncoderConfig:
    """A torchvision CNN, by its torchvision name, up to its last feature map."""

    backbone: Backbone = "mobilenet_v2"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TextEncoderSettings:
    """Settings of a bidirectional LSTM encoder, without the vocabulary size.

    Attributes:
        layers: number of stacked LSTM layers.
        hidden_size: width of each direction's state; the decoder attends to their concatenation.
        embedding_size: width of a token's embedding.
        dropout: probability in [0, 1), on embeddings and between layers.
    """

    layers: Annotated[int, Field(ge=1, le=4)] = 1
    hidden_size: Annotated[int, Field(ge=1, le=8192)] = 256
    embedding_size: Annotated[int, Field(ge=1, le=8192)] = 256
    dropout: Probability = 0.0


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TextEncoderConfig(TextEncoderSettings):
    """A bidirectional LSTM over the tokens of a sentence.

    Attributes:
        vocabulary_size: number of source tokens, including the special ones.
    """

    vocabulary_size: Annotated[int, Field(ge=5)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DecoderSettings:
    """Settings of a recurrent decoder with attention, without the vocabulary size.

    Attributes:
        cell: the recurrent cell.
        layers: 1, or 2 for an attention layer and a language layer (Anderson et al. 2018).
        hidden_size: width of every recurrent state.
        embedding_size: width of a token's embedding.
        attention: `none` gives the decoder the mean of the vectors at every step.
        heads: number of attention heads; only `multi-head` has more than one.
        dropout: probability in [0, 1), on embeddings and on the input of the output layer.
        vector_dropout: probability in [0, 1), on the encoder's vectors.
        tie_weights: share the embedding matrix with the output layer (Press and Wolf 2017).
        sentinel: attend to an additional vector, the mean of the encoder's vectors plus a learned one, for words that
            do not depend on a region (after the visual sentinel of Lu et al. 2017, section 2.3, which is computed from
            the LSTM's memory instead).
    """

    cell: Cell = "lstm"
    layers: Annotated[int, Field(ge=1, le=2)] = 1
    hidden_size: Annotated[int, Field(ge=1, le=8192)] = 512
    embedding_size: Annotated[int, Field(ge=1, le=8192)] = 512
    attention: AttentionKind = "multi-head"
    heads: Annotated[int, Field(ge=1, le=64)] = 8
    dropout: Probability = 0.0
    vector_dropout: Probability = 0.0
    tie_weights: bool = False
    sentinel: bool = False

    def __post_init__(self) -> None:
        if self.attention == "multi-head" and self.hidden_size % self.heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of heads {self.heads}")
        if self.attention == "none" and self.sentinel:
            raise ValueError(
                "sentinel needs attention; set sentinel to false, or attention to another value than 'none'"
            )


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DecoderConfig(DecoderSettings):
    """A recurrent decoder with attention.

    Attributes:
        vocabulary_size: number of tokens, including the four special ones.
    """

    vocabulary_size: Annotated[int, Field(ge=5)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TextConfig:
    """How a caption becomes tokens.

    Attributes:
        tokens: words as in COCO's evaluation, or characters.
        direction: the order in which the decoder writes them.
    """

    tokens: Literal["word", "char"] = "word"
    direction: Literal["left-to-right", "right-to-left"] = "left-to-right"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ModelConfig:
    """The full configuration of a captioning model, apart from weights and vocabulary."""

    encoder: ImageEncoderConfig
    decoder: DecoderConfig
    image: ImageConfig = dataclasses.field(default_factory=ImageConfig)
    text: TextConfig = dataclasses.field(default_factory=TextConfig)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TranslatorConfig:
    """The full configuration of a translator, apart from weights and subwords.

    Attributes:
        encoder: encodes the source sentence.
        decoder: writes the translation.
        languages: target languages (ISO 639-1 codes); a translation begins with the token of its language.
    """

    encoder: TextEncoderConfig
    decoder: DecoderConfig
    languages: Languages


def from_mapping(kind: type[T], data: Mapping[str, Any], *, where: str, error: type[CaptionerError] = UsageError) -> T:
    """Build the configuration dataclass `kind` from plain data (JSON types), with strict validation.

    Args:
        kind: a dataclass of this project.
        data: parsed JSON or TOML.
        where: source of the data, for messages; usually the file.
        error: class of the error to raise.

    Raises:
        CaptionerError: (as `error`) a key is unknown, missing, of the wrong type or out of range.
    """
    try:
        # JSON mode accepts a list for a tuple and an int for a float, but converts nothing else.
        return TypeAdapter(kind).validate_json(json.dumps(dict(data)), strict=True)
    except ValidationError as problem:
        raise error(f"{where}: {_sentence(kind, problem)}") from None
    except CaptionerError as problem:  # raised by a dataclass that validates itself
        raise error(f"{where}: {problem}") from None
    except (TypeError, ValueError) as problem:  # a TOML date, say
        raise error(f"{where}: {problem}.") from None


def to_mapping(config: object) -> dict[str, Any]:
    """Convert a configuration dataclass to plain data (JSON types), the inverse of `from_mapping`."""
    data: dict[str, Any] = TypeAdapter(type(config)).dump_python(config, mode="json")
    return data


def _sentence(kind: type[Any], problem: ValidationError) -> str:
    """Describe the first problem in one sentence, with a suggestion for a misspelled key."""
    first, *others = problem.errors(include_url=False)
    path = [str(part) for part in first["loc"]]
    field = ".".join(path) or "the configuration"
    if first["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        known = sorted(_known_keys(kind, path[:-1]))
        close = difflib.get_close_matches(path[-1], known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        text = f"unknown key {field!r}.{hint} Known: {', '.join(known)}."
    elif first["type"] in {"missing", "missing_argument"}:
        text = f"{field!r} is missing."
    else:
        message = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        value = first["input"] if isinstance(first["input"], str | int | float | bool) else None
        text = f"{field}: {message[:1].lower()}{message[1:]}" + (f", not {value!r}." if value is not None else ".")
    return text + (f" ({len(others)} more errors)" if others else "")


def _known_keys(kind: type[Any], path: list[str]) -> list[str]:
    """The field names of the dataclass at `path` within `kind`."""
    for part in path:
        inner = kind if part.isdigit() else get_type_hints(kind).get(part)  # an index in a tuple is not a field
        inner = next((one for one in get_args(inner) if dataclasses.is_dataclass(one)), inner)
        if not isinstance(inner, type) or not dataclasses.is_dataclass(inner):
            break
        kind = inner
    return [field.name for field in dataclasses.fields(kind)]
