"""Damage: what disks, networks and enemies do to bytes, to JSON and to TOML; all by a seed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from random import Random
from typing import Any

Damage = Callable[[bytes, Random], bytes]

#: Brackets by which recursive parsers fall.
_DEEP = "[" * 50_000 + "]" * 50_000
_NUMBERS = (0, -1, 1, 2, 7, 255, 65_536, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 64, 10**30)
_ODD: tuple[Any, ...] = (
    None, True, False, *_NUMBERS, 10**400, 0.5, -0.0, 1e308, math.nan, math.inf, "", "x", "1",
    "\0", "\ud800", "\n", "../../etc/passwd", "/", "ab" * 700, "@deep@", [], {}, [[]], [None],
    [1, "a", None], {"a": 1}, {"": {"": []}}, list(range(40)),
)  # fmt: skip
_TOML = (
    "nan", "-inf", "-1", "0", "1", "1e400", "9" * 400, "9" * 5000, "true", '""', '"x"', '"\\u0000"',
    '"../../etc/passwd"', "[]", "{}", "[[]]", '[1, "a"]', '["", ""]', "1979-05-27", "{ a = 1 }", "",
    "2.5", '"nan"', "[nan]", "[-1, 1e9]", "[99999999999]", _DEEP,
)  # fmt: skip


def of_bytes(whole: bytes, rng: Random) -> bytes:
    """Flip, set, cut, insert, remove, repeat, and put in numbers that are lengths elsewhere."""
    broken = bytearray(whole)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if not broken:
            break
        # Most of a format is said at its beginning.
        near = rng.random() < 0.5
        at = rng.randrange(min(len(broken), 400) if near else len(broken))
        match rng.randrange(7):
            case 0:
                broken[at] ^= 1 << rng.randrange(8)
            case 1:
                broken[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
            case 2:
                del broken[at:]
            case 3:
                broken[at:at] = rng.randbytes(rng.randrange(1, 12))
            case 4:
                del broken[at : at + rng.randrange(1, 64)]
            case 5:
                broken[at:at] = broken[at : at + rng.randrange(1, 64)]
            case 6:
                width = rng.choice((2, 4, 8))
                number = rng.choice(_NUMBERS) % (1 << 8 * width)
                broken[at : at + width] = number.to_bytes(width, rng.choice(("little", "big")))
    return bytes(broken)


def of_json(whole: bytes, rng: Random) -> bytes:
    """JSON that says something else, of the wrong kind, too much or too little of it."""
    if rng.random() < 0.25:
        return of_bytes(whole, rng)
    try:
        tree = json.loads(whole)
    except (ValueError, RecursionError):  # damaged before
        return of_bytes(whole, rng)
    for _ in range(rng.choice((1, 1, 2, 3))):
        tree = _changed(tree, rng)
    return json.dumps(tree).replace('"@deep@"', _DEEP).encode("utf-8", "surrogatepass")


def of_json_lines(whole: bytes, rng: Random) -> bytes:
    """Lines of JSON of which one or two say something else, are torn, or stand elsewhere."""
    lines = whole.splitlines(keepends=True)
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(lines))
        match rng.randrange(4):
            case 0:
                lines[at] = of_bytes(lines[at], rng)
            case 1 | 2:
                lines[at] = of_json(lines[at], rng) + b"\n"
            case 3:
                lines.insert(at, lines[rng.randrange(len(lines))])
    return b"".join(lines)


def of_toml(whole: bytes, rng: Random) -> bytes:
    """TOML with other values, other keys, and lines twice or not at all."""
    if rng.random() < 0.2:
        return of_bytes(whole, rng)
    lines = whole.decode().splitlines()
    places = [i for i, line in enumerate(lines) if re.match(r"\s*[\w\"-]+\s*=", line)]
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.choice(places)
        key, _, _ = lines[at].partition("=")
        match rng.randrange(6):
            case 0 | 1 | 2 | 3:
                lines[at] = f"{key}= {rng.choice(_TOML)}"
            case 4:
                lines[at] = ""
            case 5:
                lines[at] = "more_" + lines[at].strip()
    return "\n".join(lines).encode()


def _changed(tree: Any, rng: Random) -> Any:
    """The tree with one place of it changed."""
    inside = isinstance(tree, dict | list) and len(tree) > 0
    if not inside or rng.random() < 0.1:
        return rng.choice(_ODD)
    if isinstance(tree, list):
        out = list(tree)
        at = rng.randrange(len(out))
        out[at : at + 1] = rng.choice(([_changed(out[at], rng)],) * 4 + ([], [out[at], out[at]]))
        return out
    key = rng.choice(list(tree))
    if rng.random() < 0.15:
        return {k: v for k, v in tree.items() if k != key}
    if rng.random() < 0.1:
        return {**tree, "more": rng.choice(_ODD)}
    return {**tree, key: _changed(tree[key], rng)}
