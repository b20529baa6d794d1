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
    yield f"\n```text\n{verb.format_usage().removeprefix('usage: ').rstrip()}\n```\n"
    for group in verb._action_groups:
        actions = [action for action in group._group_actions if action.help is not argparse.SUPPRESS]
        if actions:
            yield f"\n**{_text((group.title or '').capitalize())}**\n"
        if group.description:
            yield f"{_text(group.description)}\n"
        for action in actions:
            yield from _option(verb, action)
    if verb.epilog:
        yield f"\n```text\n{verb.epilog.strip()}\n```\n"


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
