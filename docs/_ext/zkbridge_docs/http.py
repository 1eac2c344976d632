"""The HTTP API, from its OpenAPI document."""

import json
from importlib import resources
from typing import Any

from zkbridge_docs.tables import code, table


def endpoints() -> str:
    """Describe every address."""
    text = resources.files("zkbridge.web").joinpath("openapi.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    parts = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts += [f"### {method.upper()} {path}", "", _sentence(operation["summary"]), ""]
            parts += [operation["description"], ""] if "description" in operation else []
            parts += _parameters(operation)
            parts += _answers(operation)
    return "\n".join(parts)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."


def _parameters(operation: dict[str, Any]) -> list[str]:
    rows = [
        (code(each["name"]), each["in"], _kind(each["schema"]), each.get("description", ""))
        for each in operation.get("parameters", ())
    ]
    return [table(("parameter", "in", "type", "meaning"), rows)] if rows else []


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(code(str(value)) for value in schema["enum"])
    kind = schema.get("format") or schema.get("type", "")
    default = f", default {code(str(schema['default']))}" if "default" in schema else ""
    return f"{kind}{default}"


def _answers(operation: dict[str, Any]) -> list[str]:
    rows = []
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        what = answer.get("description", "It cannot be used; the body says why.")
        rows.append((code(status), what, ", ".join(map(code, content))))
    return [table(("status", "meaning", "content"), rows)]
