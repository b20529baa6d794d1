"""JPEG 2000: what its codestream says about its size, which may be more than the file around it says."""

from captioner.images.containers import Bare, boxes
from captioner.images.limits import RefusedError

_START = b"\xff\x4f\xff\x51"
_MOST_TILES = 10_000  # each takes some kilobytes before it is decoded


def bare(data: bytes) -> Bare:
    """Check a file; nothing has to be stripped, because the decoder reads no metadata.

    Raises:
        RefusedError: its header is damaged, or it is of a kind that takes far more memory than its size says.
    """
    start = 0
    if not data.startswith(_START):
        start = next((first for name, first, _ in boxes(data, 0, len(data)) if name == b"jp2c"), len(data))
    numbers = [int.from_bytes(data[start + at : start + at + 4]) for at in range(8, 40, 4)]
    right, bottom, left, top, tile_width, tile_height = numbers[:6]
    channels = int.from_bytes(data[start + 40 : start + 42])
    if data[start : start + 4] != _START or right <= left or bottom <= top or not tile_width or not tile_height:
        raise RefusedError("it is not a photo that can be read: its JPEG 2000 header is damaged; give another copy")
    if channels > 4:
        raise RefusedError(f"it is a JPEG 2000 of {channels} channels, which is not supported; save it as JPEG or PNG")
    if -(-right // tile_width) * -(-bottom // tile_height) > _MOST_TILES:
        raise RefusedError(f"it is a JPEG 2000 of more than {_MOST_TILES} tiles; save it again as an ordinary one")
    return Bare(data=data, size=(right - left, bottom - top))
