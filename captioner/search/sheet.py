"""Contact sheets: a single HTML page with embedded thumbnails. It has no scripts and loads nothing."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from captioner.errors import ImageError, OutputError
from captioner.files import output_errors
from captioner.folders.receipts import Receipts
from captioner.pages import render, thumbnail
from captioner.search.finding import Hit, Hits

MOST = 1000
"""Maximum number of photos on a page. A thumbnail takes about 15 kB, so a page has at most about 20 MB."""
_SIDE = 256  # pixels


@dataclass(frozen=True)
class Tile:
    """A photo on the page.

    Attributes:
        path: path of the photo, as given in the captions file.
        caption: its main caption.
        link: link to the photo, relative to the page; empty if the photo is missing.
        picture: the thumbnail as a data URI; empty if the photo is missing or cannot be read.
        problem: why there is no thumbnail; empty if there is one.
    """

    path: str
    caption: str
    link: str = ""
    picture: str = ""
    problem: str = ""


def write_sheet(page: Path, query: str, found: Hits, where: Callable[[Hit], Path | None]) -> Sequence[Tile]:
    """Write a contact sheet. An existing page is replaced only if captioner wrote it and it was not changed since.

    Args:
        page: the file to write.
        query: the query, shown as the title.
        found: the result of the search; its first `MOST` photos are shown.
        where: returns the file of a photo; None if it is missing.

    Returns:
        The photos on the page.

    Raises:
        OutputError: the file cannot be written, or exists and must not be replaced.
    """
    receipts = Receipts()
    refuse_foreign(page, receipts)
    with ThreadPoolExecutor() as readers:
        tiles = list(readers.map(lambda hit: _tile(hit, where(hit), page), found.hits[:MOST]))
    html = render("search/sheet.html", query=query, found=found, tiles=tiles)
    with output_errors(page), receipts.writing(page) as temporary:
        temporary.write_bytes(html.encode(errors="backslashreplace"))
    return tiles


def refuse_foreign(page: Path, receipts: Receipts | None = None) -> None:
    """Check that a page may be written: no file exists there, or an unchanged one that captioner wrote.

    Raises:
        OutputError: the existing file must not be replaced.
    """
    if page.exists() and not (page.is_file() and (receipts or Receipts()).own(page)):
        raise OutputError(f"{page} exists and was not written by captioner, or was changed since; give another name.")


def _tile(hit: Hit, photo: Path | None, page: Path) -> Tile:
    caption = hit.captions[0]
    if photo is None:
        return Tile(hit.path, caption, problem="not found")
    link = _link(photo, page.parent)
    try:
        return Tile(hit.path, caption, link, thumbnail(photo, _SIDE))
    except ImageError:
        return Tile(hit.path, caption, link, problem="cannot be read")


def _link(photo: Path, folder: Path) -> str:
    try:
        relative = os.path.relpath(photo, folder)
    except ValueError:  # on another Windows drive
        return photo.absolute().as_uri()
    return quote(os.fsencode(Path(relative).as_posix()))  # colons too, which could end a URL scheme
