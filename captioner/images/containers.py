"""Strip metadata from files: only the pixels, what decoding needs, and the EXIF orientation are kept.

Text, color profiles, thumbnails, XMP, maker notes, second pictures and trailing videos may be of any size and damaged
in any way. Decoders parse some of them, fail on some defects and warn about others, which is an error if an application
turns warnings into errors. So decoders never see them. Like browsers, captioner takes the orientation only from EXIF,
not from XMP (HEIF and AVIF decoders also apply their own boxes).
"""

import operator
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from captioner.images.limits import RefusedError


@dataclass(frozen=True, kw_only=True)
class Bare:
    """A file without its metadata.

    Attributes:
        data: the file.
        exif: the EXIF block; empty if there is none.
        coefficients: bytes per pixel that a JPEG decoder keeps between scans.
        complete: whether the file is not truncated.
        begun: whether at least the beginning of a JPEG's last scan is present.
        key: the transparent color of a PNG with 16 bits per channel.
        size: width and height if the decoder allocates memory when it is created, or if it trusts another size.
        animated: whether the file may have more frames than `data`.
    """

    data: bytes
    exif: bytes = b""
    coefficients: float = 0
    complete: bool = True
    begun: bool = True
    key: tuple[int, int, int] | None = None
    size: tuple[int, int] | None = None
    animated: bool = False


def bare(kind: str, data: bytes, *, frames: int = 1) -> Bare:
    """Strip a file of the format `kind`. From the first structural error on, the data is kept as it is.

    Args:
        kind: name of the format.
        data: the file.
        frames: maximum number of frames to keep of a PNG, WebP or GIF animation.
    """
    animated = {"PNG": _png, "WEBP": _webp, "GIF": _gif}
    if kind in animated:
        return animated[kind](data, frames)
    still = {"JPEG": _jpeg, "BMP": _bmp, "AVIF": _boxed, "HEIF": _boxed}
    return still[kind](data) if kind in still else Bare(data=data)


def orientation(exif: bytes) -> int:
    """The EXIF orientation, 1 to 8; 1 if it is missing or invalid."""
    tiff = exif.removeprefix(b"Exif\0\0")
    if tiff[:4] not in {b"II*\0", b"MM\0*"}:
        return 1

    def number(start: int, size: int) -> int:
        return int.from_bytes(tiff[start : start + size], "little" if tiff[:1] == b"I" else "big")

    first = number(4, 4)
    for entry in range(first + 2, min(first + 2 + 12 * number(first, 2), len(tiff) - 11), 12):
        if (
            number(entry, 2) == 0x112 and number(entry + 2, 2) == 3 and number(entry + 4, 4) == 1
        ):  # a single short integer
            value = number(entry + 8, 2)
            return value if 1 <= value <= 8 else 1
    return 1


# A marker, after optional fill bytes. Within the pixels, FF 00 is a value and FF D0 to FF D7 are restarts.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_SOI, _EOI, _SOS, _APP0, _APP1, _APP14, _COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xFE
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
# Each scan of a progressive JPEG updates all pixels and may take only 100 bytes, so a small file could keep a processor
# busy for hours. Encoders write about ten scans.
_MAX_SCANS = 200


def _jpeg(data: bytes) -> Bare:
    kept: list[bytes] = []
    exif: list[bytes] = []
    frame, several, complete = b"", False, False
    scans: list[bytes] = []
    start, at = 0, 2
    while marker := _MARKER.search(data, at):
        code, at = marker[1][0], marker.end()
        if code == _EOI:
            complete = True
            break
        if code in {_SOI, 0x01}:
            continue
        end = at + int.from_bytes(data[at : at + 2])
        body = data[at + 2 : end]
        if end > len(data) or end < at + 2 or (code == _SOS and len(body) < 6):
            break
        if code == _SOS:
            scans.append(body)
            if len(scans) > _MAX_SCANS:
                raise RefusedError(f"it is a JPEG with more than {_MAX_SCANS} scans; save it again as a standard JPEG")
            several = several or body[:1] != frame[5:6]
            if not several:  # all pixels are in this scan, so the file ends with it
                eoi = len(data) - 2 if data.endswith(b"\xff\xd9") else data.find(b"\xff\xd9", end)
                complete, at = eoi >= end, eoi + 2
                break
        elif code in _SOF and not frame:
            frame, several = body, code in _PROGRESSIVE
        elif _APP0 <= code < _APP0 + 16 or code == _COM:
            if code == _APP1 and body.startswith(b"Exif\0\0"):
                exif.append(body[6:])
            # These two segments define the channels; shorter ones are invalid.
            if not (code == _APP0 and body.startswith(b"JFIF\0") and len(body) >= 14) and not (
                code == _APP14 and body.startswith(b"Adobe") and len(body) >= 12
            ):
                kept.append(data[start : marker.start()])
                start = end
        at = end
    kept.append(data[start : at if complete else len(data)])
    return Bare(
        data=b"".join(kept),
        exif=b"".join(exif),
        coefficients=2 * _samples(frame) if several else 0,
        complete=complete,
        begun=not several or _all_begun(frame, scans),
    )


def _all_begun(frame: bytes, scans: list[bytes]) -> bool:
    """Whether the last bit of every coefficient of every channel has been read."""
    missing = {(channel, number) for channel in frame[6::3] for number in range(64)}
    for scan in scans:
        channels, (first, last, bits) = scan[1:-3:2], scan[-3:]
        if bits & 15 == 0:
            missing -= {(channel, number) for channel in channels for number in range(first, last + 1)}
    return not missing


def _samples(frame: bytes) -> float:
    """Samples per pixel by a JPEG's frame header: 1 for gray, 1.5 for most photos, 3 without chroma subsampling."""
    factors = [(byte >> 4, byte & 15) for byte in frame[7::3]]
    greatest = max((h for h, _ in factors), default=1) * max((v for _, v in factors), default=1)
    return sum(h * v for h, v in factors) / (greatest or 1)


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + name + body + zlib.crc32(name + body).to_bytes(4)


_APNG_CHUNKS = frozenset((b"acTL", b"fcTL", b"fdAT"))
_MOST_APNG_FRAMES = 2**31  # Pillow warns about larger numbers, and about a second acTL


def _png(data: bytes, frames: int) -> Bare:
    kept: list[bytes] = []
    exif, header, key, animated, count = b"", b"", None, False, 0
    start, at = 0, 8  # start of the next part to keep, and of a chunk
    while at + 8 <= len(data):
        name, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4])
        if name == b"CgBI":
            raise RefusedError("it is a PNG optimized by Xcode for iPhones, which is not supported; use the original")
        if not name.isalpha() or name == b"IEND" or end > len(data):
            break
        count += name == b"fcTL"
        if count > frames > 1:
            break
        if name == b"IHDR":
            header = data[at + 8 : end - 4]
        elif name not in {b"PLTE", b"IDAT"} and not (frames > 1 and name in _APNG_CHUNKS and name != b"acTL"):
            kept.append(data[start:at])
            start = end
            if name == b"acTL" and not animated and 0 < int.from_bytes(data[at + 8 : at + 12]) <= _MOST_APNG_FRAMES:
                animated = True
                kept.append(data[at:end] if frames > 1 else b"")
            body = data[at + 8 : end - 4] if name in {b"tRNS", b"eXIf"} else b""
            if body and zlib.crc32(name + body).to_bytes(4) == data[end - 4 : end]:
                exif = body if name == b"eXIf" else exif
                transparent, key = _transparency(header, body) if name == b"tRNS" else (b"", key)
                kept.append(transparent)
        at = end
    complete = data[at + 4 : at + 8] == b"IEND"
    kept.append(data[start:at])
    if data[at + 4 : at + 8] == b"IDAT":  # cut off
        kept.append(_chunk(b"IDAT", data[at + 8 :]))
    kept.append(_chunk(b"IEND", b""))
    return Bare(data=b"".join(kept), exif=exif, key=key, complete=complete, animated=animated)


def png_share(data: bytes) -> float:
    """Fraction of the pixels in a truncated PNG, 0 to 1; 0 if it is interlaced, because all of it is then coarse."""
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    depth, colors, interlaced = data[24], data[25], data[28]
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colors, 1)
    wanted = height * (1 + (width * channels * depth + 7) // 8)
    decoder, found, at = zlib.decompressobj(), 0, 8
    while at + 8 <= len(data) and not interlaced:
        start, end = at + 8, at + 8 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            for piece in range(start, end, 1 << 16):
                found += len(decoder.decompress(data[piece : min(piece + (1 << 16), end)]))
        at = end + 4
    return found / (wanted or 1)


def _transparency(header: bytes, body: bytes) -> tuple[bytes, tuple[int, int, int] | None]:
    """A PNG's tRNS chunk, scaled as Pillow scales 2-bit and 4-bit grays; Pillow does not scale the transparent one."""
    depth, colors = header[8:9], header[9:10]
    bits = depth[0] if depth else 8
    values = [int.from_bytes(body[at : at + 2]) & ((1 << bits) - 1) for at in range(0, 6, 2)]
    if colors == b"\x03":
        return _chunk(b"tRNS", body), None
    if colors == b"\0" and len(body) >= 2:
        scale = 255 // ((1 << bits) - 1) if bits in {2, 4} else 1
        return _chunk(b"tRNS", (values[0] * scale).to_bytes(2)), None
    if colors == b"\x02" and len(body) >= 6:
        if bits == 16:  # Pillow keeps 8 of them
            return b"", (values[0], values[1], values[2])
        return _chunk(b"tRNS", b"".join(value.to_bytes(2) for value in values)), None
    return b"", None


_WEBP_CHUNKS = frozenset((b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"))


def _webp(data: bytes, frames: int) -> Bare:
    kept: list[bytes] = []  # the first chunk of each name, and the first frames
    exif, counts = b"", Counter[bytes]()
    sizes: list[tuple[int, int]] = []
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size + size % 2
        counts[name] += 1
        if name in _WEBP_CHUNKS and counts[name] <= (frames if name == b"ANMF" else 1):
            sizes += _webp_size(name, data[at + 8 : at + 18])
            kept.append(data[at:end])
            if name == b"VP8X" and size >= 10:  # keep only the flags for alpha and animation
                kept[-1] = data[at : at + 8] + bytes([data[at + 8] & 0x12]) + data[at + 9 : end]
        elif name == b"EXIF":
            exif = data[at + 8 : at + 8 + size]
        at = end
    body = b"WEBP" + b"".join(kept)
    return Bare(
        data=b"RIFF" + len(body).to_bytes(4, "little") + body,
        exif=exif,
        size=next(iter(sizes), None),
        animated=counts[b"ANMF"] > frames,
    )


def _webp_size(name: bytes, body: bytes) -> list[tuple[int, int]]:
    """Width and height from the beginning of a chunk, if present."""
    if name == b"VP8X":
        return [(int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1)]
    if name == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return [((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)]
    if name == b"VP8 ":
        return [(int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF)]
    return []


_GIF_BLOCK = re.compile(rb"[!,;]")  # an extension, a frame, and the end; other bytes between blocks are skipped


def _gif(data: bytes, frames: int) -> Bare:
    """Enlarge the canvas to the first frame, as Pillow does, though it checks a limit of its own.

    With `frames` above 1, later frames that exceed the canvas end the file, because Pillow would enlarge it again.
    """
    at = 13 + (3 << (data[10] & 7) + 1 if data[10:11] and data[10] & 0x80 else 0)
    found = list(islice(_gif_frames(data, at), frames + 1))
    if not found:
        return Bare(data=data[:at])
    canvas = [int.from_bytes(data[n : n + 2], "little") for n in (6, 8)]
    sides = [max(pair) for pair in zip(canvas, _gif_sides(data, found[0].start), strict=True)]
    if max(sides) > 65_535:
        raise RefusedError("its first frame exceeds the GIF's size limits; download or copy it again")
    kept = [data[:6], *(side.to_bytes(2, "little") for side in sides), data[10:at]]
    for number, frame in enumerate(found[:frames]):
        if any(map(operator.gt, _gif_sides(data, frame.start), sides)):
            break
        # The first frame keeps its transparency, but not its disposal: it is blank, or the only one.
        flags = frame.control[3:4] if number else bytes([frame.control[3] & 1]) if frame.control else b""
        kept += [frame.control[:3], flags, frame.control[4:], data[frame.start : frame.end if frames > 1 else None]]
    return Bare(data=b"".join(kept), animated=len(found) > frames)


class _GifFrame(NamedTuple):
    control: bytes  # the extension with its transparency and disposal; empty if there is none
    start: int
    end: int


def _gif_frames(data: bytes, at: int) -> Iterator[_GifFrame]:
    """The frames of a GIF, searched for from `at`. Pillow never sees other extensions, whose defects it misreads."""
    control = b""
    while (block := _GIF_BLOCK.search(data, at)) and block[0] != b";":
        at = block.start()
        if block[0] == b"!":
            if data[at + 1 : at + 2] == b"\xf9" and data[at + 2 : at + 3] >= b"\x04" and at + 7 <= len(data):
                control = b"!\xf9\x04" + data[at + 3 : at + 7] + b"\0"
            at = _blocks_end(data, at + 2) + 1
        elif len(data) < at + 10:
            return
        else:
            flags = data[at + 9]
            end = _blocks_end(data, at + 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)) + 1
            yield _GifFrame(control, at, end)
            at, control = end, b""


def _gif_sides(data: bytes, at: int) -> tuple[int, int]:
    """The canvas that the frame with its descriptor at `at` needs."""
    left, top, width, height = (int.from_bytes(data[at + n : at + n + 2], "little") for n in (1, 3, 5, 7))
    return left + width, top + height


def _blocks_end(data: bytes, at: int) -> int:
    """The position of the empty block that ends a sequence of GIF's blocks."""
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at


def _bmp(data: bytes) -> Bare:
    """Convert Windows CE's marker for an alpha mask after a 40-byte header to the usual header of 56 bytes."""
    if data[14:18] == b"\x28\0\0\0" and data[30:34] == b"\6\0\0\0":
        data = data[:14] + b"\x38" + data[15:30] + b"\3" + data[31:]
    return Bare(data=data)


# The type of an item by its entry, and the types of pictures that neither library decodes.
_ITEM = re.compile(rb"infe[\x02\x03].{7}(....)", re.DOTALL)
_CODECS = {
    b"avc1": "H.264",
    b"vvc1": "H.266",
    b"evc1": "EVC",
    b"j2k1": "JPEG 2000",
    b"jpeg": "JPEG",
    b"unci": "uncompressed",
    b"lhv1": "layered HEVC",
}


def _boxed(data: bytes) -> Bare:
    """HEIF or AVIF with its EXIF items renamed, so that decoders ignore them."""
    for name, start, end in boxes(data, 0, len(data)):
        if name == b"meta":
            for inner, first, last in boxes(data, start + 4, end):
                if inner == b"iinf":
                    types = set(_ITEM.findall(data, first, last))
                    unread = [_CODECS[kind] for kind in sorted(types & _CODECS.keys())]
                    if unread and not types & {b"hvc1", b"av01"}:
                        what = f"HEIF file with an unsupported encoding ({unread[0]})"
                        raise RefusedError(f"it is a {what}; save it again as JPEG or PNG")
                    data = data[:first] + data[first:last].replace(b"Exif", b"none") + data[last:]
                    return Bare(data=data, animated=data[8:12] == b"avis")
    return Bare(data=data)


def boxes(data: bytes, at: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type of each box, and the start and end of its contents."""
    while at + 8 <= stop:
        size, name, start = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8], at + 8
        if size == 1:
            size, start = int.from_bytes(data[at + 8 : at + 16]), at + 16
        end = stop if size == 0 else min(at + size, stop)
        if end < start:
            return
        yield name, start, end
        at = end
