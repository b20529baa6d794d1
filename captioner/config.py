"""What a model is made of: frozen dataclasses, checked when built, strict from and to JSON.

An unknown key, a wrong type or a value out of range is refused in one sentence that names the field and, for an unknown
key, lists the known ones. The same reader serves a checkpoint's `config.json` and the trainer's TOML.
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
    """A torchvision CNN by its torchvision name, used up to its last grid of features."""

    backbone: Backbone = "mobilenet_v2"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TextEncoderSettings:
    """A bidirectional LSTM over the tokens of a sentence, before it is known how many tokens there are.

    Attributes:
        layers: LSTMs one above the other.
        hidden_size: width of each direction's state; the decoder attends to both, side by side.
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
        vocabulary_size: number of tokens of the language it reads, the special ones included.
    """

    vocabulary_size: Annotated[int, Field(ge=5)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DecoderSettings:
    """A recurrent decoder with attention, before it is known how many words it has.

    Attributes:
        cell: the recurrent cell.
        layers: 1, or 2 for an attention layer and a language layer (Anderson et al. 2018).
        hidden_size: width of every recurrent state.
        embedding_size: width of a token's embedding.
        attention: `none` gives the decoder the mean of the vectors at every step.
        heads: number of attention heads; only `multi-head` has more than one.
        dropout: probability in [0, 1), on embeddings and on what the output layer reads.
        vector_dropout: the same on the vectors that are attended to.
        tie_weights: let the output layer share the embedding's matrix (Press and Wolf 2017).
        sentinel: attend to one vector more, the mean of the encoder's plus a learned one, for words that need no look
            at a place (after the visual sentinel of Lu et al. 2017, section 2.3, which comes from the LSTM's memory
            instead).
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
        vocabulary_size: number of tokens, the four special ones included.
    """

    vocabulary_size: Annotated[int, Field(ge=5)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TextConfig:
    """How a caption becomes tokens.

    Attributes:
        tokens: COCO's words, or characters.
        direction: in which order they are written.
    """

    tokens: Literal["word", "char"] = "word"
    direction: Literal["left-to-right", "right-to-left"] = "left-to-right"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ModelConfig:
    """Everything that is needed to build a captioner and to feed it, weights and vocabulary aside."""

    encoder: ImageEncoderConfig
    decoder: DecoderConfig
    image: ImageConfig = dataclasses.field(default_factory=ImageConfig)
    text: TextConfig = dataclasses.field(default_factory=TextConfig)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TranslatorConfig:
    """Everything that is needed to build a translator, weights and subwords aside.

    Attributes:
        encoder: reads the sentence.
        decoder: writes it in another language.
        languages: those it can write, by their two letters (ISO 639-1); a sentence begins with its language's own
            token.
    """

    encoder: TextEncoderConfig
    decoder: DecoderConfig
    languages: Languages


def from_mapping(kind: type[T], data: Mapping[str, Any], *, where: str, error: type[CaptionerError] = UsageError) -> T:
    """Build the configuration dataclass `kind` from plain data (JSON's types), strictly.

    Args:
        kind: a dataclass of this project's.
        data: keys and values as JSON or TOML gives them.
        where: what an error names, usually the file.
        error: the class of the error.

    Raises:
        CaptionerError: (as `error`) a key is unknown, missing, of the wrong type or out of range.
    """
    try:
        # Through JSON, so that a list is taken for a tuple and an int for a float, but nothing else is converted.
        return TypeAdapter(kind).validate_json(json.dumps(dict(data)), strict=True)
    except ValidationError as problem:
        raise error(f"{where}: {_sentence(kind, problem)}") from None
    except CaptionerError as problem:  # a dataclass that checks itself
        raise error(f"{where}: {problem}") from None
    except (TypeError, ValueError) as problem:  # a TOML date, say
        raise error(f"{where}: {problem}.") from None


def to_mapping(config: object) -> dict[str, Any]:
    """Turn a configuration dataclass into plain data (JSON's types) that `from_mapping` reads back."""
    data: dict[str, Any] = TypeAdapter(type(config)).dump_python(config, mode="json")
    return data


def _sentence(kind: type[Any], problem: ValidationError) -> str:
    """Say the first problem in one sentence, with what the user may have meant."""
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
    """The fields of the dataclass that stands at `path` below `kind`."""
    for part in path:
        inner = kind if part.isdigit() else get_type_hints(kind).get(part)  # a place in a tuple names no field
        inner = next((one for one in get_args(inner) if dataclasses.is_dataclass(one)), inner)
        if not isinstance(inner, type) or not dataclasses.is_dataclass(inner):
            break
        kind = inner
    return [field.name for field in dataclasses.fields(kind)]
