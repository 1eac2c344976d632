"""From YAML and the environment to options, or to a line for every wrong field.

Every wrong field is reported at once, with its path, its value unless it is secret, what is
allowed and the nearest known key (contract 2 and 3).
"""

import os
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from zkbridge.config.models import Options
from zkbridge.config.values import ConfigError

ENVIRONMENT_PREFIX: Final = "ZKBRIDGE_"
_MAX_FILE_BYTES: Final = 1 << 20


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Options:
    """Read a configuration file, and the environment over it.

    Raises:
        ConfigError: With one line for every wrong field.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            [f"cannot read {path}: {error.strerror}; give the file with -c FILE"]
        ) from error
    if len(text) > _MAX_FILE_BYTES:
        raise ConfigError([f"{path} is larger than 1 MiB"])
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError([f"{path} is no YAML: {_yaml_fault(error)}"]) from error
    except ValueError as error:
        # PyYAML turns text like 2026-13-45 into a date and lets its ValueError out.
        raise ConfigError([f"{path} holds a value that is none: {error}"]) from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise ConfigError([f"{path} must be a mapping with keys such as mqtt and terminals"])
    return parse(content, environ)


def _yaml_fault(error: yaml.YAMLError) -> str:
    # The mark's snippet could show a secret: say only where it is.
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be read"
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


def parse(content: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Options:
    """Validate options that came from anywhere.

    Raises:
        ConfigError: With one line for every wrong field.
    """
    merged = _with_environment(dict(content), environ or {})
    try:
        return Options.model_validate(merged)
    except ValidationError as error:
        raise ConfigError([_problem(dict(e), merged) for e in error.errors()]) from error


def _with_environment(content: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    problems = []
    for variable, text in sorted(environ.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        path = variable[len(ENVIRONMENT_PREFIX) :].lower().split("__")
        model = _model_at(path[:-1])
        if path[0] == "terminals" or model is None or path[-1] not in model.model_fields:
            problems.append(f"{variable}: no such option{_hint(path[-1], model)}")
            continue
        *parents, key = path
        place = content
        for parent in parents:
            inner = place.get(parent)
            place[parent] = dict(inner) if isinstance(inner, dict) else {}
            place = place[parent]
        place[key] = _environment_value(text)
    if problems:
        raise ConfigError(problems)
    return content


def _environment_value(text: str) -> object:
    # Only what cannot be meant as text is taken as YAML: a password 0123 stays what it is.
    if text.lower() in {"null", ""}:
        return None
    return yaml.safe_load(text) if text[:1] in {"[", "{"} else text


def _model_at(path: list[str]) -> type[BaseModel] | None:
    model: type[BaseModel] = Options
    for key in path:
        field = model.model_fields.get(key)
        inner = None if field is None else _inner_model(field.annotation)
        if inner is None:
            return None
        model = inner
    return model


def _inner_model(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Union, types.UnionType, tuple}:
        return next(filter(None, map(_inner_model, get_args(annotation))), None)
    return None


def _problem(error: dict[str, Any], content: Mapping[str, Any]) -> str:
    path = _dotted(error["loc"])
    names = [str(part) for part in error["loc"] if isinstance(part, str)]
    if error["type"] == "extra_forbidden":
        return f"{path}: unknown option{_hint(names[-1], _model_at(names[:-1]))}"
    if error["type"] == "missing":
        return f"{path}: is required"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{path + ': ' if path else ''}{message}{_shown(error['loc'], content)}"


def _dotted(loc: tuple[int | str, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def _shown(loc: tuple[int | str, ...], content: object) -> str:
    if not loc or any(is_secret(part) for part in loc):
        return ""
    for part in loc:
        try:
            content = content[part]  # type: ignore[index]  # any mistake is caught below
        except (KeyError, IndexError, TypeError):
            return ""
    if isinstance(content, dict | list):
        return ""
    return f" (it is {str(content)!r:.80})"


def is_secret(name: object) -> bool:
    """Tell whether an option of that name must never be shown."""
    return isinstance(name, str) and name in {"password", "token", "comm_key"}


def _hint(key: str, model: type[BaseModel] | None) -> str:
    if model is None:
        return ""
    import difflib  # noqa: PLC0415 - of use only when something is wrong

    near = difflib.get_close_matches(key, model.model_fields, 1, 0.6)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(model.model_fields)}"
