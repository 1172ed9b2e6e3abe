"""Plain data out of files: JSON whatever its bytes, and dataclasses with values of their types."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Collection, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

#: Whole numbers that every library takes; files may hold some of thousands of digits.
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
_WORDS = {str: "words", bool: "true or false", int: "a whole number", float: "a number"}


def from_json(text: str | bytes) -> Any:
    """Read JSON.

    Raises:
        ValueError: it is none, or none that a program writes.

    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("brackets are nested too deeply") from None


def table_of(text: str | bytes) -> dict[str, Any]:
    """Read JSON that is an object.

    Raises:
        ValueError: it is no JSON, or something else.

    """
    data = from_json(text)
    if not isinstance(data, dict):
        raise ValueError("a table is missing")
    return data


def build(kind: type[T], values: Mapping[str, Any], *, boundless: Collection[str] = ()) -> T:
    """Build a dataclass of plain data; lists become tuples where the class has tuples.

    Args:
        kind: the class.
        values: its fields.
        boundless: fields that may be infinite or NaN, as of what could not be measured.

    Raises:
        TypeError: a key is unknown or missing, or a value of another type than the class says.

    """
    if not isinstance(values, Mapping):
        raise TypeError(f"a table is missing, got {values!r:.60}")
    hints = _hints(kind)  # type: ignore[arg-type]  # classes are hashable
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise TypeError(f"unknown {', '.join(map(str, unknown))}")
    return kind(
        **{
            name: value
            if name in boundless and type(value) is float
            else _checked(name, value, hints[name])
            for name, value in values.items()
        }
    )


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    every = get_type_hints(kind)
    return {item.name: every[item.name] for item in fields(kind) if item.init}


def _checked(name: str, value: Any, hint: Any) -> Any:
    if isinstance(value, list) and _takes_tuple(hint):
        value = tuple(value)
    if not _fits(value, hint):
        raise TypeError(f"{name} must be {_described(hint)}, got {value!r:.60}")
    return float(value) if hint is float else value


def _takes_tuple(hint: Any) -> bool:
    return any(get_origin(one) is tuple for one in (hint, *_choices(hint)))


def _choices(hint: Any) -> tuple[Any, ...]:
    """What a union is of; nothing for other types."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else ()


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if choices := _choices(hint):
        return any(_fits(value, one) for one in choices)
    if origin is Literal:
        return isinstance(value, str | int) and value in inner
    if origin is tuple:
        return isinstance(value, tuple) and _items_fit(value, inner)
    if hint is int:
        return type(value) is int and _LEAST <= value <= _MOST
    if hint is float:
        # Not even an unlimited number is one that anything could be computed with.
        return (type(value) is float and math.isfinite(value)) or _fits(value, int)
    if hint is Path:
        return isinstance(value, str | Path)
    return isinstance(value, origin or hint)


def _items_fit(value: tuple[Any, ...], inner: tuple[Any, ...]) -> bool:
    if inner[-1:] == (...,):
        return all(_fits(one, inner[0]) for one in value)
    return len(value) == len(inner) and all(map(_fits, value, inner))


def _described(hint: Any) -> str:
    if choices := _choices(hint):
        return " or ".join(_described(one) for one in choices if one is not type(None))
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    if get_origin(hint) is tuple:
        inner = get_args(hint)
        count = "" if inner[-1:] == (...,) else f" of {len(inner)}"
        return f"a list{count}, each {_described(inner[0])}"
    return _WORDS.get(hint, "a table")
