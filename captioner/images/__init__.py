"""Reading photos: whatever a user calls a photo becomes an upright RGB picture, within limits.

`open_image` is the only door. What comes through it is a `Photo`; what does not is one `ImageError` in one sentence.

    reading.py      open_image: sources, and the sentences of refusals
    decoding.py     the bytes of a file → Photo
    limits.py       what one photo, and all that are decoded at the same time, may ask of the machine
    kinds.py        what a file is, by its first bytes
    containers.py   JPEG, PNG, WebP, GIF and HEIF files without their metadata; the EXIF orientation
    jpeg2000.py     what JPEG 2000 says about its size
    raw.py, jxl.py  camera raw files and JPEG XL, whose packages may not be installed
    tiff.py         the same for TIFF, whose tags are the file's structure as well
    tones.py        pixels of any mode → RGB
"""

from captioner.images.decoding import Photo
from captioner.images.limits import ImageLimits
from captioner.images.reading import Source, open_image, to_pixels

__all__ = ["ImageLimits", "Photo", "Source", "open_image", "to_pixels"]
