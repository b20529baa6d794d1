"""The module that is trained: one encoder and one decoder."""

from torch import Tensor, nn

from captioner.config import ModelConfig
from captioner.models.decoder import Decoder, Forced
from captioner.models.encoders import ImageEncoder


class EncoderDecoder(nn.Module):
    """An encoder, and a decoder that looks at what it gives."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ImageEncoder(config.encoder, config.image)
        self.decoder = Decoder(config.decoder, self.encoder.output_size)

    def forward(self, inputs: Tensor, tokens: Tensor) -> Forced:
        """Read given captions (B, K, T) about photos (B, 3, H, W); see `Decoder.forward`."""
        forced: Forced = self.decoder(self.encoder(inputs), tokens)
        return forced
