"""Check JPEG 2000 files: the codestream may be larger than the header of the file claims."""

from captioner.images.containers import Bare, boxes
from captioner.images.limits import RefusedError

_START = b"\xff\x4f\xff\x51"
_MOST_TILES = 10_000  # each allocates some kilobytes before decoding


def bare(data: bytes) -> Bare:
    """Check a file. Its metadata need not be removed, because the decoder ignores it.

    Raises:
        RefusedError: the header is damaged, or decoding would need much more memory than the size suggests.
    """
    start = 0
    if not data.startswith(_START):
        start = next((first for name, first, _ in boxes(data, 0, len(data)) if name == b"jp2c"), len(data))
    numbers = [int.from_bytes(data[start + at : start + at + 4]) for at in range(8, 40, 4)]
    right, bottom, left, top, tile_width, tile_height = numbers[:6]
    channels = int.from_bytes(data[start + 40 : start + 42])
    if data[start : start + 4] != _START or right <= left or bottom <= top or not tile_width or not tile_height:
        raise RefusedError("it is not a photo, or its JPEG 2000 header is damaged; download or copy it again")
    if channels > 4:
        raise RefusedError(f"it is a JPEG 2000 file with {channels} channels; save it as JPEG or PNG")
    if -(-right // tile_width) * -(-bottom // tile_height) > _MOST_TILES:
        raise RefusedError(f"it is a JPEG 2000 file with more than {_MOST_TILES:,} tiles; save it as JPEG or PNG")
    return Bare(data=data, size=(right - left, bottom - top))
