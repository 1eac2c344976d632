"""A minute of the fault laboratory; ``make chaos`` runs it for longer."""

from pathlib import Path

import pytest

from tests.chaos.laboratory import Laboratory, Plan


@pytest.mark.slow
def test_nothing_is_lost_repeated_or_reordered_whatever_breaks(tmp_path: Path) -> None:
    lab = Laboratory(tmp_path, Plan(seed=4370, duration_s=60.0), lambda line: None)
    verdict = lab.run()
    assert verdict.fine, "\n".join(verdict.lines())
    assert lab.done["kill"] >= 5
    assert verdict.received >= 1000
