"""The module that is trained: one encoder and one decoder."""

from torch import Tensor, nn

from captioner.config import ModelConfig, TranslatorConfig
from captioner.models.decoder import Decoder, Forced
from captioner.models.encoders import ImageEncoder, TextEncoder
from captioner.models.packed import pack


class EncoderDecoder(nn.Module):
    """An encoder of photos or of sentences, and a decoder that looks at what it gives."""

    def __init__(self, config: ModelConfig | TranslatorConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder: ImageEncoder | TextEncoder = (
            ImageEncoder(config.encoder, config.image)
            if isinstance(config, ModelConfig)
            else TextEncoder(config.encoder)
        )
        self.decoder = Decoder(config.decoder, self.encoder.output_size)

    def settle(self) -> None:
        """Rearrange the weights for speed, once they change and move no more; see `ImageEncoder.fold` and `pack`."""
        if isinstance(self.encoder, ImageEncoder):
            self.encoder.fold()
        pack(self.decoder)

    def forward(self, inputs: Tensor, tokens: Tensor) -> Forced:
        """Read given sentences (B, K, T) about photos (B, 3, H, W) or sentences (B, N); see `Decoder.forward`."""
        forced: Forced = self.decoder(self.encoder(inputs), tokens)
        return forced
