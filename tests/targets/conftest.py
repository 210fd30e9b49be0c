"""A real emulator that stands behind the fakes, and localstack-core as it really is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.conftest import ROOT, Running, start_emulator, stop_emulator


@pytest.fixture(scope="session")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Processes for tasks; shared, so give resources names of your own."""
    running = start_emulator(tmp_path_factory.mktemp("behind"))
    yield running
    stop_emulator(running)


def with_localstack_of(home: Path, name: str) -> Path:
    """A state directory whose localstack-core environment is the checkout's own: making one takes two minutes."""
    (ROOT / ".rehearsal" / name).mkdir(parents=True, exist_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    if not (home / name).exists():
        (home / name).symlink_to(ROOT / ".rehearsal" / name)
    return home
