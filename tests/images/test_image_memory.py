"""Memory while decoding photos: bounded for one, shared by several, and one error message if there is too little."""

import io
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from captioner.images import ImageLimits, open_image
from captioner.images.limits import Budget
from tests.image_files import encode, grey_jpeg, refusal

ROOT = Path(__file__).parents[2]


def test_a_budget_is_not_exceeded_and_the_greatest_gets_its_turn() -> None:
    budget, held, most, done = Budget(10), 0, 0, []
    guard = threading.Lock()

    def work(amount: int) -> None:
        nonlocal held, most
        with budget.hold(amount):
            with guard:
                held += amount
                most = max(most, held if amount <= 10 else 0)
                assert amount <= 10 or held == amount
            time.sleep(0.001)
            with guard:
                held -= amount
                done.append(amount)

    threads = [threading.Thread(target=work, args=(amount,)) for amount in [3, 4, 5, 99, 10, 1] * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(done) == 30
    assert 0 < most <= 10


def test_a_budget_is_free_after_an_error() -> None:
    budget = Budget(10)
    with pytest.raises(ValueError, match="x"), budget.hold(10):
        raise ValueError("x")
    with budget.hold(10):
        pass


def test_big_files_are_in_memory_one_by_one() -> None:
    budget = Budget(100_000_000)
    inside: list[int] = []
    overlaps: set[tuple[int, ...]] = set()

    def work(size: int) -> None:
        # The last one exceeds the limit, and is decoded once no other photo is.
        with budget.file(size) as held, budget.hold(size * 2 - held, held=held):
            inside.append(size)
            time.sleep(0.002)
            overlaps.add(tuple(sorted(inside)))
            inside.remove(size)

    threads = [threading.Thread(target=work, args=(size,)) for size in (60_000_000, 1_000) * 10]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert max(group.count(60_000_000) for group in overlaps) == 1
    assert (60_000_000,) in overlaps
    assert max(group.count(1_000) for group in overlaps) > 1


def test_the_limit_of_memory() -> None:
    blob = encode(Image.new("RGBA", (500, 500), (1, 2, 3, 200)), "PNG")
    assert open_image(blob, limits=ImageLimits(max_memory=7_000_000)).width == 500
    sentence = refusal(blob, limits=ImageLimits(max_memory=1_000_000))
    assert "decoding it would take" in sentence
    assert "above the limit of 1 MB; make it smaller" in sentence
    assert open_image(grey_jpeg(6400, 6400), draft=64, limits=ImageLimits(max_memory=20_000_000)).width == 6400


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from Linux")
def test_grey_of_sixteen_bits_takes_little_memory(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(Image.new("I;16", (3000, 3000), 1000), "PNG"))
    script = f"""
import numpy
from captioner.images import open_image
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) // 1000
before = peak()
open_image({str(tmp_path / "a.png")!r})
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(done.stdout) < 130  # MB; 63 measured, 330 before strips


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_too_little_memory_is_one_sentence(tmp_path: Path) -> None:
    image = Image.new("RGB", (4000, 4000), "red")
    options = {"WEBP": {"lossless": True, "method": 0, "quality": 0}, "JPEG": {"progressive": True}}
    for format in ("PNG", "WEBP", "JPEG", "TIFF"):  # noqa: A001
        (tmp_path / format).write_bytes(encode(image, format, **options.get(format, {"compress_level": 1})))
    script = f"""
import resource
import numpy
from pathlib import Path
from PIL import Image
from captioner.errors import ImageError
from captioner.images import open_image
paths = sorted(Path({str(tmp_path)!r}).iterdir())
for path in paths:
    open_image(path, draft=8)
size = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + 2**24, resource.RLIM_INFINITY))
kept = []
for path in paths:
    try:
        kept += [open_image(path).image for _ in range(30)]
    except ImageError as problem:
        kept.clear()
        assert "there is not enough memory for it" in str(problem), problem
        print(path.name)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.stdout.split(), done.stderr) == (["JPEG", "PNG", "TIFF", "WEBP"], "")


def test_a_stream_of_the_user_is_not_closed() -> None:
    for format in ("PNG", "TIFF", "GIF", "WEBP"):  # noqa: A001
        file = io.BytesIO(encode(Image.new("RGB", (8, 8)), format))
        open_image(file)
        assert not file.closed
