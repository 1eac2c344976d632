"""The one file that benchmarks write to: a section each, with the machine they ran on."""

import json
import os
import platform
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results.json"
RESULTS_VARIABLE = "ZKBRIDGE_BENCH_RESULTS"  # names another file


def write_section(name: str, section: dict[str, Any]) -> None:
    """Put one benchmark's figures into the file, next to those of the others."""
    results = Path(os.environ.get(RESULTS_VARIABLE, RESULTS))
    everything: dict[str, Any] = {}
    if results.exists():
        everything = json.loads(results.read_text(encoding="utf-8"))
    everything["machine"] = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }
    everything[name] = section
    results.write_text(json.dumps(everything, indent=2, sort_keys=True) + "\n", encoding="utf-8")
