"""Every parser of ours, one row each: whose it is, a good file, how it is damaged, how it is read.

A row's ``read`` gets the damaged bytes as a file in an empty folder. It raises a BautaError, or
returns; then what it returned made sense.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save as save_numpy
from safetensors.torch import save

from bauta.albums.manifest import FOLDER, Entry, Manifest, manifests_in, read_entries
from bauta.bench.contestants import contestants
from bauta.bench.people import load_split
from bauta.bench.plan import parse_plan, read_plan
from bauta.bench.run import results
from bauta.bench.store import Store
from bauta.bench.visibility import read_quality
from bauta.clips.work import Done, Work, _bytes
from bauta.errors import BautaError, KeyFileError
from bauta.faces import index
from bauta.keys import envelope
from bauta.keys.mask import Facts, PersonalMask, mask_from_bytes
from bauta.keys.masking import MaskingKey, read_masking_key
from bauta.keys.originals import open_original, seal_original
from bauta.keys.sealing import seal, seal_with_secret, unseal
from bauta.keys.watermark import WatermarkKey, watermark_key_from_bytes
from bauta.makeup.styles import read_style
from bauta.media.video import describe_metadata, read_video
from bauta.optimisation import Found
from bauta.private.attacking import read_attacks
from bauta.private.curves import finished as private_finished
from bauta.private.export import load_private
from bauta.private.loop import build_private
from bauta.private.recipe import read_private_recipe
from bauta.private.report import read_row
from bauta.private.selection import read_channels
from bauta.recognizers import embeddings
from bauta.recognizers.evaluate import read_pairs
from bauta.recognizers.networks.dlib_resnet import DlibResNet
from bauta.recognizers.networks.mobilefacenet import MobileFaceNet, _layer_names
from bauta.recognizers.networks.onnx_graph import OnnxGraph
from bauta.recognizers.own import OWN, OwnRecognizer
from bauta.recognizers.thresholds import thresholds_of, user_file
from bauta.recognizers.trained import NetworkSpec, load_network, read_card, to_half
from bauta.training import faceset, pairs
from bauta.training.curves import finished
from bauta.training.recipe import Recipe, Schedule, read_recipe
from bauta.training.watermark_recipe import read_watermark_recipe
from bauta.training.watermarks import _drop_rows
from bauta.views import arc2face_weights
from bauta.watermark.register import read_register
from bauta.weights.records import OWN_FOLDER, data_folder
from tests.reliability import damage

Damage = damage.Damage
Read = Callable[[Path], Any]

_SECRET = bytes(range(32))


@dataclass(frozen=True, kw_only=True)
class Parser:
    """A parser.

    Attributes:
        name: of the row.
        modules: of src/bauta whose reading it tries.
        file: what the file is called.
        seed: makes the good file.
        read: reads it.
        spoil: how it is damaged.
        examples: how many are tried in the suite; as many as a second or two allows.

    """

    name: str
    modules: tuple[str, ...]
    file: str
    seed: Callable[[], bytes]
    read: Read
    spoil: Damage = damage.of_bytes
    examples: int = 50


# --- keys ------------------------------------------------------------------------------------


def _sealed(kind: str, inner: Damage) -> Damage:
    """Damage within an envelope that is made anew around it: a forger's work."""

    def spoil(whole: bytes, rng: Random) -> bytes:
        return seal(kind, inner(unseal(kind, whole), rng))

    return spoil


def _with_hash(spoilt: Damage) -> Damage:
    """Damage of any part of an envelope, whose hash is then right."""

    def spoil(whole: bytes, rng: Random) -> bytes:
        body = spoilt(whole[:-32], rng)
        return body + hashlib.sha256(body).digest()

    return spoil


def _header(whole: bytes, rng: Random) -> bytes:
    """An envelope whose header says something else."""
    fixed = struct.Struct(">8sHI")
    magic, version, length = fixed.unpack_from(whole)
    text = damage.of_json(whole[fixed.size : fixed.size + length], rng)
    front = fixed.pack(magic, version, len(text)) + text + whole[fixed.size + length : -32]
    return front + hashlib.sha256(front).digest()


def _mask() -> PersonalMask:
    deltas = np.zeros((2, 3, 16, 16), np.float16)
    facts = Facts(method="chameleon", epsilon=8.0, surrogates=("tight-dlib",))
    owner = {"tight-dlib": np.zeros((1, 4), np.float16)}
    return PersonalMask(facts=facts, deltas=deltas, owner=owner, secret=_SECRET)


def _facts(whole: bytes, rng: Random) -> bytes:
    """A mask whose facts say something else."""
    from safetensors.numpy import load

    data = unseal("mask", whole)
    said = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["facts"]
    facts = damage.of_json(said.encode(), rng).decode("utf-8", "replace")
    return seal("mask", save_numpy(load(data), {"facts": facts}))


def _read_mask(file: Path) -> None:
    mask = mask_from_bytes(file.read_bytes())
    assert np.abs(mask.deltas.astype(float)).max() <= mask.facts.peak * 1.001
    assert isinstance(mask.facts.photos, int)
    assert all(isinstance(name, str) for name in mask.facts.surrogates)
    # What was read can be kept again.
    assert mask_from_bytes(mask.to_bytes()).facts == mask.facts


def _register(rows: object) -> bytes:
    data = json.dumps({"identifiers": rows}).encode()
    return seal_with_secret("watermark ids", data, _SECRET)


def _spoil_register(whole: bytes, rng: Random) -> bytes:
    if rng.random() < 0.3:
        return damage.of_bytes(whole, rng)
    data = damage.of_json(json.dumps({"identifiers": ["Anna", "Ben/2026"]}).encode(), rng)
    return seal_with_secret("watermark ids", data, _SECRET)


def _read_register(file: Path) -> None:
    rows = read_register(file, WatermarkKey(secret=_SECRET))
    assert all(isinstance(row, str) for row in rows)


def _read_envelope(file: Path) -> None:
    sealed = file.read_bytes()
    whole = envelope.opened(sealed, "", "it")
    assert 0 <= whole.header["size"] <= envelope.MAX_DATA
    for opening in (
        lambda: unseal(whole.header["kind"], sealed),
        lambda: unseal(whole.header["kind"], sealed, "word"),
        lambda: open_original(sealed, _SECRET),
    ):
        with suppress(KeyFileError):
            opening()


# --- albums ----------------------------------------------------------------------------------


@cache
def _manifest() -> bytes:
    entry = Entry(
        name="a/b.jpg", status="done", source="1" * 64, settings="2" * 64, written="a/b.jpg",
        output="3" * 64, verdict="protected", seconds=1.5, report={"faces": [{"chosen": True}]},
    )  # fmt: skip
    rows = [entry, Entry(name="c.png", status="failed", source="4", settings="5", error="bad")]
    lines = [{"bauta": 1}, *map(asdict, rows)]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _read_manifest(file: Path) -> None:
    output = file.parent
    (output / FOLDER).mkdir()
    file.rename(output / FOLDER / "album.jsonl")
    list(manifests_in(output))
    entries = read_entries(output)
    for name, entry in entries.items():
        assert (type(name), type(entry.written), type(entry.report)) == (str, str, dict)
        assert ".." not in Path(entry.written).parts
    with Manifest(output) as manifest:
        assert manifest.entries.keys() == entries.keys()
    assert read_entries(output) == entries


# --- recipes, plans, styles ------------------------------------------------------------------


def _shipped(path: str) -> Callable[[], bytes]:
    return lambda: resources.files("bauta").joinpath("data", path).read_bytes()


def _numbers_are(recipe: object, *kinds: type) -> None:
    """Every field that has a number by default has one now."""
    fresh = type(recipe).__dataclass_fields__  # type: ignore[attr-defined]  # recipes are dataclasses
    for name, item in fresh.items():
        if type(item.default) in (int, float):
            assert isinstance(getattr(recipe, name), int | float), name


def _read_recipe(file: Path) -> None:
    recipe = read_recipe(file)
    assert isinstance(recipe, Recipe)
    for part in (recipe, recipe.schedule, recipe.losses, recipe.augment):
        _numbers_are(part)
    json.dumps(recipe.to_json())


def _read_private_recipe(file: Path) -> None:
    recipe = read_private_recipe(file)
    _numbers_are(recipe)
    json.dumps(recipe.to_json())


def _read_watermark_recipe(file: Path) -> None:
    recipe = read_watermark_recipe(file)
    _numbers_are(recipe)
    assert recipe.stage_at(0) in recipe.stages


def _read_plan(file: Path) -> None:
    plan = read_plan(file)
    _numbers_are(plan)
    assert contestants(plan)
    assert parse_plan(plan.to_json(), "again").to_json() == plan.to_json()


def _read_style(file: Path) -> None:
    for layer in read_style(file).layers:
        assert all(np.isfinite(layer.shift))
        assert isinstance(layer.grain, int | float)


# --- recognizers -----------------------------------------------------------------------------


def _own() -> bytes:
    from bauta.recognizers.onnx_judge import Convention

    rule = Convention(size=112, mean=(127.5,) * 3, std=(127.5,) * 3, crop="arcface")
    own = OwnRecognizer(
        name="mine", sha256="a" * 64, size_bytes=10, convention=rule, dimensions=128, agreement=1e-6
    )
    return own.to_json().encode()


def _read_own(file: Path) -> None:
    """The definition where definitions lie."""
    target = data_folder() / OWN_FOLDER / "mine.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(file.read_bytes())
    try:
        own = OWN["mine"]
        assert (type(own.dimensions), type(own.convention.size)) == (int, int)
        assert own.record.sha256 == own.sha256
        assert OwnRecognizer.from_json(own.to_json()) == own
    finally:
        target.unlink()


def _thresholds() -> bytes:
    text = _shipped("thresholds.json")()
    return json.dumps({"mine": json.loads(text)["dlib"]}).encode()


def _read_thresholds(file: Path) -> None:
    target = user_file()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(file.read_bytes())
    try:
        for threshold in thresholds_of("mine").values():
            assert isinstance(threshold.similarity, int | float)
            assert 0 <= threshold.share(0.5) <= 1 if hasattr(threshold, "share") else True
    finally:
        target.unlink()


@cache
def _network() -> bytes:
    from bauta.recognizers.networks.blocks import fold_norms
    from bauta.recognizers.networks.families import build_network

    network = build_network("mobilefacenet", size=32, embedding=8).eval()
    fold_norms(network)
    return save(to_half(network))


def _read_network(file: Path) -> None:
    load_network(file, NetworkSpec(
        family="mobilefacenet", crop="arcface", size=32, embedding=8, options={}))  # fmt: skip


def _card() -> bytes:
    return _shipped("weights/tight-judge.json")()


def _state() -> bytes:
    out = io.BytesIO()
    torch.save({"conv1.0.weight": torch.zeros(2, 3), "conv1.0.bias": torch.zeros(2)}, out)
    return out.getvalue()


@cache
def _mobilefacenet() -> bytes:
    """The file of a network that says nothing, as the published one has its layers."""
    network, state = MobileFaceNet(), {}
    layers = dict(network.named_modules())
    for name, (weight, norm) in _layer_names().items():
        kernel = layers[name].weight.detach()
        state[f"{weight}.weight"] = kernel.reshape(*kernel.shape[:2], *(kernel.shape[2:] or (1, 1)))
        parts = ("weight", "bias", "running_mean", "running_var")
        state |= {f"{norm}.{part}": torch.ones(len(kernel)) for part in parts}
    out = io.BytesIO()
    torch.save(state, out)
    return out.getvalue()


@cache
def _dat() -> bytes:
    from bauta.weights.records import locate

    return locate("dlib-resnet").read_bytes()


def _read_dat(file: Path) -> None:
    network = DlibResNet.load(file)
    assert network(torch.zeros(1, 3, 150, 150)).shape == (1, 128)


@cache
def _onnx() -> bytes:
    """A network of every kind of operator that makes a size out of numbers."""
    from onnx import TensorProto, helper

    from tests.recognizers.onnx_files import Builder

    b = Builder()
    x = b.add("Conv", "x", b.constant(np.ones((4, 3, 3, 3))), pads=[1, 1, 1, 1], strides=[2, 2])
    x = b.add("PRelu", x, b.constant(np.ones((4, 1, 1))))
    x = b.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.add("Pad", x, b.integers(0, 0, 1, 1, 0, 0, 1, 1))
    x = b.add("Resize", x, "", b.constant([1, 1, 2, 2]))
    x = b.add("Tile", x, b.integers(1, 2, 1, 1))
    x = b.add("Add", x, b.add("ConstantOfShape", b.integers(1, 8, 1, 1)))
    x = b.add("Mul", x, b.add("Expand", b.constant([[[1.0]]]), b.integers(8, 1, 1)))
    x = b.add("Slice", x, b.integers(0), b.integers(4), b.integers(1))
    x = b.add("Gather", x, b.integers(0, 1, 2), axis=1)
    x = b.add("Transpose", x, perm=[0, 2, 3, 1])
    x = b.add("ReduceMean", x, axes=[1], keepdims=0)
    ramp = b.add("Range", b.constant(0), b.constant(3), b.constant(1))
    x = b.add("Add", x, ramp)
    x = b.add("Reshape", x, b.integers(1, -1))
    x = b.add("Gemm", x, b.constant(np.ones((36, 5))), alpha=0.5)
    x = b.add("Softmax", x, axis=1)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        b.nodes, "g", [value("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [value(x, TensorProto.FLOAT, None)], b.constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


def _spoil_onnx(whole: bytes, rng: Random) -> bytes:
    """Other numbers, names and types in a file that is ONNX still."""
    import onnx

    if rng.random() < 0.3:
        return damage.of_bytes(whole, rng)
    model = onnx.load_model_from_string(whole)
    for _ in range(rng.choice((1, 1, 2))):
        _change_onnx(model.graph, rng)
    return bytes(model.SerializeToString())


def _change_onnx(graph: Any, rng: Random) -> None:
    odd = rng.choice((0, -1, 1, 3, 64, 5000, 1 << 20, 1 << 31, (1 << 63) - 1, -(1 << 63)))
    node, tensor = rng.choice(graph.node), rng.choice(graph.initializer)
    match rng.randrange(8):
        case 0 if node.attribute:
            setting = rng.choice(node.attribute)
            setting.i = odd
            setting.ints[:] = [odd if rng.random() < 0.5 else n for n in setting.ints]
        case 1 | 2 | 3 if tensor.data_type == 7:
            values = np.frombuffer(tensor.raw_data, np.int64).copy()
            values[rng.randrange(len(values))] = odd
            tensor.raw_data = values.tobytes()
        case 4:
            tensor.dims[:] = [odd, *tensor.dims[1:]]
        case 5:
            tensor.data_type = rng.randrange(24)
        case 6:
            node.input[:] = [*node.input[1:], *node.input[:1]]
        case _:
            node.op_type = rng.choice(
                ("Neg", "Shape", "Conv", "Loop", "MatMul", "Concat", "Resize")
            )


def _read_onnx(file: Path) -> None:
    graph = OnnxGraph.load(file)
    out = graph(torch.zeros(2, *graph.shape))
    assert all(isinstance(part, torch.Tensor) for part in out)


# --- caches ----------------------------------------------------------------------------------


def _rows(width: int) -> bytes:
    out = io.BytesIO()
    np.savez(out, names=np.array(["a/1.jpg", "a/2.jpg"]), rows=np.ones((2, width), np.float32))
    return out.getvalue()


def _read_index(file: Path) -> None:
    for row in index.load_rows(file, 15).values():
        index._face(row)


def _read_embeddings(file: Path) -> None:
    for name, row in index.load_rows(file).items():
        assert isinstance(name, str)
        assert embeddings._is_of(row, np.zeros(14, np.float32)) in (True, False)


# --- training --------------------------------------------------------------------------------


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("chips/20_0_0_1.jpg", bytes(range(256)) * 8)
        bundle.writestr("../../30_1_2_3.png", b"x" * 3000)
    return out.getvalue()


def _unzip(file: Path) -> None:
    inside = file.parent / "cache"
    faceset.unpacked(file, inside)
    # Nothing came out beside the cache.
    assert {path.name for path in file.parent.iterdir()} == {file.name, "cache"}


def _log(*columns: str) -> Callable[[], bytes]:
    def seed() -> bytes:
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(columns)
        writer.writerows([[n, *(f"{n}.5" for _ in columns[1:])] for n in range(1, 9)])
        return out.getvalue().encode()

    return seed


def _read_log(file: Path) -> None:
    recipe = Recipe(name="x", family="ghost", schedule=Schedule(epochs=8))
    assert finished(file.parent, recipe) in (True, False)
    assert private_finished(file.parent, 8) in (True, False)


def _split() -> bytes:
    return json.dumps({"protected": ["Anna", "Ben"], "targets": ["Cem"], "about": "x"}).encode()


def _read_split(file: Path) -> None:
    assert all(isinstance(name, str) for name in pairs.split_people(file))


def _read_bench_split(file: Path) -> None:
    split = load_split(str(file.with_suffix("")))
    assert isinstance(split, dict)


# --- private training ------------------------------------------------------------------------


def _channels() -> bytes:
    return json.dumps({"channels": [1, 2, 65, 130], "how": {}, "asked": []}).encode()


def _read_channels(file: Path) -> None:
    channels = read_channels(file)
    assert all(isinstance(c, int) for c in channels)


def _attack() -> bytes:
    row = {"attack": "unet", "box": "white", "ssim": 0.3, "verification": 0.2, "error": 0.01}
    return json.dumps({**row, "psnr": 12.0, "count": None, "several": 1}).encode()


def _read_attack(file: Path) -> None:
    folder = file.parent / "run" / "attacks"
    folder.mkdir(parents=True)
    (folder / "unet-white.json").write_bytes(file.read_bytes())
    glimpse = {**json.loads(_attack()), "attack": "glimpse"}
    (folder / "glimpse-none.json").write_text(json.dumps(glimpse))
    scores = {"accuracy": 0.9, "error": 0.01}
    (folder.parent / "evaluation.json").write_text(json.dumps(scores))
    read_attacks(folder.parent)
    read_row(folder.parent)


def _evaluation() -> bytes:
    return json.dumps({"accuracy": 0.9, "error": 0.01, "thresholds": {}}).encode()


def _read_evaluation(file: Path) -> None:
    folder = file.parent / "attacks"
    folder.mkdir()
    for attack in ("glimpse", "unet"):
        row = {**json.loads(_attack()), "attack": attack}
        (folder / f"{attack}.json").write_text(json.dumps(row))
    assert isinstance(read_row(file.parent).accuracy, float)


@cache
def _private_weights() -> bytes:
    _, network = build_private(read_private_recipe("ahm-small"), b"")
    return save({name: part.contiguous() for name, part in network.state_dict().items()})


def _private_card() -> bytes:
    recipe = read_private_recipe("ahm-small").to_json()
    digest = hashlib.sha256(_private_weights()).hexdigest()
    return json.dumps({"recipe": recipe, "sha256": digest}).encode()


def _read_private(file: Path) -> None:
    folder = file.parent / "run"
    folder.mkdir()
    (folder / "run.json").write_bytes(file.read_bytes())
    (folder / "run.safetensors").write_bytes(_private_weights())
    load_private(folder)


def _masking_key(file: Path) -> None:
    assert len(read_masking_key(file).secret) == 32


# --- the bench -------------------------------------------------------------------------------

_PLAN = {
    "name": "small", "people": 2, "methods": ["none", "noise"], "scenarios": ["A", "D"],
    "epsilon": [8], "surrogates": ["tight-ms1m"], "judges": ["tight-judge"],
}  # fmt: skip
_OUTCOME = {
    "A": {"own_rank": [1, 2], "target_rank": [3, 4], "own_similarity": [0.1, 0.2]},
    "D": {"own_similarity": [0.1, 0.2], "target_similarity": [0.3, 0.1]},
}


def _kept() -> bytes:
    plan = parse_plan(_PLAN, "small").to_json()
    made = {"judges": {"tight-judge": "stranger"}, "teams": {}, "bauta": "0"}
    return json.dumps({"digest": "x", "plan": plan, "made": made}).encode()


def _read_run(file: Path) -> None:
    results(Store(file.parent))


def _read_outcome(file: Path) -> None:
    data, store = file.read_bytes(), Store(file.parent)
    (file.parent / "plan.json").write_bytes(_kept())
    entry = contestants(parse_plan(_PLAN, "small"))[0]
    outcome = store.outcome(entry, "tight-judge", "clean")
    outcome.parent.mkdir(parents=True)
    outcome.write_bytes(data)
    results(store)


def _read_quality(file: Path) -> None:
    store, plan = Store(file.parent), parse_plan(_PLAN, "small")
    target = store.quality(contestants(plan)[0])
    target.parent.mkdir(parents=True)
    target.write_bytes(file.read_bytes())
    from bauta.bench.visibility import measured_columns, quality_csv

    found = read_quality(store, plan)
    measured_columns(found)
    quality_csv(contestants(plan), found)


def _quality() -> bytes:
    part = {"psnr": [40.0, 41.0], "ssim": [0.9, 0.9], "largest": [8, 8]}
    return json.dumps({"face": part, "photo": part, "mmd": 0.1, "seconds": 0.5}).encode()


# --- clips and views -------------------------------------------------------------------------


def _piece() -> bytes:
    found = Found(delta=torch.zeros(1, 3, 8, 8), flow=None, mask=torch.ones(1, 1, 8, 8))
    done = Done(kind="key", steps=3, spared=False, reached=1.0, found=found, state={})
    return _bytes({(0, 1): done, (1, 1): done}, 2)


def _read_piece(file: Path) -> None:
    output = file.parent / "clip.mp4"
    with Work(output, "key") as work:
        (work.folder / "000000000.safetensors").write_bytes(file.read_bytes())
    with Work(output, "key") as work:
        for frame in range(min(work.resumed, 50)):
            done = work.get(frame, 1)
            assert done is None or isinstance(done, Done)


@cache
def _clip(suffix: str) -> bytes:
    import tempfile

    from tests.media.video.make import Clip, make

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"clip{suffix}"
        make(file, Clip(frames=4, sound=None))
        return file.read_bytes()


def _read_clip(file: Path) -> None:
    with read_video(file, max_pixels=1_000_000) as video:
        describe_metadata(video)
        for frame in video:
            assert frame.pixels.shape == (video.facts.height, video.facts.width, 3)
        assert video.notes is not None


def _arc2face() -> bytes:
    files = {file.path: "a" * 64 for file in arc2face_weights.FILES}
    return json.dumps({"format": arc2face_weights._FORMAT, "files": files}).encode()


def _read_arc2face(file: Path) -> None:
    assert arc2face_weights._problem(file.parent)


def _convert(file: Path) -> None:
    arc2face_weights._convert(file, file.with_suffix(".safetensors"))


PARSERS: tuple[Parser, ...] = (
    Parser(
        name="key header", modules=("keys.envelope", "keys.sealing"), file="a.key",
        seed=lambda: _mask().to_bytes(), read=_read_envelope, spoil=_header, examples=100,
    ),
    Parser(
        name="record header", modules=("keys.envelope", "keys.originals"), file="a.original",
        seed=lambda: seal_original(b"photo", ".jpg", _SECRET), read=_read_envelope,
        spoil=_header, examples=100,
    ),
    Parser(
        name="key with a fitting hash", modules=("keys.envelope",), file="a.key",
        seed=lambda: _mask().to_bytes(), read=_read_envelope,
        spoil=_with_hash(damage.of_bytes), examples=100,
    ),
    Parser(
        name="mask", modules=("keys.mask",), file="a.mask", seed=lambda: _mask().to_bytes(),
        read=_read_mask, spoil=_sealed("mask", damage.of_bytes), examples=100,
    ),
    Parser(
        name="mask facts", modules=("keys.mask",), file="a.mask",
        seed=lambda: _mask().to_bytes(), read=_read_mask, spoil=_facts, examples=100,
    ),
    Parser(
        name="masking key", modules=("keys.masking",), file="a.key",
        seed=lambda: MaskingKey(_SECRET).to_bytes(), read=_masking_key,
        spoil=_sealed("masking key", damage.of_bytes),
    ),
    Parser(
        name="watermark key", modules=("keys.watermark",), file="a.key",
        seed=lambda: WatermarkKey(secret=_SECRET).to_bytes(),
        read=lambda file: watermark_key_from_bytes(file.read_bytes()),
        spoil=_sealed("watermark key", damage.of_json), examples=100,
    ),
    Parser(
        name="register", modules=("watermark.register",), file="a.key.ids",
        seed=lambda: _register(["Anna"]), read=_read_register, spoil=_spoil_register,
        examples=100,
    ),
    Parser(
        name="manifest", modules=("albums.manifest",), file="album.jsonl", seed=_manifest,
        read=_read_manifest, spoil=damage.of_json_lines, examples=100,
    ),
    Parser(
        name="recipe", modules=("named", "training.recipe"), file="a.toml",
        seed=_shipped("recipes/tight-judge.toml"), read=_read_recipe, spoil=damage.of_toml,
        examples=100,
    ),
    Parser(
        name="private recipe", modules=("named", "private.recipe"), file="a.toml",
        seed=_shipped("privacy-recipes/ahm.toml"), read=_read_private_recipe,
        spoil=damage.of_toml, examples=100,
    ),
    Parser(
        name="watermark recipe", modules=("named", "training.watermark_recipe"), file="a.toml",
        seed=_shipped("watermarks/dpg.toml"), read=_read_watermark_recipe,
        spoil=damage.of_toml, examples=100,
    ),
    Parser(
        name="plan", modules=("named", "bench.plan"), file="a.toml",
        seed=_shipped("plans/masks.toml"), read=_read_plan, spoil=damage.of_toml, examples=70,
    ),
    Parser(
        name="style", modules=("named", "makeup.styles"), file="a.toml",
        seed=_shipped("styles/smoky.toml"), read=_read_style, spoil=damage.of_toml, examples=100,
    ),
    Parser(
        name="own recognizer", modules=("recognizers.own",), file="mine.json", seed=_own,
        read=_read_own, spoil=damage.of_json, examples=100,
    ),
    Parser(
        name="thresholds", modules=("recognizers.thresholds",), file="thresholds.json",
        seed=_thresholds, read=_read_thresholds, spoil=damage.of_json, examples=100,
    ),
    Parser(
        name="card", modules=("recognizers.trained", "weights.records"), file="a.json",
        seed=_card, read=read_card, spoil=damage.of_json, examples=100,
    ),
    Parser(
        name="network", modules=("recognizers.trained",), file="a.safetensors", seed=_network,
        read=_read_network, examples=15,
    ),
    Parser(
        name="dlib", modules=("recognizers.networks.dlib_resnet",), file="a.dat", seed=_dat,
        read=_read_dat, examples=4,
    ),
    Parser(
        name="torch state", modules=("recognizers.networks.mobilefacenet",), file="a.pt",
        seed=_mobilefacenet, read=MobileFaceNet.load, examples=20,
    ),
    Parser(
        name="torch state to convert", modules=("views.arc2face_weights",), file="a.bin",
        seed=_state, read=_convert, examples=70,
    ),
    Parser(
        name="onnx", modules=("recognizers.networks.onnx_file", "recognizers.networks.onnx_graph",
        "recognizers.networks.onnx_operators", "recognizers.networks.onnx_shapes",
        "recognizers.networks.onnx_windows"), file="a.onnx", seed=_onnx, read=_read_onnx,
        spoil=_spoil_onnx, examples=80,
    ),
    Parser(
        name="faces found", modules=("faces.index",), file="a.npz", seed=lambda: _rows(15),
        read=_read_index, examples=100,
    ),
    Parser(
        name="embeddings", modules=("recognizers.embeddings",), file="a.npz",
        seed=lambda: _rows(20), read=_read_embeddings, examples=100,
    ),
    Parser(
        name="pairs", modules=("recognizers.evaluate",), file="pairs.txt",
        seed=lambda: b"2 1\nA 1 2\nA 1 B 2\nC 1 2\nC 3 D 4\n", read=read_pairs, examples=100,
    ),
    Parser(
        name="archive of chips", modules=("training.faceset",), file="a.zip", seed=_zip,
        read=_unzip, examples=70,
    ),
    Parser(
        name="log", modules=("training.running", "training.curves", "private.curves"),
        file="log.csv", seed=_log("epoch", "cosine", "accuracy"), read=_read_log, examples=70,
    ),
    Parser(
        name="log of watermarks", modules=("training.watermarks",), file="log.csv",
        seed=_log("step", "loss"), read=lambda file: _drop_rows(file, 4), examples=70,
    ),
    Parser(
        name="split", modules=("training.pairs",), file="a.json", seed=_split, read=_read_split,
        spoil=damage.of_json, examples=100,
    ),
    Parser(
        name="split of the bench", modules=("bench.people",), file="a.json", seed=_split,
        read=_read_bench_split, spoil=damage.of_json, examples=70,
    ),
    Parser(
        name="channels", modules=("private.selection",), file="a.json", seed=_channels,
        read=_read_channels, spoil=damage.of_json, examples=100,
    ),
    Parser(
        name="attack", modules=("private.attacking", "private.report"), file="a.json",
        seed=_attack, read=_read_attack, spoil=damage.of_json, examples=70,
    ),
    Parser(
        name="evaluation", modules=("private.report",), file="evaluation.json",
        seed=_evaluation, read=_read_evaluation, spoil=damage.of_json, examples=70,
    ),
    Parser(
        name="private network", modules=("private.export",), file="a.json", seed=_private_card,
        read=_read_private, spoil=damage.of_json, examples=25,
    ),
    Parser(
        name="run of the bench", modules=("bench.store", "bench.run"), file="plan.json",
        seed=_kept, read=_read_run, spoil=damage.of_json, examples=70,
    ),
    Parser(
        name="outcome", modules=("bench.store", "bench.table"), file="a.json",
        seed=lambda: json.dumps(_OUTCOME).encode(), read=_read_outcome, spoil=damage.of_json,
        examples=70,
    ),
    Parser(
        name="quality", modules=("bench.store", "bench.visibility"), file="a.json",
        seed=_quality, read=_read_quality, spoil=damage.of_json, examples=70,
    ),
    Parser(
        name="piece of a clip", modules=("clips.work",), file="a.safetensors", seed=_piece,
        read=_read_piece, examples=70,
    ),
    Parser(
        name="imported files", modules=("views.arc2face_weights",), file="manifest.json",
        seed=_arc2face, read=_read_arc2face, spoil=damage.of_json, examples=70,
    ),
    Parser(
        name="mp4", modules=("media.video.demux", "media.video.probe"), file="a.mp4",
        seed=lambda: _clip(".mp4"), read=_read_clip, examples=20,
    ),
    Parser(
        name="mkv", modules=("media.video.demux", "media.video.probe"), file="a.mkv",
        seed=lambda: _clip(".mkv"), read=_read_clip, examples=20,
    ),
    Parser(
        name="avi", modules=("media.video.demux", "media.video.probe"), file="a.avi",
        seed=lambda: _clip(".avi"), read=_read_clip, examples=20,
    ),
)  # fmt: skip


def tried(parser: Parser, seed: int, folder: Path) -> str:
    """Damage a file and read it: "read", or the name of the error of ours. Others pass on."""
    folder.mkdir()
    file = folder / parser.file
    file.write_bytes(parser.spoil(parser.seed(), Random(seed)))
    try:
        parser.read(file)
    except BautaError as error:
        return type(error).__name__
    return "read"
