"""Which photos a command works on, and what it writes."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from bauta.errors import MediaError, UsageError


def photo_jobs(
    paths: list[Path], output: Path | None, mark: str, *, videos: bool = False
) -> list[tuple[Path, Path | None]]:
    """Photos to change and files to write; None lets the library name the file.

    Args:
        paths: photos, or folders of photos.
        output: where to write: a file for one photo, else a folder.
        mark: end of the names of photos that were changed already, which folders' are not again.
        videos: take the videos of folders as well.

    Raises:
        UsageError: a folder holds no photo, or one output would replace another.

    """
    from bauta.albums.files import PHOTO_SUFFIXES, written_name
    from bauta.media.video import VIDEO_SUFFIXES

    suffixes = PHOTO_SUFFIXES.union(VIDEO_SUFFIXES) if videos else PHOTO_SUFFIXES
    files: list[tuple[Path, Path]] = []
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in suffixes)
            found = [p for p in found if not _is_ours(p, path, output, mark)]
            if not found:
                what = "no photo or video" if videos else "no photo"
                raise UsageError(f"{path} holds {what} that is not done already")
            files += [(p, p.relative_to(path)) for p in found]
        else:
            files.append((path, Path(path.name)))
    several = len(files) > 1 or any(path.is_dir() for path in paths)
    if output is None:
        return [(path, None) for path, _ in files]
    if not several and not output.is_dir():
        return [(files[0][0], output)]
    if output.is_file():
        raise UsageError(f"{output} is a file, but several photos need a folder")
    jobs = [(path, output / written_name(PurePosixPath(name.as_posix()))) for path, name in files]
    _check_distinct(jobs)
    return list(jobs)


def _is_ours(photo: Path, folder: Path, output: Path | None, mark: str) -> bool:
    """Whether a photo in ``folder`` is an output of an earlier run."""
    if photo.stem.endswith(mark):
        return True
    inside = output is not None and output.resolve().is_relative_to(folder.resolve())
    return inside and output is not None and photo.resolve().is_relative_to(output.resolve())


def _check_distinct(jobs: list[tuple[Path, Path]]) -> None:
    """Refuse outputs of which a later one would replace an earlier one."""
    sources: dict[Path, Path] = {}
    for source, target in jobs:
        if target in sources:
            raise UsageError(
                f"{sources[target]} and {source} would both be written as {target}: "
                "take them one after the other"
            )
        sources[target] = source


def make_folder(folder: Path) -> None:
    """Make a folder for outputs.

    Raises:
        MediaError: it cannot be made.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"cannot make the folder {folder}: {error.strerror or error}") from error
