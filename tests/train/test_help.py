"""The examples in the help of `python -m train` are commands that its parser accepts."""

import shlex

import pytest

from train import __main__ as command
from train.recipe import read_config

PREFIX = "python -m train "


def commands(examples: str) -> list[str]:
    """The example commands, with continued lines joined."""
    lines = examples.replace("\\\n", " ").splitlines()
    return [line.strip().removeprefix(PREFIX) for line in lines if line.strip().startswith(PREFIX)]


@pytest.mark.parametrize("verb", command.NAMES)
def test_every_verb_has_examples_that_parse(verb: str) -> None:
    found = commands(command.VERBS[verb].EXAMPLES)
    assert found
    for example in found:
        options = command.parser().parse_args(shlex.split(example))
        assert options.verb in {verb, "fit"}
        if options.verb == "fit":
            assert read_config(options.config, options.changes).phase


def test_the_examples_of_the_command_parse() -> None:
    found = commands(command.EXAMPLES)
    assert found
    for example in found:
        assert command.parser().parse_args(shlex.split(example)).verb


@pytest.mark.parametrize("verb", command.NAMES)
def test_summaries_are_short_sentences(verb: str) -> None:
    first = (command.VERBS[verb].__doc__ or "").splitlines()[0]
    name, _, summary = first.partition(": ")
    assert name == f"{PREFIX}{verb}"
    assert summary[0].isupper()
    assert summary.endswith(".")
