"""Marks in videos: every face is marked in every frame, and read over many of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bauta.clips.protecting import ClipProgress, chosen_numbers, frames_in, is_grey, smallest_face
from bauta.clips.tracking import Shown, Tracker
from bauta.errors import NoFaceError, UsageError
from bauta.faces.face import Face
from bauta.media.atomic import check_target
from bauta.media.video import Video, VideoWriter, describe_metadata, output_suffix, read_video
from bauta.memory import enough_memory
from bauta.recognizers.zoo import get_surrogate
from bauta.settings import Settings
from bauta.watermark.embedding import mark_photo
from bauta.watermark.network import Decoder
from bauta.watermark.reading import Reading, read_faces
from bauta.watermark.weights import trained_networks
from bauta.watermarking import (
    MARKED,
    OwnKey,
    Traced,
    check_request,
    known_words,
    traced_face,
)

#: Who tells people apart after cuts.
_RECOGNIZER = "tight-ms1m"
#: Frames between two that are read, and how many of each face at most.
_EVERY, _MOST = 4, 64


@dataclass(frozen=True, kw_only=True)
class MarkedClip:
    """A video whose faces carry a mark.

    Attributes:
        source: the video.
        written: the new file.
        frames: how many there are.
        marked: how many of them show a face that carries the mark.
        faces: how many people's faces the video shows.
        chosen: numbers, from 1, in the order in which they come into view, of those marked.
        agreeing: of each of them, bits of 64 that are read back from the new file.
        left_out: private items of metadata that the new file has not.
        notes: what a person should know.

    """

    source: Path
    written: Path
    frames: int
    marked: int
    faces: int
    chosen: tuple[int, ...]
    agreeing: tuple[int, ...]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**vars(self), "source": str(self.source), "written": str(self.written)}


@enough_memory()
def mark_video(
    key: OwnKey,
    identifier: str,
    path: str | Path,
    out: str | Path | None = None,
    *,
    faces: str = "all",
    epsilon: float = 8.0,
    min_face: float | None = None,
    metadata: str = "private",
    overwrite: bool = False,
    device: str = "cpu",
    crf: int | None = None,
    progress: ClipProgress | None = None,
) -> MarkedClip:
    """Mark faces in a video; the original stays as it is.

    Args:
        key: from :func:`bauta.watermarking.own_key`.
        identifier: what is told again by :func:`trace_video`, to who has the key alone.
        path: the file.
        out: the file to write; None: beside the video, with ``-marked`` in its name.
        faces: "all", or numbers such as "1,3" in the order in which faces come into view.
        epsilon: size of the change, in grey levels, weighed by what the eye notices.
        min_face: smallest face to find, in pixels; None: 2 % of the longer side, at least 40.
        metadata: "private" or "keep", see :mod:`bauta.media`.
        overwrite: replace an existing output.
        device: "cpu" or "cuda".
        crf: quality on the scale of the encoder, where smaller is better; None: its default.
        progress: told the stage ("mark" or "trace"), the frames done, and the frames in all.

    Raises:
        NoFaceError: no face was found; nothing was written.
        MediaError: the video cannot be read, or the output not be written.
        UsageError: an argument is wrong.
        KeyFileError: the key's register is damaged, full, or another key's.
        MissingExtraError: the extra "video" is not installed.

    """
    tell = progress or (lambda *_: None)
    source, wanted = Path(path), chosen_numbers(faces)
    check_request(identifier, epsilon)
    networks = trained_networks(device).networks
    seen: set[int] = set()
    looks = _Looks()
    frames = marked = 0
    with read_video(source) as video:
        suffix = output_suffix(video)
        target = Path(out) if out is not None else source.with_name(source.stem + MARKED + suffix)
        check_target(target, overwrite=overwrite, protect=[source])
        writer = VideoWriter(video, target, metadata=metadata, overwrite=overwrite, crf=crf)  # type: ignore[arg-type]  # checked there
        word, total = key.word(identifier), frames_in(video)
        with writer:
            for shown in _tracked(video, min_face):
                seen |= set(shown.faces)
                mine = {n: f for n, f in shown.faces.items() if wanted is None or n in wanted}
                looks.note(shown.frame.index, mine)
                pixels = mark_photo(
                    shown.frame.pixels, list(mine.values()), word, networks.encoder,
                    epsilon=epsilon, grey=is_grey(shown.frame.pixels),
                )  # fmt: skip
                writer.write(shown.frame, pixels)
                frames, marked = frames + 1, marked + bool(mine)
                tell("mark", frames, total)
            _check(source, wanted, seen, frames)
        left_out = tuple(describe_metadata(video)) if metadata == "private" else ()
    read = _read_back(target, looks, networks.decoder, tell, frames)
    return MarkedClip(
        source=source,
        written=target,
        frames=frames,
        marked=marked,
        faces=len(seen),
        chosen=tuple(sorted(read)),
        agreeing=tuple(int((read[n].bits[0] == word).sum()) for n in sorted(read)),
        left_out=left_out,
        notes=tuple(writer.notes),
    )


@enough_memory()
def trace_video(
    keys: Sequence[OwnKey],
    path: str | Path,
    *,
    identifiers: Sequence[str] = (),
    min_face: float | None = None,
    device: str = "cpu",
    progress: ClipProgress | None = None,
) -> Traced:
    """Say which of the keys marked the faces of a video, over all of its frames together.

    Args:
        keys: from :func:`bauta.watermarking.own_key`.
        path: the file.
        identifiers: further ones to try, such as those of a register that was lost.
        min_face: smallest face to find, in pixels; None: 2 % of the longer side, at least 40.
        device: "cpu" or "cuda".
        progress: told the stage ("trace"), the frames done, and the frames in all.

    Raises:
        MediaError: the video cannot be read.
        UsageError: no key was given, or none has given out an identifier.
        KeyFileError: a register is damaged, or another key's.

    """
    known, trained = known_words(keys, identifiers), trained_networks(device)
    read = _read(Path(path), trained.networks.decoder, min_face, progress or (lambda *_: None))
    rows = [
        traced_face(number, face, reading, known, loud=trained.certainty, tries=len(read))
        for number, (face, reading) in sorted(read.items())
    ]
    return Traced(source=Path(path), faces=rows)


def _tracked(video: Video, min_face: float | None) -> Iterator[Shown]:
    smallest = smallest_face(video, Settings(min_face=min_face))
    return Tracker(get_surrogate(_RECOGNIZER), min_face=smallest).track(video)


def _check(source: Path, wanted: frozenset[int] | None, seen: set[int], frames: int) -> None:
    """Refuse to write a video in which nothing was marked."""
    if not seen:
        raise NoFaceError(
            f"{source}: no face was found in its {frames} frames, so nothing was written. "
            "Smaller faces are found with --min-face 20."
        )
    wrong = sorted((wanted or frozenset()) - seen)
    if wrong:
        raise UsageError(f"there is no face number {wrong[0]}: the video has {len(seen)}")


class _Looks:
    """Which frames are read, and where in them each face is."""

    def __init__(self) -> None:
        self.places: dict[int, dict[int, Face]] = defaultdict(dict)
        self._shown: dict[int, int] = defaultdict(int)

    def note(self, index: int, faces: Mapping[int, Face]) -> Mapping[int, Face]:
        """Choose the faces of a frame that are to be read: each now and then, and not too often."""
        for number, face in faces.items():
            due, turn = divmod(self._shown[number], _EVERY)
            if turn == 0 and due < _MOST:
                self.places[index][number] = face
            self._shown[number] += 1
        return self.places.get(index, {})


def _read_back(
    path: Path, looks: _Looks, decoder: Decoder, tell: ClipProgress, total: int
) -> dict[int, Reading]:
    """What is read of each face in a written video, where it was marked."""
    rows: dict[int, list[NDArray[np.float32]]] = defaultdict(list)
    with read_video(path) as video:
        for frame in video:
            for number, face in looks.places.get(frame.index, {}).items():
                (reading,) = read_faces(frame.pixels, [face], decoder)
                rows[number].append(reading.logits[:2])
            tell("trace", frame.index + 1, total)
    return {number: _together(several) for number, several in rows.items()}


def _read(
    path: Path, decoder: Decoder, min_face: float | None, tell: ClipProgress
) -> dict[int, tuple[Face, Reading]]:
    """Per face, where it is last, and what was read over its frames."""
    places: dict[int, Face] = {}
    rows: dict[int, list[NDArray[np.float32]]] = defaultdict(list)
    looks = _Looks()
    with read_video(path) as video:
        total = frames_in(video)
        for shown in _tracked(video, min_face):
            places |= shown.faces
            for number, face in looks.note(shown.frame.index, shown.faces).items():
                (reading,) = read_faces(shown.frame.pixels, [face], decoder)
                rows[number].append(reading.logits[:2])
            tell("trace", shown.frame.index + 1, total)
    return {number: (places[number], _together(several)) for number, several in rows.items()}


def _together(rows: Sequence[NDArray[np.float32]]) -> Reading:
    """One reading of what was read of a face in several frames: the mean first."""
    return Reading(np.concatenate([np.mean(rows, axis=0), *rows]))
