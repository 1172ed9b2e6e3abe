"""A personal mask put on its owner's face in a video: one mask of the family, all the way through.

The video is read twice. The first time each face is followed and looked at now and then, so that
it is known of the whole of it whether it is the owner's; the second time it gets the mask.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bauta.clips.protecting import ClipProgress, chosen_numbers, frames_in, is_grey, smallest_face
from bauta.clips.tracking import Shown, Tracker
from bauta.errors import NoFaceError, UsageError
from bauta.keys.mask import PersonalMask
from bauta.masks.owner import likeness
from bauta.masks.wearing import member_for, put_on
from bauta.media.atomic import check_target
from bauta.media.video import Video, VideoWriter, describe_metadata, output_suffix, read_video
from bauta.memory import enough_memory
from bauta.personal import MASKED
from bauta.recognizers.zoo import get_surrogate
from bauta.settings import Settings

#: Who tells people apart where the key does not say.
_RECOGNIZER = "tight-ms1m"
#: Frames of a face between two looks at whose it is; each time twice as many as before.
_FIRST_PAUSE = 4


@dataclass(frozen=True, kw_only=True)
class WornClip:
    """A video whose owner was given a mask.

    Attributes:
        source: the video.
        written: the new file.
        frames: how many there are.
        masked: how many of them show a face that wears the mask.
        faces: how many people's faces the video shows.
        chosen: numbers, from 1, in the order in which they come into view, of those that wear it.
        left_out: private items of metadata that the new file has not.
        notes: what a person should know.

    """

    source: Path
    written: Path
    frames: int
    masked: int
    faces: int
    chosen: tuple[int, ...]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **vars(self),
            "source": str(self.source),
            "written": str(self.written),
            "chosen": list(self.chosen),
            "left_out": list(self.left_out),
            "notes": list(self.notes),
        }


@enough_memory()
def mask_video(
    mask: PersonalMask,
    path: str | Path,
    out: str | Path | None = None,
    *,
    faces: str = "mine",
    min_face: float | None = None,
    metadata: str = "private",
    overwrite: bool = False,
    crf: int | None = None,
    progress: ClipProgress | None = None,
) -> WornClip:
    """Put a mask on the owner's face in a video; the original stays as it is.

    Args:
        mask: from :func:`bauta.personal.fit_mask` or :func:`bauta.keys.mask.read_mask`.
        path: the file.
        out: the file to write; None: beside the video, with ``-masked`` in its name.
        faces: "mine" (whoever looks like the owner most of the time), "all", or numbers such as
            "1,3" in the order in which faces come into view.
        min_face: smallest face to find, in pixels; None: 2 % of the longer side, at least 40.
        metadata: "private" or "keep", see :mod:`bauta.media`.
        overwrite: replace an existing output.
        crf: quality on the scale of the encoder, where smaller is better; None: its default.
        progress: told the stage ("look" or "mask"), the frames done, and the frames in all.

    Raises:
        NoFaceError: no face was found, or none that is the owner's; nothing was written.
        MediaError: the video cannot be read, or the output not be written.
        UsageError: an argument is wrong.
        MissingExtraError: the extra "video" is not installed.

    """
    tell = progress or (lambda *_: None)
    source = Path(path)
    if faces != "mine":
        chosen_numbers(faces)
    with read_video(source) as video:
        suffix = output_suffix(video)
        name = f"{source.stem.removesuffix(MASKED)}{MASKED}{suffix}"
        target = Path(out) if out is not None else source.with_name(name)
        check_target(target, overwrite=overwrite, protect=[source])
        writer = VideoWriter(video, target, metadata=metadata, overwrite=overwrite, crf=crf)  # type: ignore[arg-type]  # checked there
        seen = _looked_at(video, mask, min_face, tell, ask=faces == "mine")
        wanted = _wanted(source, faces, seen)
        masked = 0
        with writer:
            for shown in _tracked(video, min_face):
                mine = [face for number, face in shown.faces.items() if number in wanted]
                pixels = shown.frame.pixels
                if mine:
                    grey = is_grey(pixels)
                    pixels = put_on(pixels, mine, mask, member=seen.member, grey=grey)
                masked += bool(mine)
                writer.write(shown.frame, pixels)
                tell("mask", shown.frame.index + 1, seen.frames)
        return WornClip(
            source=source,
            written=target,
            frames=seen.frames,
            masked=masked,
            faces=len(seen.votes),
            chosen=tuple(sorted(wanted)),
            left_out=tuple(describe_metadata(video)) if metadata == "private" else (),
            notes=tuple(writer.notes),
        )


@dataclass
class _Seen:
    """What the first reading tells.

    Attributes:
        votes: per face, looks that took it for the owner's less those that did not.
        frames: how many there are.
        member: of the family of masks, which one the video gets.

    """

    votes: dict[int, int]
    frames: int = 0
    member: int = 0


def _tracked(video: Video, min_face: float | None) -> Iterator[Shown]:
    smallest = smallest_face(video, Settings(min_face=min_face))
    return Tracker(get_surrogate(_RECOGNIZER), min_face=smallest).track(video)


def _looked_at(
    video: Video, mask: PersonalMask, min_face: float | None, tell: ClipProgress, *, ask: bool
) -> _Seen:
    """Follow all faces, and look now and then whose they are."""
    seen = _Seen(defaultdict(int))
    due: dict[int, tuple[int, int]] = {}
    total = frames_in(video)
    for shown in _tracked(video, min_face):
        frame = shown.frame
        if frame.index == 0:
            seen.member = member_for(mask, frame.pixels)
        for number, face in shown.faces.items():
            seen.votes[number] += 0
            wait, pause = due.get(number, (0, _FIRST_PAUSE))
            if ask and wait == 0:
                near = likeness(frame.pixels, [face], mask.owner)[0]
                seen.votes[number] += 1 if near > 0 else -1
                wait, pause = pause, 2 * pause
            due[number] = (wait - 1, pause)
        seen.frames = frame.index + 1
        tell("look", seen.frames, total)
    return seen


def _wanted(source: Path, which: str, seen: _Seen) -> frozenset[int]:
    """Numbers of the faces that get the mask.

    Raises:
        NoFaceError: there are none.
        UsageError: a number is too large.

    """
    if not seen.votes:
        raise NoFaceError(
            f"{source}: no face was found in its {seen.frames} frames, so nothing was written. "
            "Smaller faces are found with --min-face 20."
        )
    if which != "mine":
        numbers = chosen_numbers(which) or frozenset(seen.votes)
        wrong = sorted(numbers - set(seen.votes))
        if wrong:
            raise UsageError(f"there is no face number {wrong[0]}: the video has {len(seen.votes)}")
        return numbers
    mine = frozenset(number for number, votes in seen.votes.items() if votes > 0)
    if not mine:
        raise NoFaceError(
            f"{source}: no face in it ({len(seen.votes)} found) looks like the owner of this key, "
            "so nothing was written. Say which it is with --faces all or a number."
        )
    return mine
