"""The published captures, by kind."""

import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent.parent / "golden" / "vectors.json"
_ALL: list[dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))["vectors"]


def vectors(kind: str, prefix: str = "") -> list[Any]:
    """Vectors of a kind whose id starts so."""
    return [one for one in _ALL if one["kind"] == kind and one["id"].startswith(prefix)]
