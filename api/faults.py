"""Validation errors in the user's words: where (a JSON pointer or a parameter's name) and what, without jargon."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.problems import Fault

Error = Mapping[str, Any]

# Sentences by pydantic's error type; {name} is the field, the rest comes from the error's context.
SENTENCES = {
    "missing": "{name} is missing",
    "extra_forbidden": "{name} is not a field here",
    "unexpected_keyword_argument": "{name} is not a field here",
    "int_type": "{name} must be an integer",
    "int_parsing": "{name} must be an integer",
    "int_from_float": "{name} must be an integer",
    "float_type": "{name} must be a number",
    "float_parsing": "{name} must be a number",
    "finite_number": "{name} must be a finite number",
    "string_type": "{name} must be a string",
    "bool_type": "{name} must be true or false",
    "list_type": "{name} must be a list",
    "dict_type": "{name} must be an object",
    "model_type": "{name} must be an object",
    "model_attributes_type": "{name} must be an object",
    "dataclass_type": "{name} must be an object",
    "greater_than_equal": "{name} must be at least {ge}",
    "greater_than": "{name} must be more than {gt}",
    "less_than_equal": "{name} must be at most {le}",
    "less_than": "{name} must be less than {lt}",
    "literal_error": "{name} must be {expected}",
    "enum": "{name} must be {expected}",
    "string_pattern_mismatch": "{name} must match {pattern}",
    "too_short": "{name} must have at least {min_length} entries",
    "too_long": "{name} must have at most {max_length} entries",
    "string_too_short": "{name} must have at least {min_length} characters",
    "string_too_long": "{name} must have at most {max_length} characters",
    "string_unicode": "{name} must be text that UTF-8 can hold",
    "uuid_parsing": "{name} must be a UUID",
    "uuid_type": "{name} must be a UUID",
    "union_tag_invalid": "the type of {name} must be one of {expected_tags}",
    "union_tag_not_found": "{name} needs a type",
}
SAYS_ITSELF = ("missing", "extra_forbidden", "unexpected_keyword_argument", "union_tag_not_found")
LONGEST_SHOWN = 60


def faults(errors: Sequence[Error], body: Any) -> list[Fault]:
    """One fault for each error of the request whose JSON body is `body`, several where the engine names several."""
    return [fault for error in errors for fault in _faults(error, body)]


def _faults(error: Error, body: Any) -> list[Fault]:
    where, *inner = error["loc"]
    path = _path(inner, body, error["type"]) if where == "body" else [_parameter(where, inner)]
    pointer = _pointer(path) if where == "body" else path[0]
    named = getattr(_cause(error), "faults", None)
    if named is not None:
        return [Fault(pointer=f"{pointer}/{field}" if field else pointer, detail=said) for field, said in named]
    if error["type"].startswith("union_tag"):
        pointer += "/type"
    return [Fault(pointer=pointer, detail=_sentence(error, path))]


def _path(inner: list[Any], value: Any, kind: str) -> list[Any]:
    """The steps of `inner` that lead through the body: pydantic also lists the members of unions that it tried."""
    path = []
    for position, step in enumerate(inner):
        tag = isinstance(value, dict) and step == value.get("type") and position + 1 < len(inner)
        if not tag and _leads(value, step):
            path.append(step)
            value = value[step]
        elif kind == "missing" and position + 1 == len(inner):
            path.append(step)
    return path


def _leads(value: Any, step: Any) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)


def _pointer(path: list[Any]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _parameter(where: str, inner: list[Any]) -> str:
    name = str(inner[0]) if inner else where
    return "-".join(word.capitalize() for word in name.split("-")) if where == "header" else name


def _cause(error: Error) -> Any:
    return error.get("ctx", {}).get("error")


def _sentence(error: Error, path: list[Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return str(_cause(error))
    name = str(path[-1]) if path else "the body"
    if isinstance(path[-1] if path else "", int):
        name = f"entry {name}"
    template = SENTENCES.get(kind)
    if template is None:
        return str(error["msg"]).replace("Input should", f"{name} should")
    if kind == "missing" and not path:
        return "a JSON body is needed"
    return template.format(name=name, **context) + ("" if kind in SAYS_ITSELF else _shown(error))


def _shown(error: Error) -> str:
    """What was given instead, where it is short."""
    given = error.get("ctx", {}).get("tag", error.get("input"))
    if isinstance(given, str | int | float | bool | None):
        text = json.dumps(given, ensure_ascii=False)
        return f", not {text}" if len(text) <= LONGEST_SHOWN else ""
    return ""
