"""A file of a known format: which decoder reads it, and what decoding it costs."""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from captioner.images import jpeg2000, kinds
from captioner.images.containers import Bare, bare, orientation
from captioner.images.limits import ImageLimits, OtherReaderError, RefusedError
from captioner.images.tiff import Directory, clean, silence_libtiff

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# Chosen by content, never by name. Untrusted files must not reach the code of Pillow's other forty formats. The classes
# are used directly, because `Image.open` warns about a limit of its own, and because registering HEIF with Pillow would
# change what the whole process can open.
_READERS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIF": ("pillow_heif", "HeifImageFile"),
    "JPEG 2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
}

# Pillow decodes these in Python, two bytes at a time.
_MAX_RUN_LENGTHS = 30_000_000
# Measured bytes per pixel while decoding, with and without alpha; other formats take what their mode takes. HEIC takes
# 7 as written by phones.
_DECODING = {"WEBP": (14, 14), "AVIF": (14, 11), "HEIF": (10, 8.5), "JPEG 2000": (28, 21)}
_WORKING = 32_000_000  # bytes needed to convert strips
_MODES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A file of a known format without metadata.

    Attributes:
        kind: the format.
        file: the file; of an animation, the part that its first frame needs.
        container: what is known about the file.
        directory: the current page of a TIFF.
        original: the unmodified file if it may be animated; otherwise empty.
    """

    kind: str
    file: io.BytesIO
    container: Bare
    directory: Directory | None = None
    original: bytes = b""

    def open(self) -> ImageFile:
        """Read the header without decoding pixels."""
        self.file.seek(0)
        module, name = _READERS[self.kind]
        image: ImageFile = getattr(import_module(module), name)(self.file)
        return image

    def check_header(self, limits: ImageLimits) -> int:
        """Check the size of a file whose decoder allocates memory when it is created; returns that memory in bytes."""
        if not self.container.size:
            return 0
        limits.check_size(*self.container.size)
        cost = _DECODING[self.kind][0] * self.container.size[0] * self.container.size[1]
        limits.check_memory(cost)
        return cost

    def check_effort(self, image: ImageFile, limits: ImageLimits) -> None:
        """Reject files that take much more time or memory to decode than their size suggests."""
        if self.kind == "JPEG 2000" and image.size != self.container.size:
            raise RefusedError(
                "it is a JPEG 2000 file with two different sizes in its headers; download or copy it again"
            )
        if self.directory and self.directory.tile > limits.max_pixels:
            raise RefusedError("it is a TIFF with huge tiles; save it again as a standard TIFF")
        if image.info.get("compression") in {1, 2} and len(self.file.getvalue()) > _MAX_RUN_LENGTHS:
            raise RefusedError(
                f"it is a run-length encoded BMP above {_MAX_RUN_LENGTHS // 10**6} MB; save it again as JPEG or PNG"
            )

    def orientation(self, image: ImageFile) -> int:
        """The EXIF orientation. HEIF's decoder rotates by itself; Pillow converts AVIF's boxes to EXIF."""
        if self.directory:
            return self.directory.orientation
        return orientation(image.info.get("exif", b"") if self.kind == "AVIF" else self.container.exif)

    def cost(self, image: ImageFile, size: tuple[int, int], *, whole: bool, turned: bool) -> int:
        """Peak memory in bytes, including the file; see docs/folders.md for the measurements.

        Args:
            image: the image to decode.
            size: size of the original.
            whole: the image is not averaged during conversion.
            turned: the image must be rotated.
        """
        decoded = _MODES.get(image.mode, 4)
        if self.container.key:
            decoded *= 2
        converted = 4 if whole and (image.mode != "RGB" or self.container.key) else 0
        upright = 8 if whole and turned else 0
        pixels = image.width * image.height
        with_alpha, opaque = _DECODING.get(self.kind, (0, 0))
        decoder = opaque if image.mode in {"L", "RGB"} else with_alpha
        cost = int(pixels * max(decoder, decoded + converted, upright))
        cost += int(self.container.coefficients * size[0] * size[1])
        if self.directory:
            cost += self.directory.strip
        return cost + len(self.file.getvalue()) + len(self.original) + min(_WORKING, 16 * pixels)


def identify(file: io.BytesIO) -> Encoded:
    """Identify the format of a file by its content, and strip its metadata.

    Raises:
        RefusedError: the format is unknown.
        OtherReaderError: an extra package is needed for it.
    """
    head = file.read(1024)
    kind = kinds.format_of(head)
    if kind is None:
        name = kinds.name_of(head)
        reader = kinds.reader_of(name)
        if name and reader:
            raise OtherReaderError(name, reader)
        what = f", but {name}" if name else ", or its header is damaged"
        raise RefusedError(f"it is not a photo in a known format{what}; use {kinds.KNOWN}")
    file.seek(0)
    if kind == "TIFF":
        directory = clean(file)
        silence_libtiff()
        return Encoded(kind=kind, file=file, container=Bare(data=b""), directory=directory)
    data = file.getvalue()
    container = jpeg2000.bare(data) if kind == "JPEG 2000" else bare(kind, data)
    original = data if container.animated else b""
    return Encoded(kind=kind, file=io.BytesIO(container.data), container=container, original=original)
