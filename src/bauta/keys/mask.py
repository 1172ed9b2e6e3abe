"""A personal mask: what makes a person's photos theirs to hide, and to show again."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from bauta.errors import KeyFileError
from bauta.keys.files import key_bytes
from bauta.keys.sealing import seal, unseal
from bauta.plain import build, from_json, table_of

_KIND = "mask"
_SECRET = 32
#: Largest change that a key may ask for, in grey levels, and most members of a family.
MAX_EPSILON, MAX_MEMBERS = 64.0, 64
#: Largest change of a sample under a perceptual budget, in epsilons. Few samples change as much.
PEAK = 3.0
#: Sides of a mask, and by what share a half float is rounded at most.
_SIDES, _ROUNDED = (16, 512), 2.0**-11
#: Points of a flow along a side, at most, and how far one may lead, in sides of the frame.
_GRID, _MOVE = 64, 0.05
#: Flows of masks that move nothing.
_STILL = np.zeros((0, 2, 1, 1), np.float16)
#: Names of tensors in the file: the masks, the secret, and who the owner is to a recognizer.
_DELTAS, _FLOWS, _HIDDEN, _OWNER = "deltas", "flows", "secret", "owner/"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a key says of itself.

    Attributes:
        method: that made it.
        epsilon: the budget in grey levels: the largest change of any sample, or a third of that if
            ``perceptual``.
        perceptual: whether photos get less of the mask on smooth areas.
        region: of the face that it changes.
        surrogates: recognizers that it was fitted against.
        photos: how many photos of the person it was fitted on.
        bare: largest share of the mask that was seen in photos that do not wear it; see
            :func:`bauta.masks.removal.bare_share`.
        seed: of all randomness but the secret's.
        bauta: version that wrote it.

    """

    method: str
    epsilon: float
    perceptual: bool = False
    region: str = "head"
    surrogates: tuple[str, ...] = ()
    photos: int = 1
    bare: float = 0.0
    seed: int = 0
    bauta: str = ""

    @property
    def peak(self) -> float:
        """Largest change of any sample, in grey levels."""
        return PEAK * self.epsilon if self.perceptual else self.epsilon


@dataclass(frozen=True, kw_only=True, eq=False)
class PersonalMask:
    """One mask, or a family of them, that hides one person in all their photos.

    Attributes:
        facts: what it is.
        deltas: (K, 3, S, S) float16 perturbations in the face's frame, in grey levels.
        flows: (K, 2, G, G) float16 displacements (x, y) in sides of the frame, which come first;
            (0, 2, G, G) if nothing moves.
        owner: per recognizer, (N, D) float16 embeddings of the person, by which their face is told
            from others': as personal as a photo.
        secret: 32 bytes that nobody else has.

    """

    facts: Facts
    deltas: NDArray[np.float16]
    flows: NDArray[np.float16] = field(default_factory=lambda: _STILL)
    owner: Mapping[str, NDArray[np.float16]] = field(default_factory=dict)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(_SECRET), repr=False)

    def __post_init__(self) -> None:
        """Check what a photo could suffer from.

        Raises:
            KeyFileError: the numbers make no mask.

        """
        shape, facts = self.deltas.shape, self.facts
        if not 0 < facts.epsilon <= MAX_EPSILON:
            raise KeyFileError(
                f"a mask changes at most {MAX_EPSILON:g} grey levels, got {facts.epsilon}"
            )
        square = len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3]
        if not square or not 1 <= shape[0] <= MAX_MEMBERS:
            raise KeyFileError(f"a mask is (1 to {MAX_MEMBERS}, 3, S, S), got {shape}")
        if not _SIDES[0] <= shape[2] <= _SIDES[1]:
            raise KeyFileError(f"a mask has {_SIDES[0]} to {_SIDES[1]} pixels a side: {shape[2]}")
        values = self.deltas.astype(np.float32)
        if not np.isfinite(values).all() or np.abs(values).max() > facts.peak * (1 + _ROUNDED):
            raise KeyFileError(f"the mask changes more than its {facts.peak:g} grey levels")
        self._check_flows()
        if len(self.secret) != _SECRET:
            raise KeyFileError(f"a secret has {_SECRET} bytes, got {len(self.secret)}")

    def _check_flows(self) -> None:
        shape = self.flows.shape
        square = len(shape) == 4 and shape[1] == 2 and shape[2] == shape[3]
        if not square or shape[0] not in (0, len(self.deltas)) or not 1 <= shape[2] <= _GRID:
            raise KeyFileError(f"flows are ({len(self.deltas)}, 2, G, G), got {shape}")
        values = self.flows.astype(np.float32)
        if not np.isfinite(values).all() or np.abs(values).max(initial=0) > _MOVE:
            raise KeyFileError(f"a mask moves pixels by at most {_MOVE:g} sides of the frame")

    def to_bytes(self, passphrase: str | None = None) -> bytes:
        """The key as a file; see :func:`bauta.keys.sealing.seal`."""
        tensors = {
            _DELTAS: self.deltas,
            _FLOWS: self.flows,
            _HIDDEN: np.frombuffer(self.secret, np.uint8),
            **{_OWNER + name: rows for name, rows in self.owner.items()},
        }
        whole = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
        return seal(_KIND, save(whole, {"facts": json.dumps(asdict(self.facts))}), passphrase)


def read_mask(path: str | Path, passphrase: str | None = None) -> PersonalMask:
    """Read a key file.

    Args:
        path: the file.
        passphrase: what it was sealed with, if it was.

    Raises:
        KeyFileError: there is no such file, or no mask in it.
        PassphraseError: it needs a passphrase, or another one.

    """
    return mask_from_bytes(key_bytes(path), passphrase, name=Path(path).name)


def mask_from_bytes(
    sealed: bytes, passphrase: str | None = None, *, name: str = "the key file"
) -> PersonalMask:
    """Open what :meth:`PersonalMask.to_bytes` made.

    Args:
        sealed: the file's bytes.
        passphrase: what it was sealed with, if it was.
        name: what to call it in messages.

    Raises:
        KeyFileError: there is no mask in it.
        PassphraseError: it needs a passphrase, or another one.

    """
    data = unseal(_KIND, sealed, passphrase, name=name)
    try:
        tensors, facts = load(data), _facts(data)
        return PersonalMask(
            facts=facts,
            deltas=_of_type(tensors[_DELTAS], np.float16),
            flows=_of_type(tensors.get(_FLOWS, _STILL), np.float16),
            owner=MappingProxyType(
                {
                    key.removeprefix(_OWNER): _of_type(rows, np.float16)
                    for key, rows in tensors.items()
                    if key.startswith(_OWNER)
                }
            ),
            secret=_of_type(tensors[_HIDDEN], np.uint8).tobytes(),
        )
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise KeyFileError(f"{name} holds no mask: {error}") from error


def _facts(data: bytes) -> Facts:
    """What safetensors' header keeps beside the tensors, which its reader for bytes leaves out."""
    length = int.from_bytes(data[:8], "little")
    facts = from_json(data[8 : 8 + length])["__metadata__"]["facts"]
    return build(Facts, table_of(facts))


def _of_type(tensor: NDArray[Any], kind: type) -> NDArray[Any]:
    if tensor.dtype != kind:
        raise ValueError(f"{tensor.dtype} where {np.dtype(kind)} is kept")
    return tensor
