"""Recognizers that the user has added: an ONNX file and its definition, side by side.

They lie in the folder ``own`` beside downloaded weights, as NAME.onnx and NAME.json. A file counts
only with a definition, and only while it hashes to what that says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bauta.errors import UsageError, WeightsError
from bauta.plain import build, table_of
from bauta.recognizers.names import LONGEST_NAME, NAME, own_paths
from bauta.recognizers.onnx_judge import Convention, OnnxJudge
from bauta.weights.records import locate_record, records
from bauta.weights.table import WeightRecord

#: Version of the definitions' form.
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class OwnRecognizer:
    """Definition of a recognizer that the user has added. Calling it opens the recognizer.

    Attributes:
        name: public name.
        sha256: what the file must hash to.
        size_bytes: length of the file.
        convention: how the network wants its faces.
        dimensions: length of an embedding.
        judge_only: why there are no gradients; "" if there are.
        agreement: largest difference of the gradients' network to onnxruntime, as a share of an
            embedding's length; None without gradients.
        licence: as the user says.
        commercial_use: whether the licence allows it, as the user says.

    """

    name: str
    sha256: str
    size_bytes: int
    convention: Convention
    dimensions: int
    judge_only: str = ""
    agreement: float | None = None
    licence: str = "not stated"
    commercial_use: bool = False

    @property
    def record(self) -> WeightRecord:
        """Return the record of the file."""
        rule = self.convention
        return WeightRecord(
            name=self.name,
            kind="recognizer",
            architecture=f"ONNX, {rule.size}x{rule.size} {rule.order.upper()}, {self.dimensions}-d",
            filename=f"{self.name}.onnx",
            source="user",
            sha256=self.sha256,
            size_bytes=self.size_bytes,
            licence=self.licence,
            commercial_use=self.commercial_use,
            training_data="not stated",
            origin="added by the user",
            notes=f"It can only judge: {self.judge_only}" if self.judge_only else "",
        )

    @property
    def network_id(self) -> str:
        """Identity of the weights; a file that Bauta knows keeps the name that it has there."""
        known = {row.sha256: row.name for row in records().values()}
        return known.get(self.sha256, f"sha256:{self.sha256}")

    def __call__(self) -> OnnxJudge:
        """Open the recognizer.

        Raises:
            WeightsError: its file is missing or was altered.

        """
        return OnnxJudge(self.name, locate_record(self.record), self.convention, self.network_id)

    def to_json(self) -> str:
        """Text of the definition."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> OwnRecognizer:
        """Read the text of a definition.

        Raises:
            ValueError: it is not of that form.

        """
        try:
            values = table_of(text)
            if values.pop("format") != _FORMAT:
                raise ValueError("it is of another version of Bauta")
            rule = build(Convention, dict(values.pop("convention")))
            own = build(cls, {**values, "convention": rule})
            check_name(own.name)
            _ = own.record  # refuses a malformed hash
        except (KeyError, TypeError, UsageError) as error:
            raise ValueError(str(error)) from error
        return own


def check_name(name: str) -> None:
    """Check that a name can be a recognizer's and a file's.

    Raises:
        UsageError: it cannot.

    """
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a name: use up to {LONGEST_NAME} small letters and digits, "
            "with single dots, dashes or underscores between them"
        )


class OwnRecognizers(Mapping[str, OwnRecognizer]):
    """All definitions on this machine, read anew at every look."""

    def __getitem__(self, name: str) -> OwnRecognizer:
        """Read a definition.

        Raises:
            KeyError: there is none of this name.
            WeightsError: it is damaged.

        """
        path = own_paths()[name]
        try:
            own = OwnRecognizer.from_json(path.read_text("utf-8"))
            if own.name != name:
                raise ValueError(f"it is the definition of {own.name}")
        except (OSError, ValueError) as error:
            raise WeightsError(
                f"{path} is no definition of a recognizer ({error}); "
                f"run: bauta recognizers remove {name}"
            ) from error
        return own

    def __contains__(self, name: object) -> bool:
        """Whether there is a definition of this name, damaged or not."""
        return name in own_paths()

    def __iter__(self) -> Iterator[str]:
        """Names, sorted."""
        return iter(sorted(own_paths()))

    def __len__(self) -> int:
        """Count of names."""
        return len(own_paths())

    def path(self, name: str) -> Path:
        """Path of a definition, which must exist."""
        return own_paths()[name]


#: The definitions on this machine.
OWN = OwnRecognizers()


def plain(own: OwnRecognizer) -> dict[str, Any]:
    """Return what a definition holds beyond its record, as plain data."""
    return {
        "convention": asdict(own.convention),
        "dimensions": own.dimensions,
        "gradients": not own.judge_only,
        "agreement": own.agreement,
    }
