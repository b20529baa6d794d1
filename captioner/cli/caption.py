"""captioner caption: Write a one-sentence caption for each photo."""

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.cli import finding, metadata
from captioner.cli.options import (
    add_limit_options,
    add_model_options,
    decoding_options,
    image_limits,
    not_negative,
    positive,
)
from captioner.cli.output import abandon_output, one_line, write_line
from captioner.cli.progress import Progress, say
from captioner.errors import UsageError
from captioner.files import escaped
from captioner.folders import results
from captioner.folders.finding import count
from captioner.interrupt import Interrupt

if TYPE_CHECKING:
    from captioner.decoding import DecodingOptions
    from captioner.folders.captioning import FolderOptions, Step
    from captioner.folders.cluster import Pool
    from captioner.folders.finding import PassedOver
    from captioner.folders.journal import Row
    from captioner.folders.sidecars import Sidecars

USAGE = "captioner caption [options] PATH [PATH ...]"
EXAMPLES = """\
  Print a caption:
    captioner caption photo.jpg
  Caption a folder tree into a CSV file; the same command resumes it:
    captioner caption photos --recursive --output captions.csv
  Write a German caption beside each photo, as photo.txt:
    captioner caption photos --language de --sidecar
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    finding.add_arguments(parser.add_argument_group("photos"))
    _add_captions(parser.add_argument_group("captions"))
    _add_results(parser.add_argument_group("output"))
    metadata.add_arguments(parser.add_argument_group("metadata of the photos (requires ExifTool)"))
    _add_work(parser.add_argument_group("batch jobs"))
    add_model_options(parser)
    add_limit_options(parser)


def _add_captions(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--language",
        default="en",
        metavar="en|de|fr|cs",
        help="language of the captions; de, fr and cs are translated from English (default: en)",
    )
    group.add_argument("--num-captions", type=positive, metavar="N", help="captions per photo, best first (default: 1)")
    group.add_argument("--prefix", default="", metavar="TEXT", help="text to add before each caption")
    group.add_argument("--suffix", default="", metavar="TEXT", help="text to add after each caption")


def _add_results(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--format",
        choices=["text", "jsonl"],
        help="what to print (default: text, or nothing if captions are written to files);\n"
        "text: the caption, after PATH and a tab if there are several photos;\n"
        "jsonl: one JSON object per photo",
    )
    group.add_argument(
        "--output",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="write results to FILE, in the format of its suffix; repeatable:\n"
        + ", ".join(f"{suffix} ({kind.label})" for suffix, kind in results.KINDS.items()),
    )
    group.add_argument("--sidecar", action="store_true", help="write photo.jpg's caption to photo.txt beside it")
    group.add_argument(
        "--sidecar-name",
        metavar="NAME",
        help="name of each sidecar (default: {stem}.txt); {name}.txt gives photo.jpg.txt, "
        "which is also used where photos share a stem",
    )
    group.add_argument("--sidecar-suffix", metavar=".txt", help="short for --sidecar-name {stem}.txt")
    group.add_argument("--sidecar-dir", type=Path, metavar="DIR", help="write sidecars to the same tree under DIR")
    group.add_argument("--append", action="store_true", help="add the caption to an existing sidecar, after its text")
    group.add_argument("--prepend", action="store_true", help="add the caption to an existing sidecar, before its text")
    group.add_argument(
        "--existing",
        choices=["skip", "overwrite", "error"],
        help="if a photo has results already: skip it, caption it again, or refuse to start (default: skip); "
        "files that captioner did not write are never replaced",
    )
    group.add_argument("--retry-errors", action="store_true", help="caption photos again that failed before")
    group.add_argument("--dry-run", action="store_true", help="list the photos to be captioned, then stop")


def _add_work(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="captioning threads (default: one per core, at most 8); with Ray, copies of the model",
    )
    group.add_argument("--max-errors", type=not_negative, metavar="N", help="stop after more than N photos failed")
    group.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="run on this computer or on a Ray cluster (default: local)",
    )
    group.add_argument(
        "--ray-address", metavar="ADDRESS", help="Ray cluster to use; auto finds a running one (default: start one)"
    )


def run(options: argparse.Namespace) -> int:
    """Caption the photos; returns 1 if any of them failed, else 0.

    Raises:
        KeyboardInterrupt: the user interrupted the run; photos that were started are finished and written.
    """
    _check(options)
    photos = finding.photos(options)
    from captioner import checkpoint
    from captioner.folders.captioning import caption_folder

    read = checkpoint.read(options.model)
    terms = _folder_options(options, decoding_options(options, read.decoding))
    with Interrupt() as interrupt, contextlib.closing(_Screen(options)) as screen:
        result = caption_folder(
            read,
            photos,
            terms,
            output=options.output,
            progress=screen.show_name if options.dry_run else screen.show,
            tell=say,
            stop=lambda: interrupt.requested,
        )
    counts = result.counts
    if options.dry_run and result.complete:
        say(f"dry run: would caption {result.total - counts.skipped:,} and skip {counts.skipped:,}")
        return 0
    screen.summary(result.journal)
    if interrupt.requested:
        raise KeyboardInterrupt
    if not result.complete:
        say(f"stopped: more than {options.max_errors} photos failed (--max-errors); run the same command to resume.")
    if screen.kept:
        _tell_ignored(result.passed)
    unwritten = counts.unwritten or (terms.sidecars and terms.sidecars.problems)
    return int(bool(counts.failed or counts.skipped_failed or unwritten))


def _tell_ignored(passed: "PassedOver") -> None:
    """Print which pictures were ignored, and how to read them."""
    from captioner.folders.finding import EXTRA

    unread = passed.unread
    if unread:
        kinds = ", ".join(f"{number:,} {suffix}" for suffix, number in unread.most_common(5))
        say(f"ignored {count(unread.total(), 'file')} in unsupported formats ({kinds})")
    if any(kinds & unread.keys() for kinds in EXTRA.values()):
        say("to read camera raw and JPEG XL files, run: pip install 'captioner[formats]'")
    if passed.paired:
        say(f"ignored {count(passed.paired, 'camera raw file')} beside a photo of the same name (see --raw-pairs)")


def _check(options: argparse.Namespace) -> None:
    kept = options.output or options.sidecar
    beside = options.sidecar or options.xmp_sidecar
    piped = "-" in options.paths
    wrong = {
        "a PATH is empty; check for an unset shell variable.": "" in options.paths,
        "no photos given; give a PATH or --files-from FILE.": not options.paths and not options.files_from,
        "- reads one photo from standard input; give it only once.": options.paths.count("-") > 1,
        "standard input holds either a photo (-) or a list of paths (--files-from -); give one of them.": piped
        and options.files_from == "-",
        "-0 requires --files-from.": options.nul and not options.files_from,
        "--sidecar-name, --sidecar-suffix and --sidecar-dir require --sidecar or --xmp-sidecar.": not beside
        and any(given is not None for given in (options.sidecar_name, options.sidecar_suffix, options.sidecar_dir)),
        "--append and --prepend require --sidecar.": not options.sidecar and (options.append or options.prepend),
        "--append and --prepend exclude each other; give one of them.": options.append and options.prepend,
        "--sidecar-name and --sidecar-suffix exclude each other; give one of them.": options.sidecar_name is not None
        and options.sidecar_suffix is not None,
        "a photo from standard input has no name for a sidecar; use --output.": piped and options.sidecar,
        "--existing requires --output or --sidecar.": bool(options.existing) and not kept,
        "--retry-errors requires --output, which holds the errors.": options.retry_errors and not options.output,
        "--retry-errors excludes --existing overwrite and --existing error; give one of them.": options.retry_errors
        and options.existing in {"overwrite", "error"},
        "Ray workers cannot read standard input; give the path of the photo, or use --engine local.": piped
        and options.engine == "ray",
        "--ray-address requires --engine ray.": bool(options.ray_address) and options.engine != "ray",
    }
    for message, holds in (wrong | metadata.mistakes(options)).items():
        if holds:
            raise UsageError(message)


def _folder_options(options: argparse.Namespace, search: "DecodingOptions") -> "FolderOptions":
    from captioner.folders.captioning import FolderOptions

    return FolderOptions(
        search=search,
        language=options.language,
        prefix=escaped(options.prefix),
        suffix=escaped(options.suffix),
        sidecars=_sidecars(options) if options.sidecar else None,
        metadata=metadata.metadata_options(options),
        existing=options.existing or "skip",
        retry_errors=options.retry_errors,
        max_errors=options.max_errors,
        device=options.device,
        precision=options.precision,
        batch_size=options.batch_size,
        workers=options.workers,
        limits=image_limits(options),
        pool=_pool(options) if options.engine == "ray" else None,
        dry_run=options.dry_run,
    )


def _pool(options: argparse.Namespace) -> "Pool":
    from captioner.folders.cluster import Pool

    return Pool(address=options.ray_address, models=options.workers, device=options.device, precision=options.precision)


def _sidecars(options: argparse.Namespace) -> "Sidecars":
    from captioner.folders.sidecars import Sidecars

    suffix = options.sidecar_suffix
    if suffix is not None and (not suffix.startswith(".") or {"{", "}"} & set(suffix)):
        raise UsageError(f"--sidecar-suffix is {suffix!r}; give a suffix such as .txt.")
    name = options.sidecar_name if suffix is None else f"{{stem}}{suffix}"
    return Sidecars(
        name="{stem}.txt" if name is None else name,
        directory=options.sidecar_dir,
        add="append" if options.append else "prepend" if options.prepend else None,
    )


class _Screen:
    """What a run prints: captions on standard output, progress on standard error."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.kept = bool(options.output or options.sidecar or options.write_metadata or options.xmp_sidecar)
        self._format = options.format or ("" if self.kept else "text")
        self._alone = False
        self._progress: Progress | None = None

    def show_name(self, step: "Step") -> None:
        """Print the path of a photo that would be captioned."""
        if step.record:
            write_line(one_line(step.record["path"]))

    def show(self, step: "Step") -> None:
        """Handle the first step (no photo yet) or one finished photo."""
        if step.record is None or self._progress is None:
            self._begin(step)
            return
        try:
            self._print(step.record, self._progress)
        except BrokenPipeError:  # the reader has quit; results written to files continue
            if not self.kept:
                raise
            abandon_output()
            self._format = ""
        self._progress.update(step.record["error"])

    def close(self) -> None:
        """Stop drawing the progress bar."""
        if self._progress:
            self._progress.close()

    def summary(self, journal: Path | None) -> None:
        """Print the summary if results are written to files."""
        if self.kept and self._progress:
            self._progress.summary(journal)

    def _begin(self, step: "Step") -> None:
        paths = self._options.paths
        # A single photo given by its own path, not found in a folder or by a pattern.
        self._alone = (
            len(paths) == step.total == 1
            and not self._options.files_from
            and not Path(paths[0]).is_dir()
            and (paths[0] == "-" or os.path.lexists(paths[0]))
        )
        # Captions printed to the terminal show the progress; a bar would garble them.
        printed = bool(self._format) and sys.stdout is not None and sys.stdout.isatty()
        bar = sys.stderr.isatty() and not printed and (self.kept or step.total > 1)
        self._progress = Progress(step.counts, step.total, bar=bar, lines=self.kept)

    def _print(self, row: "Row", progress: "Progress") -> None:
        from captioner.folders.results import COLUMNS

        if self._format == "jsonl":
            write_line(json.dumps({name: row[name] for name in COLUMNS}))
        elif row["error"] is not None:
            if not self._options.output:  # the output file has the error
                progress.say(row["error"])
        elif self._format == "text":
            for sentence in row["captions"]:
                text = sentence["caption"]
                write_line(text if self._alone else f"{one_line(row['path'])}\t{text}")
