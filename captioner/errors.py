"""Errors that users can cause.

    CaptionerError          base class; the message says what happened, where, and what to do
    ├── UsageError          an invalid option, configuration or data file            exit code 2
    │   └── SentenceError   a sentence that cannot be translated; others are still translated
    ├── ImageError          a photo that cannot be read; others are still captioned  exit code 1
    ├── ModelError          a missing, damaged or incompatible checkpoint            exit code 3
    └── OutputError         results that cannot be written                           exit code 4

The message of a `CaptionerError` is shown to users without a traceback. Any other exception is a bug.
"""


class CaptionerError(Exception):
    """Base class of all errors a user can cause; `exit_code` is the exit code of the command."""

    exit_code = 1


class UsageError(CaptionerError):
    """An invalid option, configuration or data file."""

    exit_code = 2


class SentenceError(UsageError):
    """A sentence that cannot be translated. Batches report it and continue."""


class ImageError(CaptionerError):
    """A photo that cannot be read. Batches record it and continue."""


class ModelError(CaptionerError):
    """A checkpoint that is missing, damaged or incompatible."""

    exit_code = 3


class OutputError(CaptionerError):
    """Results that cannot be written to the requested place."""

    exit_code = 4
