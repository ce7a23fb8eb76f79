"""The monitoring policy on disk, `configs/policy.yaml`. Reading only: people write it, and git keeps what it was."""

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from forex_assets.core.policy import Policy


class PolicyError(Exception):
    """The policy cannot be used; the message names the file, the field, its value and what is allowed."""


def read_policy(path: Path) -> Policy:
    """The settings of a file, checked; fields that it leaves out have their documented values.

    An empty file is no policy: it is more often half a deployment than a decision for every default.

    Args:
        path: of the file.

    Raises:
        PolicyError: no file, no YAML, or a field that is unknown, twice there or not allowed; one line a fault.
    """
    values = _mapping(path)
    try:
        return Policy.model_validate(values)
    except ValidationError as error:
        # From None: the library's own message repeats the same faults in many more words.
        faults = [_explain(fault) for fault in error.errors(include_url=False)]
        raise PolicyError("\n".join(f"{path}: {fault}" for fault in faults)) from None


def _mapping(path: Path) -> dict[str, Any]:
    """The fields that a file holds."""
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_repeats(yaml.compose(text, Loader=yaml.SafeLoader), set())
        values = yaml.safe_load(text)
    except FileNotFoundError:
        raise PolicyError(f"{path}: there is no such file; restore it from git or set FOREX_CONFIGS") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise PolicyError(f"{path}: no valid YAML{where}: {error.problem}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise PolicyError(f"{path}: cannot be read: {error}") from error
    if not isinstance(values, dict):
        held = "nothing" if values is None else f"a {type(values).__name__}"
        raise PolicyError(f"{path}: holds {held}, should hold fields such as `decide_by: calibrated`")
    return values


def _refuse_repeats(node: Any, seen: set[int]) -> None:
    """Stops at a field that stands twice, of which YAML would take the last without a word, and at a group used twice.

    Args:
        node: of the composed document, None where it is empty.
        seen: ids of the groups that were looked at: an alias may even lead back to what it stands in.

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


def _explain(fault: Any) -> str:
    """One fault of the validation as one line for people."""
    field = ".".join(str(part) for part in fault["loc"])
    if fault["type"] in ("extra_forbidden", "invalid_key"):
        return f"{field} is no setting; there are {', '.join(_fields_beside(fault['loc']))}"
    allowed = fault["msg"].removeprefix("Input ").removeprefix("Value error, ")
    if fault["type"] == "value_error":  # of several fields together: the message names them and their values
        return f"{field}: {allowed}" if field else allowed
    return f"{field} is {json.dumps(fault['input'], default=str)}: it {allowed}"


def _fields_beside(where: tuple[int | str, ...]) -> list[str]:
    """Fields that there are at the place of an unknown one."""
    settings: type[BaseModel] = Policy
    for part in where[:-1]:
        part_of = settings.model_fields[str(part)].annotation
        if not (isinstance(part_of, type) and issubclass(part_of, BaseModel)):
            raise TypeError(f"{part} of the policy is no group of settings")
        settings = part_of
    return list(settings.model_fields)
