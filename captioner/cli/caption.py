"""captioner caption: describe photos in one sentence each."""

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.cli import finding
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
from captioner.folders import results
from captioner.interrupt import Interrupt

if TYPE_CHECKING:
    from captioner.decoding import DecodingOptions
    from captioner.folders.captioning import FolderOptions, Step
    from captioner.folders.journal import Row
    from captioner.folders.sidecars import Sidecars


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="a photo, a folder or a pattern; - reads one photo from standard input"
    )
    parser.add_argument(
        "--format",
        choices=["text", "jsonl"],
        help="what standard output gets (default: text, or nothing where there are other outputs)\n"
        "text: the sentence alone for one photo, PATH<TAB>sentence for several\n"
        "jsonl: one JSON object a photo",
    )
    parser.add_argument(
        "--language",
        default="en",
        metavar="en|de|fr|cs",
        help="of the sentences; all but English are translations (default: en)",
    )
    parser.add_argument("--num-captions", type=positive, metavar="N", help="sentences a photo, best first (default: 1)")
    parser.add_argument("--prefix", default="", metavar="TEXT", help="put before each sentence")
    parser.add_argument("--suffix", default="", metavar="TEXT", help="put behind each sentence")
    finding.add_arguments(parser.add_argument_group("which photos"))
    _add_results(parser.add_argument_group("where results go"))
    _add_work(parser.add_argument_group("how the work is done"))
    add_limit_options(parser)
    add_model_options(parser)


def _add_results(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--output",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="a file, made as its suffix says; may be repeated\n"
        + ", ".join(f"{suffix} ({kind.label})" for suffix, kind in results.KINDS.items()),
    )
    group.add_argument("--sidecar", action="store_true", help="photo.jpg's sentence into photo.txt beside it")
    group.add_argument(
        "--sidecar-name",
        metavar="NAME",
        help=(
            "what it is called (default: {stem}.txt); {name}.txt is photo.jpg.txt, which is\nalso taken where "
            "several photos have one stem"
        ),
    )
    group.add_argument("--sidecar-suffix", metavar=".txt", help="the same as --sidecar-name {stem}.txt")
    group.add_argument("--sidecar-dir", type=Path, metavar="DIR", help="not beside the photo: the same tree here")
    group.add_argument(
        "--existing",
        choices=["skip", "overwrite", "error"],
        help="photos with results: skip them, do them again, or refuse to start (default: skip)\n"
        "no value replaces what somebody else has written or changed",
    )
    group.add_argument("--retry-errors", action="store_true", help="do photos again that failed")
    group.add_argument("--dry-run", action="store_true", help="only print the names of the photos to be captioned")


def _add_work(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="threads that caption photos (default: one a processor, at most 8);\nwith Ray, models at work",
    )
    group.add_argument("--max-errors", type=not_negative, metavar="N", help="stop once more than N photos failed")
    group.add_argument("--engine", choices=["local", "ray"], default="local", help="ray: on a cluster (default: local)")
    group.add_argument(
        "--ray-address", metavar="ADDRESS", help="of the cluster; auto finds it (default: one made here)"
    )


def run(options: argparse.Namespace) -> int:
    """Caption the photos; returns 1 if any of them failed, else 0.

    Raises:
        KeyboardInterrupt: the user wanted an end; what was started is finished and written.
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
        say(f"dry run: {result.total - counts.skipped:,} to be captioned, {counts.skipped:,} to be skipped")
        return 0
    screen.summary(result.journal)
    if interrupt.requested:
        raise KeyboardInterrupt
    if not result.complete:
        say(f"stopped, because more than {options.max_errors} photos failed (--max-errors); the same command goes on.")
    unread = result.passed.unread
    if unread and (options.output or options.sidecar):
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in unread.most_common(5))
        say(f"{unread.total():,} files of kinds that are not read were passed over ({kinds})")
    return int(counts.failed + counts.skipped_failed > 0)


def _check(options: argparse.Namespace) -> None:
    kept = options.output or options.sidecar
    wrong = {
        "an empty PATH names no photo; is a variable not set?": "" in options.paths,
        "give a PATH or --files-from FILE.": not options.paths and not options.files_from,
        "- stands for one photo on standard input and can be given once.": options.paths.count("-") > 1,
        "standard input can be a photo or a list of names, but not both.": "-" in options.paths
        and options.files_from == "-",
        "-0 says how the names of --files-from end; give that too.": options.nul and not options.files_from,
        "--sidecar-name, --sidecar-suffix and --sidecar-dir need --sidecar; give that too.": not options.sidecar
        and any(given is not None for given in (options.sidecar_name, options.sidecar_suffix, options.sidecar_dir)),
        "--sidecar-name and --sidecar-suffix say the same; give one of them.": options.sidecar_name is not None
        and options.sidecar_suffix is not None,
        "- has no name after which a sidecar could be called; give --output.": "-" in options.paths and options.sidecar,
        "--existing speaks of --output or --sidecar; give one of them too.": bool(options.existing) and not kept,
        "--retry-errors reads the errors from an --output; give that too.": options.retry_errors and not options.output,
        "--retry-errors mends results, --existing overwrite and error do not; give one of them.": options.retry_errors
        and options.existing in {"overwrite", "error"},
        "- is a photo in this process; Ray's workers cannot read it.": "-" in options.paths and options.engine == "ray",
        "--ray-address says where Ray is; give --engine ray too.": bool(options.ray_address)
        and options.engine != "ray",
    }
    for message, holds in wrong.items():
        if holds:
            raise UsageError(message)


def _folder_options(options: argparse.Namespace, search: "DecodingOptions") -> "FolderOptions":
    from captioner.folders.captioning import FolderOptions
    from captioner.folders.cluster import Pool

    ray = options.engine == "ray"
    return FolderOptions(
        search=search,
        language=options.language,
        prefix=options.prefix,
        suffix=options.suffix,
        sidecars=_sidecars(options) if options.sidecar else None,
        existing=options.existing or "skip",
        retry_errors=options.retry_errors,
        max_errors=options.max_errors,
        device=options.device,
        batch_size=options.batch_size,
        workers=options.workers,
        limits=image_limits(options),
        pool=Pool(address=options.ray_address, models=options.workers, device=options.device) if ray else None,
        dry_run=options.dry_run,
    )


def _sidecars(options: argparse.Namespace) -> "Sidecars":
    from captioner.folders.sidecars import Sidecars

    suffix = options.sidecar_suffix
    if suffix is not None and (not suffix.startswith(".") or {"{", "}"} & set(suffix)):
        raise UsageError(f"--sidecar-suffix is {suffix!r}; give one such as .txt.")
    name = options.sidecar_name if suffix is None else f"{{stem}}{suffix}"
    return Sidecars(name="{stem}.txt" if name is None else name, directory=options.sidecar_dir)


class _Screen:
    """What a run shows: captions on standard output, a bar or lines about its progress on standard error."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._kept = bool(options.output or options.sidecar)
        self._format = options.format or ("" if self._kept else "text")
        self._alone = False
        self._progress: Progress | None = None

    def show_name(self, step: "Step") -> None:
        """One more photo of a dry run."""
        if step.record:
            write_line(one_line(step.record["path"]))

    def show(self, step: "Step") -> None:
        """The work begins, or one more photo is done."""
        if step.record is None or self._progress is None:
            self._begin(step)
            return
        try:
            self._print(step.record, self._progress)
        except BrokenPipeError:  # whoever read along has seen enough; results that are kept go on
            if not self._kept:
                raise
            abandon_output()
            self._format = ""
        self._progress.update(step.record["error"])

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._progress:
            self._progress.close()

    def summary(self, journal: Path | None) -> None:
        """Say what became of the photos, where results are kept."""
        if self._kept and self._progress:
            self._progress.summary(journal)

    def _begin(self, step: "Step") -> None:
        paths = self._options.paths
        # One photo that is named itself, and not found in a folder or by a pattern.
        self._alone = (
            len(paths) == step.total == 1
            and not self._options.files_from
            and not Path(paths[0]).is_dir()
            and (paths[0] == "-" or os.path.lexists(paths[0]))
        )
        # Sentences on the terminal show the progress themselves; a bar would only run through them.
        printed = bool(self._format) and sys.stdout is not None and sys.stdout.isatty()
        bar = sys.stderr.isatty() and not printed and (self._kept or step.total > 1)
        self._progress = Progress(step.counts, step.total, bar=bar, lines=self._kept)

    def _print(self, row: "Row", progress: "Progress") -> None:
        from captioner.folders.results import COLUMNS

        if self._format == "jsonl":
            write_line(json.dumps({name: row[name] for name in COLUMNS}))
        elif row["error"] is not None:
            if not self._options.output:  # else it stands there
                progress.say(row["error"])
        elif self._format == "text":
            for sentence in row["captions"]:
                text = sentence["caption"]
                write_line(text if self._alone else f"{one_line(row['path'])}\t{text}")
