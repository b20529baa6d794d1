"""A lack of memory is reported in one sentence, whichever library notices it first."""

import errno
import subprocess
import sys

import pytest
import torch

from captioner.cli.memory import shortage


def test_want_of_memory_is_known_in_all_its_words() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert "not enough memory" in str(shortage(caught.value))
    for problem in (
        MemoryError(),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("can't start new thread"),
    ):
        assert "not enough memory" in str(shortage(problem))
    for other in (OSError(errno.ENOENT, "No such file"), RuntimeError("shapes differ"), ValueError("out of memory")):
        assert shortage(other) is None
    wrapped = ImportError("numpy is broken")
    wrapped.__cause__ = MemoryError()
    assert shortage(wrapped)


@pytest.mark.skipif(sys.platform != "linux", reason="limits differ")
def test_a_limit_on_memory_is_told_without_a_traceback() -> None:
    limited = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_AS, (300_000_000,) * 2); "
        "sys.argv = ['captioner', 'translate', 'A dog.', '--to', 'de']; runpy.run_module('captioner', "
        "run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("captioner: not enough memory (ulimit -v limits this process to 300 MB);")
    assert done.stderr.count("\n") == 1
