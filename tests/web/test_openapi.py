"""The API's description, held against what is answered."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.web.house import House, punch, replaced
from tests.web.test_setup import try_address
from zkbridge.events import Trouble
from zkbridge.web.routes import endpoint_paths

TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}


def mismatches(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str) -> list[str]:  # noqa: ANN401 - JSON
    """Every place where an answer is not as described."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    allowed = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(_is(value, kind) for kind in allowed):
        return [f"{at}: {value!r} is no {allowed}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is none of {schema['enum']}")
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            found += mismatches(item, schema["items"], document, f"{at}[{number}]")
    if isinstance(value, dict) and "properties" in schema:
        found += [f"{at}.{name} is missing" for name in schema["required"] if name not in value]
        for name, inner in value.items():
            if name in schema["properties"]:
                place = f"{at}.{name}"
                found += mismatches(inner, schema["properties"][name], document, place)
            else:
                found.append(f"{at}.{name} is not described")
    return found


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, TYPES[kind])  # type: ignore[arg-type]  # a type or several


def test_every_address_is_described(house: House) -> None:
    document = house.ask("/api/openapi.json").json

    described = {
        (path, method.upper()) for path, item in document["paths"].items() for method in item
    }
    assert described == {
        (path, method) for path, method in endpoint_paths() if path not in {"/", "/static/{name}"}
    }


@pytest.mark.parametrize(
    "path",
    ["/healthz", "/readyz", "/api/overview", "/api/terminals", "/api/punches", "/api/day",
     "/api/days", "/api/configuration", "/api/log"],
)  # fmt: skip
def test_answers_are_as_described(house: House, path: str) -> None:
    now = datetime.now(UTC)
    house.add([punch("1", now, name="Ana"), punch("2", now - timedelta(hours=1), code=9)])
    house.set_view("AAA001", online=False, error=Trouble.BUSY, users=3, log_used=61.5)
    replaced(house, faults=("x",), untried=("y",), broker_connected=False, broker_error="z")
    document = house.ask("/api/openapi.json").json

    answer = house.ask(path)

    responses = document["paths"][path]["get"]["responses"]
    schema = responses[str(answer.status)]["content"]["application/json"]["schema"]
    assert mismatches(answer.json, schema, document, path) == []


def test_trial_is_as_described(house: House) -> None:
    house.trial = {"status": "ok", "text": None, "serial": "X", "reads": {"users": True}}
    document = house.ask("/api/openapi.json").json

    answer = try_address(house, host="10.0.0.1").json

    schema = document["components"]["schemas"]["TerminalTestResult"]
    assert mismatches(answer, schema, document, "result") == []
