"""Captioning on a real cluster of two nodes on this machine; one model is killed during the run."""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from captioner.cli import main

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]  # warnings from Ray itself cannot be fixed here

STORE = 80 * 2**20  # bytes; Ray takes no less than 75 MB


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster of two nodes with one processor each."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    utils = pytest.importorskip("ray.cluster_utils", reason="make test-ray installs Ray")
    head = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    cluster = utils.Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        cluster.shutdown()


@pytest.fixture
def folder(tmp_path: Path, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """70 photos, every seventh of them broken, in the working directory's folder `photos`."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "photos"
    path.mkdir()
    real = [photos[name] for name in ("rocket", "coffee", "chelsea")]
    for number in range(70):
        if number % 7 == 3:
            (path / f"{number:02}.jpg").write_bytes(b"broken")
        else:
            shutil.copy(real[number % 3], path / f"{number:02}.jpg")
    return path


class Killer(threading.Thread):
    """Kill one model as soon as the output has its first records."""

    def __init__(self, output: Path) -> None:
        super().__init__(daemon=True)
        self._output = output
        self.records_before: int | None = None
        self.restarts = 0

    def run(self) -> None:
        from ray._private.state import actors

        while not self._lines():
            time.sleep(0.05)
        models = {name: one for name, one in actors().items() if "_Model" in one["ActorClassName"]}
        name, model = next((name, one) for name, one in models.items() if one["State"] == "ALIVE")
        os.kill(model["Pid"], signal.SIGKILL)
        self.records_before = self._lines()
        while not self.restarts:
            self.restarts = int(actors()[name]["NumRestarts"])
            time.sleep(0.05)

    def _lines(self) -> int:
        return self._output.read_bytes().count(b"\n") if self._output.exists() else 0


def test_every_photo_is_told_once_though_a_model_is_killed_on_the_way(address: str, folder: Path) -> None:
    local = ["caption", "photos", "--batch-size", "2", "--beam-size", "1", "--output"]
    killer = Killer(Path("ray.jsonl"))
    killer.start()
    assert main([*local, "ray.jsonl", "--output", "r.parquet", "--engine", "ray", "--ray-address", address]) == 1
    assert killer.records_before is not None
    assert killer.records_before < 60
    assert killer.restarts == 1
    records = [json.loads(line) for line in Path("ray.jsonl").read_text().splitlines()]
    assert [Path(record["path"]).name for record in records] == [f"{number:02}.jpg" for number in range(70)]
    assert [number for number, record in enumerate(records) if record["error"]] == list(range(3, 70, 7))
    assert main([*local, "local.jsonl"]) == 1
    assert Path("ray.jsonl").read_bytes() == Path("local.jsonl").read_bytes()


def test_without_a_cluster_the_error_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray", reason="make test-ray installs Ray")
    assert main(["caption", "photos", "--engine", "ray", "--ray-address", "127.0.0.1:1", "--output", "c.jsonl"]) == 2
    assert "no answer (" in capsys.readouterr().err
