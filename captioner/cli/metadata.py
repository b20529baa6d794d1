"""The options for the metadata of photos."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captioner.folders.metadata import MetadataOptions


def add_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--write-metadata", action="store_true", help="write captions into the photos (XMP, IPTC, EXIF)")
    group.add_argument(
        "--xmp-sidecar",
        action="store_true",
        help="write captions into photo.xmp beside each photo; an existing file is merged",
    )
    group.add_argument(
        "--replace-descriptions", action="store_true", help="also replace descriptions that captioner did not write"
    )
    group.add_argument(
        "--skip-described", action="store_true", help="skip photos that have a description, also in an XMP sidecar"
    )


def mistakes(options: argparse.Namespace) -> dict[str, bool]:
    """Invalid combinations of options: message → whether it applies."""
    written = options.write_metadata or options.xmp_sidecar
    return {
        "--write-metadata and --xmp-sidecar exclude each other; give one of them.": options.write_metadata
        and options.xmp_sidecar,
        "--replace-descriptions requires --write-metadata or --xmp-sidecar.": not written
        and options.replace_descriptions,
        "--skip-described and --replace-descriptions exclude each other; give one of them.": options.skip_described
        and options.replace_descriptions,
        "a photo from standard input has no file for metadata; give its path.": "-" in options.paths and written,
    }


def metadata_options(options: argparse.Namespace) -> "MetadataOptions | None":
    """How to handle metadata; None if no such option is given."""
    from captioner.folders.metadata import MetadataOptions

    if not (options.write_metadata or options.xmp_sidecar or options.skip_described):
        return None
    stem = "{name}" if options.sidecar_name and options.sidecar_name.startswith("{name}") else "{stem}"
    return MetadataOptions(
        target="photo" if options.write_metadata else "xmp" if options.xmp_sidecar else None,
        replace=options.replace_descriptions,
        skip_described=options.skip_described,
        xmp_name=f"{stem}.xmp",
        xmp_directory=options.sidecar_dir,
    )
