"""The trained module: an encoder and a decoder."""

from torch import Tensor, nn

from captioner.config import ModelConfig, TranslatorConfig
from captioner.models.decoder import build_decoder
from captioner.models.encoders import build_encoder
from captioner.models.interfaces import Decoder, Encoder, Forced, Ranges, within


class EncoderDecoder(nn.Module):
    """An encoder of photos or sentences, and a decoder that attends to its output."""

    def __init__(self, config: ModelConfig | TranslatorConfig, encoder: Encoder | None = None) -> None:
        super().__init__()
        self.config = config
        self.encoder: Encoder = encoder or build_encoder(config)
        self.decoder: Decoder = build_decoder(config.decoder, self.encoder.output_size)

    def settle(self, ranges: Ranges | None = None) -> None:
        """Rearrange the weights for fast inference; afterwards they can be neither trained nor moved.

        Args:
            ranges: input ranges of the weight matrices, for a decoder in int8; None for float32.
        """
        self.encoder.settle()
        self.decoder.settle(within("decoder", ranges or {}))

    def forward(self, inputs: Tensor, tokens: Tensor) -> Forced:
        """Compute the logits of sentences (B, K, T) for photos (B, 3, H, W) or sentences (B, N); see `Decoder`."""
        return self.decoder(self.encoder(inputs), tokens)
