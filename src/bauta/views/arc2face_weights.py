"""Files of Arc2Face: where they come from, under which terms, and how they get into Bauta's folder.

Bauta does not download them: the user brings a folder, and :func:`import_arc2face` copies it once.
Files whose publisher states a sha256 must have it. The others are recorded as they are at the
import and must stay so. Nothing that is kept can hold a program: the one pickle among the files is
read by torch's restricted loader and written anew as safetensors.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from bauta.errors import UsageError, WeightsError
from bauta.plain import table_of
from bauta.weights.records import data_folder, stream_sha256, user_folders
from bauta.weights.states import load_state

#: Called with the bytes done and the bytes in all.
Progress = Callable[[int, int], None]
#: Name of the folder of the imported files, within a folder of weights.
FOLDER = "arc2face"
#: Within it, the list of its files and their hashes.
MANIFEST = "manifest.json"
#: What makes the folder, for messages.
IMPORT_COMMAND = "bauta views import FOLDER --accept-licences"
#: What the user accepts, by reading it first.
TERMS = (
    "Arc2Face (huggingface.co/FoivosPar/Arc2Face): MIT by its model card; trained on WebFace42M, "
    "FFHQ and CelebA-HQ, which are for non-commercial research, and grown out of Stable Diffusion "
    "1.5. Stable Diffusion 1.5: CreativeML OpenRAIL-M, whose forbidden uses hold for what grew out "
    "of it, too."
)
_FORMAT = 1
_CHUNK = 1 << 20
_ARC2FACE = "FoivosPar/Arc2Face at da2f1e9aa3954dad093213acfc9ae75a68da6ffd"
_BASE = "stable-diffusion-v1-5/stable-diffusion-v1-5 at 451f4fe16113bff5a5d2269ed5ad43b0592e9a14"


@dataclass(frozen=True)
class ModelFile:
    """One file of the model.

    Attributes:
        source: its path in the folder that the user brings, the publisher's one.
        origin: repository on huggingface.co, and revision.
        sha256: what its publisher says it hashes to; "" where the publisher says nothing.

    """

    source: str
    origin: str
    sha256: str = ""

    @property
    def path(self) -> str:
        """Its path in Bauta's folder."""
        return self.source.replace("pytorch_model.bin", "model.safetensors")


#: All that is needed. The hashes are those of the publishers' Git LFS pointers.
FILES = (
    ModelFile(
        "arcface.onnx",
        _ARC2FACE,
        "ec639a0429b4819130d1405a2d3b38beaa4cc4a6c5bd9cf48b94fdf65461de83",
    ),
    ModelFile("arc2face/config.json", _ARC2FACE),
    ModelFile(
        "arc2face/diffusion_pytorch_model.safetensors",
        _ARC2FACE,
        "d2377c16b7135650ca375817a4812a999194fba1f081e39117bd54e50dacc784",
    ),
    ModelFile("encoder/config.json", _ARC2FACE),
    ModelFile("encoder/pytorch_model.bin", _ARC2FACE),
    ModelFile("scheduler/scheduler_config.json", _BASE),
    ModelFile("tokenizer/merges.txt", _BASE),
    ModelFile("tokenizer/vocab.json", _BASE),
    ModelFile("vae/config.json", _BASE),
    ModelFile(
        "vae/diffusion_pytorch_model.safetensors",
        _BASE,
        "a2b5134f4dbc140d9c11f11cba3233099e00af40f262f136c691fb7d38d2194c",
    ),
)


def import_arc2face(
    folder: Path,
    *,
    accept_licences: bool = False,
    into: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Copy the files of Arc2Face out of a folder, checked where their publisher states a hash.

    Args:
        folder: holds the files of :data:`FILES` under their publishers' paths (4.5 GB).
        accept_licences: confirms that :data:`TERMS` were read and are accepted.
        into: folder of weights to write to; None: the user's own. What an earlier import left
            there is replaced.
        progress: called with (bytes done, bytes in all) as files are copied.

    Returns:
        The folder of the imported files.

    Raises:
        UsageError: the licences were not accepted.
        WeightsError: a file is missing, has another hash than its publisher states, or holds
            something other than weights; or the disk is full. Nothing is left behind then.

    """
    if not accept_licences:
        raise UsageError(
            f"{TERMS} If you accept this, confirm it with accept_licences=True (--accept-licences)."
        )
    sources = _sources(folder)
    target = (into or data_folder()) / FOLDER
    part = target.with_name(target.name + ".part")
    tell = _teller(progress, sum(path.stat().st_size for path in sources.values()))
    try:
        _remove(part)
        hashes = {file.path: _bring(file, sources[file], part / file.path, tell) for file in FILES}
        manifest = {"format": _FORMAT, "files": hashes}
        (part / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
        _remove(target)
        part.replace(target)
    except OSError as error:
        raise WeightsError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def verified_folder(folder: Path | None = None) -> Path:
    """Return the folder of imported files after hashing all of them (4.5 GB: some seconds).

    Args:
        folder: None: the first one in the folders of weights.

    Raises:
        WeightsError: there is none; or a file is missing, altered, or not from the import. The
            message says which command brings the files.

    """
    if folder is None:
        places = [place / FOLDER for place in user_folders()]
        folder = next((place for place in places if (place / MANIFEST).is_file()), None)
        if folder is None:
            raise WeightsError(
                f"the files of Arc2Face are not in {', '.join(map(str, places))}. Bauta does not "
                f"download them: bring them in a folder as docs/views.md says, and run: "
                f"{IMPORT_COMMAND}"
            )
    try:
        problem = _problem(folder)
    except OSError as error:
        problem = f"it cannot be read: {error.strerror or error}"
    if problem:
        raise WeightsError(
            f"do not use {folder}: {problem}. Bring the files again: {IMPORT_COMMAND}"
        )
    return folder


def _problem(folder: Path) -> str:
    """What is wrong with a folder of imported files, or ""."""
    try:
        manifest = table_of((folder / MANIFEST).read_bytes())
        hashes = dict(manifest["files"]) if manifest["format"] == _FORMAT else {}
    except (ValueError, KeyError, TypeError) as error:
        return f"its {MANIFEST} is damaged ({error})"
    needed = {file.path: file.sha256 for file in FILES}
    # A file that the import did not write might be loaded as well, such as other weights.
    here = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    } - {MANIFEST}
    for name in sorted(needed.keys() | hashes.keys() | here):
        if name not in needed or name not in hashes:
            return f"{name} is not from the import"
        if name not in here:
            return f"{name} is missing"
        with (folder / name).open("rb") as handle:
            actual = stream_sha256(handle)
        # Both: the manifest can be altered together with a file.
        if actual != hashes[name] or (needed[name] and actual != needed[name]):
            return f"{name} was altered since the import"
    return ""


def _sources(folder: Path) -> dict[ModelFile, Path]:
    """Where each file lies in the folder that the user brings."""
    found: dict[ModelFile, Path] = {}
    for file in FILES:
        # A copy in safetensors that somebody has converted already does as well.
        candidates = (folder / file.path, folder / file.source)
        path = next((path for path in candidates if path.is_file()), None)
        if path is None:
            raise WeightsError(
                f"{folder} lacks {file.source} (huggingface.co: {file.origin}); docs/views.md "
                "says what belongs into it"
            )
        found[file] = path
    return found


def _bring(file: ModelFile, source: Path, target: Path, tell: Callable[[int], None]) -> str:
    """Copy or convert one file, and return the sha256 of what was written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix != target.suffix:
        _convert(source, target)
        tell(source.stat().st_size)
        with target.open("rb") as handle:
            return stream_sha256(handle)
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            writer.write(chunk)
            tell(len(chunk))
    actual = digest.hexdigest()
    if file.sha256 and actual != file.sha256:
        raise WeightsError(
            f"{source} is not the published file: expected sha256 {file.sha256}, actual {actual} "
            f"({source.stat().st_size} bytes). Bring it anew from huggingface.co: {file.origin}"
        )
    return actual


def _convert(source: Path, target: Path) -> None:
    """Write the tensors of a torch file as safetensors; what else it holds is never run."""
    state = load_state(source)
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{source} holds something other than named tensors")
    # Old versions of transformers stored the numbers 0 to 76, which newer ones do not expect.
    tensors = {
        name: value.clone(memory_format=torch.contiguous_format)
        for name, value in state.items()
        if not name.endswith("position_ids")
    }
    save_file(tensors, target, metadata={"format": "pt"})


def _teller(progress: Progress | None, total: int) -> Callable[[int], None]:
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    return tell


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
