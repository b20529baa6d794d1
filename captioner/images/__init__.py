"""Read photos from any source as upright RGB images, within limits on memory and size.

`open_image` is the only entry point. It returns a `Photo` or raises an `ImageError`.

    reading.py      open_image: sources and error messages
    decoding.py     the bytes of a file → Photo
    limits.py       limits on single photos, and on the memory of concurrent decoding
    kinds.py        file types by their first bytes
    containers.py   JPEG, PNG, WebP, GIF and HEIF files without their metadata; the EXIF orientation
    jpeg2000.py     checks of JPEG 2000 headers
    raw.py, jxl.py  camera raw files and JPEG XL, which need extra packages
    tiff.py         the same for TIFF, whose tags are the file's structure as well
    tones.py        pixels of any mode → RGB
"""

from captioner.images.decoding import Photo
from captioner.images.limits import ImageLimits
from captioner.images.reading import Source, open_image, to_pixels

__all__ = ["ImageLimits", "Photo", "Source", "open_image", "to_pixels"]
