"""Who is protected, who searches, and among whom: a split, with a folder's photos."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bauta.errors import UsageError
from bauta.faces.face import Face
from bauta.faces.index import index_faces
from bauta.plain import table_of

#: Parts of the identification protocol whose photos are protected, as their files are named.
PROBES, SECONDS, POSTS = "", "second", "post"
#: Photos of each person that a personal mask is tested on, at most.
TESTED = 10


class Pictured(Protocol):
    """What all protocols know of the photos they protect; see :class:`People`."""

    @property
    def root(self) -> Path:
        """Folder of the photos."""

    @property
    def probes(self) -> Sequence[str]:
        """The photos, relative to it."""

    @property
    def numbers(self) -> Sequence[int]:
        """What their protected copies are numbered in the store."""

    @property
    def faces(self) -> Mapping[str, Face]:
        """The main face of each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class People:
    """The photos of an identification run, as paths relative to ``root``; all have a face.

    Attributes:
        root: folder of one folder per person.
        names: N people who are protected.
        probes: their first photos, which are protected and searched with.
        seconds: their second photos: what is indexed in scenarios B and C, and compared in D.
        targets: photos of the people to be taken for.
        target_names: those people.
        gallery: photos of everybody but the probes.
        posts: photos of people outside the split, one of each, that adversaries learn from.
        faces: the main face of each photo.

    """

    root: Path
    names: Sequence[str]
    probes: Sequence[str]
    seconds: Sequence[str]
    targets: Sequence[str]
    target_names: Sequence[str]
    gallery: Sequence[str]
    faces: Mapping[str, Face]
    posts: Sequence[str] = ()

    @property
    def numbers(self) -> Sequence[int]:
        """What the probes' protected copies are numbered in the store."""
        return range(len(self.probes))

    def part(self, name: str) -> Sequence[str]:
        """The photos that are protected of one part: :data:`PROBES` and so on."""
        return {PROBES: self.probes, SECONDS: self.seconds, POSTS: self.posts}[name]


@dataclass(frozen=True, kw_only=True, eq=False)
class Albums:
    """The photos of a run of personal masks, as paths relative to ``root``; all have a face.

    Attributes:
        root: folder of one folder per person.
        names: N people with masks of their own.
        cleans: the photo of each that is in the gallery as it is.
        fitting: photos that each mask is fitted on.
        tests: photos that each mask is then put on.
        distractors: photos of everybody else.
        faces: the main face of each photo.

    """

    root: Path
    names: Sequence[str]
    cleans: Sequence[str]
    fitting: Sequence[Sequence[str]]
    tests: Sequence[Sequence[str]]
    distractors: Sequence[str]
    faces: Mapping[str, Face]

    @property
    def probes(self) -> Sequence[str]:
        """All tested photos, person by person."""
        return [name for tests in self.tests for name in tests]

    @property
    def numbers(self) -> Sequence[int]:
        """What their protected copies are numbered in the store."""
        return [number for index in range(len(self.names)) for number in self.numbers_of(index)]

    def numbers_of(self, index: int) -> range:
        """The same, of one person."""
        return range(TESTED * index, TESTED * index + len(self.tests[index]))


def load_split(name: str) -> dict[str, Any]:
    """Read a split of the package.

    Raises:
        UsageError: there is no such split.

    """
    folder = resources.files("bauta").joinpath("data/splits")
    try:
        return table_of(folder.joinpath(f"{name}.json").read_bytes())
    except (OSError, ValueError) as error:
        known = ", ".join(sorted(f.name.removesuffix(".json") for f in folder.iterdir()))
        raise UsageError(f"no split {name} ({error}): use {known}") from error


def identification(
    root: Path,
    split: Mapping[str, Any],
    *,
    people: int,
    skip: int,
    cache: Path,
    gallery: int = 0,
    posts: int = 0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> People:
    """Lay out TIP-IM's identification protocol (Yang et al., ICCV 2021, section 4.1).

    People of the split who are not protected stay in the gallery, so that it is always the full
    protocol's.

    Args:
        root: folder of one folder per person.
        split: names of "protected", "targets" and "others".
        people: how many are protected.
        skip: how many of the split are left out before them.
        cache: folder in which found faces are kept.
        gallery: how many photos of people who are neither protected nor targets; 0 for all.
        posts: how many photos of people outside the split are wanted.
        seed: of the choice of both.
        progress: told the photos looked at and in all.

    Raises:
        UsageError: the folder does not hold the split's people, or the split not so many.

    """
    protected = split["protected"][skip : skip + people]
    if len(protected) < people:
        raise UsageError(
            f"the split has {len(split['protected'])} people, not {skip} to skip and {people} more"
        )
    everyone = [*split["protected"], *split["targets"], *split["others"]]
    albums = {who: _photos(root, who) for who in everyone}
    chosen = set(protected)
    first = [albums[who][0] for who in protected]
    shelf = [name for who in (*protected, *split["targets"]) for name in albums[who][1:]]
    rest = [n for who in split["protected"] if who not in chosen for n in albums[who][1:]]
    rest += [albums[who][0] for who in split["others"]]
    shelf += [rest[at] for at in _drawn(len(rest), gallery or len(rest), seed)]
    targets = [albums[who][0] for who in split["targets"]]
    posted = _outsiders(root, set(everyone), posts, seed)
    names = [*first, *targets, *shelf, *posted]
    faces = {
        name: face
        for name, face in index_faces(root, names, cache, progress=progress).items()
        if face is not None
    }
    usable = [who for who in protected if all(name in faces for name in albums[who][:2])]
    return People(
        root=root,
        names=usable,
        probes=[albums[who][0] for who in usable],
        seconds=[albums[who][1] for who in usable],
        targets=[name for name in targets if name in faces],
        target_names=list(split["targets"]),
        gallery=[name for name in shelf if name in faces],
        posts=[name for name in posted if name in faces],
        faces=faces,
    )


def universal(
    root: Path,
    split: Mapping[str, Any],
    *,
    people: int,
    tested: int,
    cache: Path,
    gallery: int = 0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Albums:
    """Lay out OPOM's protocol (Zhong and Deng, TPAMI 2022, section 4): masks on unseen photos.

    Args:
        root: folder of one folder per person; all of it makes up the gallery.
        split: "people", and how many photos are for "fitting".
        people: how many of them get masks.
        tested: how many photos of each are tested at most.
        cache: folder in which found faces are kept.
        gallery: how many photos of everybody else; 0 for all.
        seed: of their choice.
        progress: told the photos looked at and in all.

    Raises:
        UsageError: the folder does not hold the split's people, or the split not so many.

    """
    names = split["people"][:people]
    if len(names) < people:
        raise UsageError(f"the split has {len(split['people'])} people, not {people}")
    mine = set(names)
    albums = {who: _photos(root, who) for who in names}
    last = 1 + split["fitting"]
    others = sorted(f"{p.parent.name}/{p.name}" for p in root.glob("*/*.jpg"))
    rest = [name for name in others if name.split("/")[0] not in mine]
    distractors = [rest[at] for at in _drawn(len(rest), gallery or len(rest), seed)]
    wanted = [name for who in names for name in albums[who][: last + tested]]
    found = index_faces(root, [*wanted, *distractors], cache, progress=progress)
    faces = {name: face for name, face in found.items() if face is not None}
    usable = [who for who in names if albums[who][0] in faces]
    return Albums(
        root=root,
        names=usable,
        cleans=[albums[who][0] for who in usable],
        fitting=[[n for n in albums[who][1:last] if n in faces] for who in usable],
        tests=[[n for n in albums[who][last : last + tested] if n in faces] for who in usable],
        distractors=[name for name in distractors if name in faces],
        faces=faces,
    )


def _outsiders(root: Path, split: Collection[str], count: int, seed: int) -> list[str]:
    """A photo each of ``count`` people who are not in the split, or of all there are."""
    if not count:
        return []
    others = sorted(p.name for p in root.iterdir() if p.is_dir() and p.name not in split)
    return [_photos(root, others[at])[0] for at in _drawn(len(others), count, seed)]


def _drawn(whole: int, count: int, seed: int) -> list[int]:
    """Places of ``count`` out of ``whole``, in their order; all of them if there are not more."""
    return sorted(np.random.default_rng(seed).permutation(whole)[:count].tolist())


def _photos(root: Path, who: str) -> list[str]:
    names = sorted(path.name for path in (root / who).glob("*.jpg"))
    if not names:
        raise UsageError(
            f"{root} holds no photos of {who}: give the folder of Labeled Faces in the Wild, one "
            "folder per person"
        )
    return [f"{who}/{name}" for name in names]
