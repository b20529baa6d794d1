"""The command reference, in Markdown, from the parsers of `captioner` and `python -m train`."""

import argparse
import html
from collections.abc import Iterator

from captioner.cli import _parser
from train.__main__ import parser

MARKER = "<!-- command reference -->"
"""Where docs/commands.md wants it."""


def command_reference() -> str:
    """All verbs of both commands: usage, description, and every option in its group."""
    return "\n".join(line for command in (_parser(), parser()) for verb in _verbs(command) for line in _verb(verb))


def _verbs(command: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Those of a command, each followed by its own."""
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield verb
                yield from _verbs(verb)


def _verb(verb: argparse.ArgumentParser) -> Iterator[str]:
    yield f"\n## {verb.prog}\n"
    yield _text(verb.description or "")
    yield f"\n```text\n{_usage(verb)}\n```\n"
    for group in verb._action_groups:
        actions = [action for action in group._group_actions if not isinstance(action, argparse._HelpAction)]
        if actions:
            yield f"\n**{_text(_title(group))}**\n"
            yield f"{_text(group.description or '')}\n"
        for action in actions:
            yield from _option(verb, action)
    if verb.epilog:
        yield f"\n```text\n{verb.epilog.strip()}\n```\n"


def _usage(verb: argparse.ArgumentParser) -> str:
    """As `--help` prints it, but with less indentation and as wide on every terminal."""
    formatter = argparse.HelpFormatter(verb.prog, width=80)
    formatter.add_usage(verb.usage, verb._actions, verb._mutually_exclusive_groups, prefix="")
    first, *more = formatter.format_help().rstrip().splitlines()
    return "\n    ".join([first, *(line.strip() for line in more)])


def _title(group: argparse._ArgumentGroup) -> str:
    title = group.title or ""
    return "Arguments" if title == "positional arguments" else title[:1].upper() + title[1:]


def _option(verb: argparse.ArgumentParser, action: argparse.Action) -> Iterator[str]:
    """A term and its definition."""
    formatter = verb._get_formatter()
    yield f"`{formatter._format_action_invocation(action)}`"
    first, *more = formatter._expand_help(action).splitlines() if action.help else [""]
    yield f":   {_text(first)}" + "".join(f"<br>\n    {_text(line)}" for line in more) + "\n"


def _text(words: str) -> str:
    """Words in which nothing is markup."""
    escaped = html.escape(words, quote=False)
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]#|" else letter for letter in escaped)
