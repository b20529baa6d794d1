"""Everything that can go wrong because of what a user gave us.

    CaptionerError      the root: one sentence that says what, where and what to do
    ├── UsageError      an option, a config or a data file that makes no sense     exit 2
    │   └── SentenceError   one sentence that cannot be translated; the others go on
    ├── ImageError      one photo that cannot be read; the others go on            exit 1
    ├── ModelError      a checkpoint that is missing, damaged or of another format exit 3
    └── OutputError     results that cannot be written                             exit 4

A `CaptionerError` is shown to users as it is, without a traceback. Any other exception that leaves the library is a bug
in it.
"""


class CaptionerError(Exception):
    """The root of all errors a user can cause; `exit_code` is what the command line ends with."""

    exit_code = 1


class UsageError(CaptionerError):
    """An option, configuration or data file that cannot be used as it stands."""

    exit_code = 2


class SentenceError(UsageError):
    """A sentence that cannot be translated. Batches record it and go on."""


class ImageError(CaptionerError):
    """A photo that cannot be read. Batches record it and go on."""


class ModelError(CaptionerError):
    """A checkpoint that is missing, damaged, or made for something else."""

    exit_code = 3


class OutputError(CaptionerError):
    """Results that cannot be written where they were asked for."""

    exit_code = 4
