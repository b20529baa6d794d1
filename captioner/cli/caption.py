"""captioner caption: describe photos in one sentence each."""

import argparse
import contextlib
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import category

from captioner.cli import finding
from captioner.cli.options import (
    add_limit_options,
    add_model_options,
    decoding_options,
    image_limits,
    not_negative,
    positive,
)
from captioner.cli.output import abandon_output, write_line
from captioner.cli.progress import Progress, say
from captioner.errors import UsageError
from captioner.interrupt import Interrupt

if TYPE_CHECKING:
    from captioner.checkpoint import Checkpoint
    from captioner.decoding import DecodingOptions
    from captioner.errors import ImageError
    from captioner.folders.finding import Found, Photos
    from captioner.folders.journal import Row
    from captioner.folders.run import Run
    from captioner.images import Source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
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
        help="a file, made as its suffix says: .jsonl (JSON lines), .csv,\n"
        ".json (COCO results) or .parquet (a folder); may be repeated",
    )
    group.add_argument("--sidecar", action="store_true", help="photo.jpg's sentence into photo.txt beside it")
    group.add_argument(
        "--sidecar-name",
        metavar="NAME",
        help="what it is called (default: {stem}.txt); {name}.txt is photo.jpg.txt, which is\nalso taken where several photos have one stem",
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
    """Caption the photos; returns 1 if any of them failed, else 0."""
    _check(options)
    photos = finding.photos(options)
    from captioner import checkpoint
    from captioner.folders.finding import PassedOver
    from captioner.text import ENGLISH

    read = checkpoint.read(options.model)
    search = decoding_options(options, read.decoding)  # a mistake answers before torch loads
    if options.language != ENGLISH:
        checkpoint.read_translator().check_language(options.language)
    passed = PassedOver()
    target = _target(options, _settings(options, read, search))
    total = target.survey(photos.search(passed))  # before anything is written
    if not passed.photos:
        raise UsageError(finding.nothing_found(options, passed))
    with target:
        if options.dry_run:
            return _print_names(target, photos)
        work = _Work(options, target, photos, total)
        code = work.do(lambda sources: _rows(options, read, search, sources))
    unread = passed.unread
    if unread and (options.output or options.sidecar):
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in unread.most_common(5))
        say(f"{unread.total():,} files of kinds that are not read were passed over ({kinds})")
    return code


def _settings(options: argparse.Namespace, read: "Checkpoint", search: "DecodingOptions") -> dict[str, object]:
    """What captions depend on; empty where none are kept."""
    from captioner import checkpoint
    from captioner.config import to_mapping
    from captioner.text import ENGLISH

    if not (options.output or options.sidecar):
        return {}
    translated = options.language != ENGLISH
    return {
        "model": read.path.name,
        "weights": checkpoint.digest(read),
        "language": options.language,
        "translator": checkpoint.digest(checkpoint.read_translator()) if translated else None,
        "prefix": options.prefix,
        "suffix": options.suffix,
        **to_mapping(search),
    }


def _check(options: argparse.Namespace) -> None:
    kept = options.output or options.sidecar
    wrong = {
        "an empty PATH names no photo; is a variable not set?": "" in options.paths,
        "give a PATH or --files-from FILE.": not options.paths and not options.files_from,
        "- stands for one photo on standard input and can be given once.": options.paths.count("-") > 1,
        "standard input can be a photo or a list of names, but not both.": "-" in options.paths
        and options.files_from == "-",
        "-0 says how the names of --files-from end; give that too.": options.nul and not options.files_from,
        "--sidecar-name, --sidecar-suffix and --sidecar-dir say how --sidecar is done; give that too.": not options.sidecar
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


def _target(options: argparse.Namespace, made: dict[str, object]) -> "Run":
    from captioner.folders.run import Run
    from captioner.folders.sidecars import Sidecars

    suffix = options.sidecar_suffix
    if suffix is not None and (not suffix.startswith(".") or {"{", "}"} & set(suffix)):
        raise UsageError(f"--sidecar-suffix is {suffix!r}; give one such as .txt.")
    name = options.sidecar_name if suffix is None else f"{{stem}}{suffix}"
    sidecars = Sidecars(name="{stem}.txt" if name is None else name, directory=options.sidecar_dir)
    return Run(
        outputs=options.output,
        sidecars=sidecars if options.sidecar else None,
        existing=options.existing or "skip",
        retry_errors=options.retry_errors,
        dry=options.dry_run,
        made=made,
    )


def _print_names(target: "Run", photos: "Photos") -> int:
    wanted = 0
    for photo in target.todo(photos):
        wanted += 1
        write_line(_one_line(photo.path))
    say(f"dry run: {wanted:,} to be captioned, {target.counts.skipped:,} to be skipped")
    return 0


def _rows(
    options: argparse.Namespace,
    read: "Checkpoint",
    search: "DecodingOptions",
    photos: "Iterator[Found]",
) -> "Iterator[Row]":
    """Records of the photos, by the engine that was asked for."""
    if options.engine == "ray":
        from captioner.folders import cluster

        pool = cluster.Pool(address=options.ray_address, models=options.workers, device=options.device)
        return cluster.caption_photos(
            read,
            photos,
            search,
            batch_size=options.batch_size,
            language=options.language,
            pool=pool,
            limits=image_limits(options),
        )
    from captioner.folders.batch import caption_photos
    from captioner.predict import Captioner

    model = Captioner.load(read, device=options.device, language=options.language)
    sources: Iterator[tuple[str, Source | ImageError]] = (
        (photo.path, photo.problem or (photo.path if photo.content is None else photo.content)) for photo in photos
    )
    records = caption_photos(
        model,
        sources,
        search,
        batch_size=options.batch_size,
        workers=options.workers,
        limits=image_limits(options),
    )
    return (record.as_dict() for record in records)


class _Work:
    """The loop over all photos, with what it says and how it ends."""

    def __init__(self, options: argparse.Namespace, target: "Run", photos: "Photos", total: int) -> None:
        from captioner.folders.results import COLUMNS

        self._columns = COLUMNS
        self._options = options
        self._target = target
        self._photos = photos
        self._total = total
        self._kept = bool(options.output or options.sidecar)
        self._format = options.format or ("" if self._kept else "text")
        # One photo that is named itself, and not found in a folder or by a pattern.
        self._alone = (
            len(options.paths) == total == 1
            and not options.files_from
            and not Path(options.paths[0]).is_dir()
            and (options.paths[0] == "-" or os.path.lexists(options.paths[0]))
        )

    def do(self, caption: "Callable[[Iterator[Found]], Iterator[Row]]") -> int:
        """Caption what is to be captioned; returns the exit code.

        Raises:
            KeyboardInterrupt: the user wanted an end; what was started is finished and written.
        """
        options, target, counts = self._options, self._target, self._target.counts
        if not target.locked:
            say(f"{target.journal}: this file system knows no locks; let no second run write there.")
        if target.taken_over is not None:
            path = target.taken_over.path
            say(
                f"goes on with {len(target.taken_over):,} records of a run that was stopped; delete {path} to begin anew."
            )
        progress = Progress(counts, self._total, bar=self._shows_bar(), lines=self._kept)
        stopped = False
        with Interrupt() as interrupt, contextlib.closing(progress):
            todo = itertools.takewhile(lambda _: not interrupt.requested, target.todo(self._photos))
            first = next(todo, None)  # where nothing is to be done, no model is loaded
            rows = iter(()) if first is None else caption(itertools.chain([first], todo))
            progress.start()
            for row in rows:
                framed = _framed(row, options.prefix, options.suffix)
                target.add(framed)
                try:
                    self._print(framed, progress)
                except BrokenPipeError:  # whoever read along has seen enough; results that are kept go on
                    if not self._kept:
                        raise
                    abandon_output()
                    self._format = ""
                progress.update(row["error"])
                stopped = options.max_errors is not None and counts.failed > options.max_errors
                if stopped or (interrupt.requested and options.engine == "ray"):
                    break
        target.finish(complete=not (stopped or interrupt.requested))
        for path, aside in target.set_aside.items():
            say(f"{path} was not as captioner had written it; what it held is kept as {aside}.")
        if self._kept:
            progress.summary(target.journal)
        if interrupt.requested:
            raise KeyboardInterrupt
        if stopped:
            say(
                f"stopped, because more than {options.max_errors} photos failed (--max-errors); the same command goes on."
            )
        return int(counts.failed + counts.skipped_failed > 0)

    def _shows_bar(self) -> bool:
        # Sentences on the terminal show the progress themselves; a bar would only run through them.
        printed = bool(self._format) and sys.stdout is not None and sys.stdout.isatty()
        return sys.stderr.isatty() and not printed and (self._kept or self._total > 1)

    def _print(self, row: "Row", progress: "Progress") -> None:
        if self._format == "jsonl":
            write_line(json.dumps({name: row[name] for name in self._columns}))
        elif row["error"] is not None:
            if self._target.journal is None:  # else it stands there
                progress.say(row["error"])
        elif self._format == "text":
            for sentence in row["captions"]:
                text = sentence["caption"]
                write_line(text if self._alone else f"{_one_line(row['path'])}\t{text}")


def _framed(row: "Row", before: str, behind: str) -> "Row":
    """A record with a text before and behind each of its sentences."""
    if row["captions"] is None or not (before or behind):
        return row
    sentences = [{**one, "caption": f"{before}{one['caption']}{behind}"} for one in row["captions"]]
    return {**row, "caption": sentences[0]["caption"], "captions": sentences}


def _one_line(path: str) -> str:
    """A name without tabs, line ends and their kind, which are escaped; bytes that are not UTF-8 stay as they are."""
    return "".join(c.encode("unicode_escape").decode() if category(c) in {"Cc", "Zl", "Zp"} else c for c in path)
