"""The configuration reference, from the models that read the configuration."""

import json
import types
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from zkbridge.config import ENVIRONMENT_PREFIX, Backfill, Options
from zkbridge_docs.tables import code, table

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_PLAIN: Final = {
    str: "text",
    int: "number",
    bool: "true or false",
    Path: "path",
    SecretStr: "secret text",
    timedelta: "duration",
    Backfill: "see below",
}


def all_options() -> str:
    """Make one section for each part of the file."""
    parts = []
    for name, field in Options.model_fields.items():
        model = _model(field)
        if model is None:
            parts += [f"{{#option-{_anchor(name)}}}", f"### {name}", "", _row_text(name, field), ""]
            continue
        listed = get_origin(field.annotation) is tuple
        title = f"{name}: each entry" if listed else name
        parts += [f"{{#section-{_anchor(name)}}}", f"### {title}", ""]
        parts += [f"{model.__doc__}".strip(), "", _table(name, model)]
        parts += [_nested(name, model)]
    return "\n".join(parts)


def _row_text(name: str, field: FieldInfo) -> str:
    rows = [(code(name), _type(field), code(_default(field)), field.description or "")]
    return table(("option", "type", "default", "meaning"), rows)


def _table(prefix: str, model: type[BaseModel]) -> str:
    rows = [
        (code(key), _type(field), code(_default(field)), field.description or "")
        for key, field in model.model_fields.items()
    ]
    return table(("option", "type", "default", f"meaning of `{prefix}.…`"), rows)


def _nested(prefix: str, model: type[BaseModel]) -> str:
    parts = []
    for key, field in model.model_fields.items():
        inner = _model(field)
        if inner is not None and inner is not Backfill:
            place = f"{prefix}.{key}"
            parts += [f"{{#section-{_anchor(place)}}}", f"### {place}", ""]
            parts += [f"{inner.__doc__}".strip(), "", _table(place, inner)]
    return "\n".join(parts)


def environment() -> str:
    """List every environment variable."""
    rows = [
        (code(ENVIRONMENT_PREFIX + path.upper().replace(".", "__")), code(path))
        for path in paths()
        if not path.startswith("terminals")
    ]
    return table(("variable", "option"), rows)


def paths() -> Iterator[str]:
    """Yield every option's path, ``terminals`` once."""
    yield from _paths(Options, "")


def _paths(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for key, field in model.model_fields.items():
        inner = _model(field)
        if inner is None or inner is Backfill:
            yield prefix + key
        else:
            yield from _paths(inner, f"{prefix}{key}.")


def _model(field: FieldInfo) -> type[BaseModel] | None:
    for part in (field.annotation, *get_args(field.annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _type(field: FieldInfo) -> str:
    return _name(field.annotation, _limits(field))


def _name(annotation: Any, limits: str = "") -> str:  # noqa: ANN401 - whatever a field has
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _name(arguments[0], limits)
    if origin in {Union, types.UnionType}:
        named = [_name(part, limits) for part in arguments if part is not type(None)]
        return " or ".join(named)
    if origin is Literal:
        return ", ".join(code(str(value)) for value in arguments)
    if origin is tuple:
        return f"list of {_name(arguments[0])}s"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _PLAIN.get(annotation, "mapping")
    return _PLAIN.get(annotation, str(annotation)) + limits


def _limits(field: FieldInfo) -> str:
    lowest = next((m.ge for m in field.metadata if hasattr(m, "ge")), None)
    highest = next((m.le for m in field.metadata if hasattr(m, "le")), None)
    length = next((m.max_length for m in field.metadata if hasattr(m, "max_length")), None)
    if length is not None:
        return f", at most {length} characters"
    if lowest is not None and highest is not None:
        return f", {_shown(lowest)} to {_shown(highest)}"
    return "" if lowest is None else f", at least {_shown(lowest)}"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    return _shown(field.default)


def _shown(value: object) -> str:
    if isinstance(value, timedelta):
        return _duration(value.total_seconds())
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Backfill):
        return value.kind
    if isinstance(value, bool | None):
        return json.dumps(value)
    return "[]" if value == () else str(value)


def _duration(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _anchor(path: str) -> str:
    return path.replace("_", "-").replace(".", "-")
