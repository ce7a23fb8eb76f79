"""Reads settings files into pydantic models; explains each fault.

A field that stands twice is a fault: JSON and YAML would take its last value without a word.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from forex_assets.core.store.port import Store, WarehouseError

Model = TypeVar("Model", bound=BaseModel)


class FormatError(Exception):
    """A text is no valid JSON or YAML; the message says where."""


def read_validated(
    files: Store, key: str, model: type[Model], parse: Callable[[str], Any], error_type: type[Exception], content: str
) -> Model:
    """Reads and validates a settings file.

    Args:
        files: where it lies.
        key: of the file.
        model: its fields.
        parse: `json_fields` or `yaml_fields`.
        error_type: raised where the file cannot be used.
        content: what the file should hold, for the message where it holds no fields.

    Raises:
        Exception: `error_type`, with one line a fault: the file, the field, its value and what is allowed.
    """
    place = files.place(key)
    try:
        entry = files.get(key)
    except WarehouseError as error:
        raise error_type(f"{place}: cannot be read: {error}") from error
    if entry is None:
        raise error_type(f"{place}: there is no such file; {_remedy(place)}")
    return validated(entry.content, place, model, parse, error_type, content)


def validated(
    text: bytes, place: str, model: type[Model], parse: Callable[[str], Any], error_type: type[Exception], content: str
) -> Model:
    """Validates the bytes of a settings file, see `read_validated`.

    Args:
        text: of the file.
        place: of the file, for messages.
    """
    values = _fields(text, place, parse, error_type, content)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        # From None: the library's own message repeats the same faults in many more words.
        faults = [_explain(fault, model) for fault in error.errors(include_url=False)]
        raise error_type("\n".join(f"{place}: {fault}" for fault in faults)) from None


def _remedy(place: str) -> str:
    if "://" not in place:
        return "restore it from git or set FOREX_CONFIGS"
    return f"copy yours: forex-assets store copy configs {place.rpartition('/')[0]}"


def _fields(
    text: bytes, place: str, parse: Callable[[str], Any], error_type: type[Exception], content: str
) -> dict[str, Any]:
    try:
        values = parse(text.decode())
    except FormatError as error:
        raise error_type(f"{place}: {error}") from error
    except ValueError as error:
        raise error_type(f"{place}: cannot be read: {error}") from error
    if not isinstance(values, dict):
        held = "nothing" if values is None else f"a {type(values).__name__}"
        raise error_type(f"{place}: holds {held}, should hold {content}")
    return values


def json_fields(text: str) -> Any:
    """Parses JSON, without repeated fields.

    Raises:
        FormatError: it is no valid JSON, or a field stands twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise FormatError(f"no valid JSON at line {error.lineno}, column {error.colno}: {error.msg}") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise FormatError(f"field {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return values


def yaml_fields(text: str) -> Any:
    """Parses YAML, without repeated fields and aliases of groups.

    Raises:
        FormatError: it is no valid YAML, a field stands twice, or a group is used twice.
    """
    try:
        _refuse_repeats(yaml.compose(text, Loader=yaml.SafeLoader), set())
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise FormatError(f"no valid YAML{where}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise FormatError(f"cannot be read: {error}") from error


def _refuse_repeats(node: Any, seen: set[int]) -> None:
    """Refuses repeated fields and repeated groups.

    Args:
        node: of the composed document, None where it is empty.
        seen: ids of the groups visited: an alias may even lead back to the group that holds it.

    Raises:
        yaml.constructor.ConstructorError: names the field and its line.
    """
    if node is None or isinstance(node, yaml.ScalarNode):
        return
    if id(node) in seen:
        raise yaml.constructor.ConstructorError(None, None, "an alias of a group; write the group out", node.start_mark)
    seen.add(id(node))
    fields: set[str] = set()
    for child in node.value:
        key, value = child if isinstance(node, yaml.MappingNode) else (None, child)
        if isinstance(key, yaml.ScalarNode):
            if key.value in fields:
                raise yaml.constructor.ConstructorError(None, None, f"field {key.value!r} stands twice", key.start_mark)
            fields.add(key.value)
        _refuse_repeats(value, seen)


def _explain(fault: Any, model: type[BaseModel]) -> str:
    """One fault of a validation as one line for people."""
    where = ".".join(str(part) for part in fault["loc"])
    group, field = model, None
    for part in fault["loc"]:
        if field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            group = field.annotation
        field = group.model_fields.get(str(part))
    if fault["type"] in ("extra_forbidden", "invalid_key"):
        return f"{where} is no setting; there are {', '.join(group.model_fields)}"
    if fault["type"] == "missing":
        return f"{where} is missing; it is required"
    allowed = fault["msg"].removeprefix("Input ").removeprefix("Value error, ")
    if fault["type"] == "value_error":  # of several fields together: the message names them and their values
        return f"{where}: {allowed}" if where else allowed
    hint = f" (or {field.description})" if field and field.description else ""
    return f"{where} is {json.dumps(fault['input'], default=str)}: it {allowed}{hint}"
