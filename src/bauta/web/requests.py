"""What the page asks for, checked: whatever a browser sends is a stranger's word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bauta.errors import BautaError, KeyFileError, UsageError
from bauta.keys.envelope import opened
from bauta.keys.files import key_bytes
from bauta.makeup.styles import style_names
from bauta.settings import Settings
from bauta.web.rooms import Key, Picture, Room
from bauta.web.words import MASKS, METHODS
from bauta.web.work import Fit, Hide, Trace, Wear

#: Kinds of keys as envelopes call them, and as the page does.
_KINDS = {"mask": "mask", "watermark key": "watermark"}


def hide_asked(room: Room, body: Mapping[str, Any]) -> list[tuple[Picture, Hide]]:
    """Photos, and how each is to be protected.

    Raises:
        UsageError: something in it cannot be.

    """
    settings = _settings(body)
    key, passphrase = None, None
    if settings.method == "dpg":
        key = _key(room, body, "watermark")
        passphrase = _passphrase(body)
        if not _text(body, "identifier"):
            raise UsageError("say what the mark is to tell you later, such as: given to Anna")
    asked = []
    for photo, numbers in _chosen(room, body):
        asked.append(
            (
                photo,
                Hide(
                    photo=photo.path,
                    folder=photo.folder,
                    settings=_for_photo(settings, photo, numbers),
                    key=key.path if key else None,
                    passphrase=passphrase,
                    identifier=_text(body, "identifier"),
                ),
            )
        )
    return asked


def fit_asked(room: Room, body: Mapping[str, Any]) -> tuple[Key, Fit]:
    """A place for a mask's key, and what it is to be fitted on.

    Raises:
        UsageError: something in it cannot be.

    """
    photos = [photo for photo, _ in _chosen(room, body)]
    method = _one_of(body, "method", [str(mask["name"]) for mask in MASKS])
    passphrase = _passphrase(body)
    key = room.add_key(_text(body, "name") or "me.mask")
    key.kind, key.sealed = "mask", passphrase is not None
    ask = Fit(
        photos=[photo.path for photo in photos], out=key.path, method=method, passphrase=passphrase
    )
    return key, ask


def wear_asked(room: Room, body: Mapping[str, Any]) -> list[tuple[Picture, Wear]]:
    """Photos, and the mask that they are to wear or to lose.

    Raises:
        UsageError: something in it cannot be.

    """
    key, passphrase = _key(room, body, "mask"), _passphrase(body)
    off, anybody = body.get("off") is True, body.get("anybody") is True
    asked = []
    for photo, numbers in _chosen(room, body):
        assert photo.look is not None
        ask = Wear(
            photo=photo.path,
            folder=photo.folder,
            key=key.path,
            passphrase=passphrase,
            off=off,
            faces=numbers if anybody else "mine",
            boxes=[tuple(box) for box in photo.look.data["faces"]],
            min_face=photo.look.data["min_face"],
        )
        asked.append((photo, ask))
    return asked


def trace_asked(room: Room, body: Mapping[str, Any]) -> list[tuple[Picture, Trace]]:
    """Photos, and the keys whose marks are sought.

    Raises:
        UsageError: something in it cannot be.

    """
    key, passphrase = _key(room, body, "watermark"), _passphrase(body)
    lines = _text(body, "identifiers").splitlines()
    identifiers = [line.strip() for line in lines if line.strip()]
    if not identifiers and not key.register.is_file():
        raise UsageError(
            "open the key's register too (its name ends in .ids), or type what the mark may say"
        )
    asked = []
    for photo, _ in _chosen(room, body):
        assert photo.look is not None
        ask = Trace(
            photo=photo.path,
            keys=[key.path],
            passphrases=[passphrase],
            identifiers=identifiers,
            min_face=photo.look.data["min_face"],
        )
        asked.append((photo, ask))
    return asked


def kind_of_key(path: Path, name: str) -> str:
    """Which kind of key a file is, "mask" or "watermark".

    Raises:
        KeyFileError: it is none.

    """
    try:
        kind = str(opened(key_bytes(path), "", name).header["kind"])
    except BautaError as error:
        raise KeyFileError(error.plain.replace(str(path), name)) from error
    if kind not in _KINDS:
        raise KeyFileError(f"{name} is a {kind}, neither a mask nor a watermark key")
    return _KINDS[kind]


def _settings(body: Mapping[str, Any]) -> Settings:
    values: dict[str, Any] = {
        "method": _one_of(body, "method", [str(method["name"]) for method in METHODS]),
        # A style may be a file elsewhere; the page names Bauta's own.
        "style": _one_of(body, "style", style_names(), "rose"),
        "preset": _text(body, "preset") or "balanced",
        "epsilon": _number(body, "epsilon", 8.0),
        "strength": _number(body, "makeup", 1.0),
        "spare": body.get("full") is not True,
    }
    if not 2 <= values["epsilon"] <= 16:
        raise UsageError("the strength is between 2 and 16")
    return Settings(**values)


def _for_photo(settings: Settings, photo: Picture, numbers: str) -> Settings:
    assert photo.look is not None
    return replace(settings, faces=numbers, min_face=photo.look.data["min_face"])


def _chosen(room: Room, body: Mapping[str, Any]) -> list[tuple[Picture, str]]:
    """Photos, and numbers of their faces such as "1,3"; photos without a face are none."""
    given = body.get("photos")
    if not isinstance(given, Mapping) or not given:
        raise UsageError("choose a photo first")
    chosen = []
    for which, numbers in given.items():
        photo = room.photo(str(which))
        if photo.look is None or not photo.look.data:
            raise UsageError(f"{photo.name} was not looked at yet")
        count = len(photo.look.data["faces"])
        good = isinstance(numbers, list) and all(
            type(number) is int and 1 <= number <= count for number in numbers
        )
        if not good or not numbers:
            raise UsageError(f"choose a face in {photo.name}")
        chosen.append((photo, ",".join(map(str, numbers))))
    return chosen


def _key(room: Room, body: Mapping[str, Any], kind: str) -> Key:
    key = room.key(_text(body, "key"))
    if key.kind != kind:
        raise UsageError(f"{key.name} is a {key.kind} key, and this needs a {kind} key")
    if key.sealed and _passphrase(body) is None:
        raise UsageError(f"{key.name} is sealed: give its passphrase")
    return key


def _passphrase(body: Mapping[str, Any]) -> str | None:
    return _text(body, "passphrase") or None


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise UsageError(f"{name} is no text")
    return value


def _number(body: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = body.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{name} is no number")
    return float(value)


def _one_of(
    body: Mapping[str, Any], name: str, allowed: list[str], otherwise: str | None = None
) -> str:
    value = _text(body, name) or otherwise
    if value not in allowed:
        raise UsageError(f"{name} must be one of {', '.join(allowed)}")
    return value
