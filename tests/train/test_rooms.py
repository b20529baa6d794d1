"""Import rules within `train`, read from the source, as in tests/test_architecture.py for the library."""

from tests.test_architecture import FILES, imports, module_name

ROOMS = {"photos": {"sentences"}, "sentences": {"photos"}, "objectives": {"photos", "sentences", "study", "benchmark"}}
"""Package → packages that it must not import."""

MODULES = {name: path for path in FILES if (name := module_name(path)).startswith("train")}


def below(name: str) -> set[str]:
    """The modules of `train` that a module imports, including imports under TYPE_CHECKING and in functions."""
    found = set()
    for target in imports(MODULES[name].read_text(encoding="utf-8")):
        found |= {target if target in MODULES else target.rpartition(".")[0]} & set(MODULES)
    return found - {name}


def test_rooms_do_not_know_their_neighbors() -> None:
    for name in MODULES:
        room = name.split(".")[1] if "." in name else ""
        neighbors = {target for target in below(name) if target.split(".")[1] in ROOMS.get(room, set())}
        assert not neighbors, f"{name} imports {sorted(neighbors)}"


def test_imports_hold_no_circle() -> None:
    left = {name: below(name) for name in MODULES}
    while left:
        free = {name for name, row in left.items() if not row}
        assert free, f"a circle among {sorted(left)}"
        left = {name: row - free for name, row in left.items() if name not in free}
