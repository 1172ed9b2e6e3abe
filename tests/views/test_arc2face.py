"""Arc2Face with a tiny pipeline of random weights.

What it draws is noise, so the finding of faces is replaced; all else is the code that real weights
run through. Most tests need diffusers and transformers, which are not in the extra "dev".
"""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from bauta.errors import MissingExtraError, NoFaceError, UsageError, WeightsError
from bauta.faces.face import Face
from bauta.views import arc2face as module
from bauta.views.arc2face import Arc2Face, identity_prompt, load_model
from bauta.views.arc2face_weights import import_arc2face
from bauta.views.base import engines
from tests.views.tiny_arc2face import DIMENSIONS, TOKENS, WIDTH, pin, save_published

#: Warnings of these libraries about themselves are not ours to fix.
pytestmark = pytest.mark.filterwarnings("default")
needs_diffusers = pytest.mark.skipif(
    not all(map(find_spec, ("diffusers", "transformers"))),
    reason="the extra 'views' (diffusers, transformers) is not installed",
)


# --- what can be said without the extra -----------------------------------------------------------


def test_without_the_extra_the_message_names_it(monkeypatch, collins, collins_face):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    engine = engines["arc2face"]()
    with pytest.raises(MissingExtraError, match=r"arc2face needs .*pip install 'bauta\[views\]'"):
        engine.make(collins, collins_face, 1)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"side": 0}, {"side": 500}, {"device": "tpu"}, {"device": "cuda"}]
)
def test_settings_that_cannot_be(wrong, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError):
        Arc2Face(**wrong)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A tiny model in the folder that the user brings."""
    folder: Path = tmp_path_factory.mktemp("published")
    save_published(folder)
    return folder


@pytest.fixture
def imported(published, tmp_path, monkeypatch) -> Path:
    pin(published, monkeypatch)
    return import_arc2face(published, accept_licences=True, into=tmp_path)


@pytest.fixture
def engine(imported, monkeypatch, collins_face) -> Arc2Face:
    monkeypatch.setattr(module, "find_faces", lambda pixels, turned: [collins_face])
    return Arc2Face(imported, steps=3, side=32)


@needs_diffusers
def test_the_identity_stands_where_the_word_was(engine):
    encoder, tokenizer = (getattr(engine.model.pipeline, n) for n in ("text_encoder", "tokenizer"))
    identity = torch.nn.functional.normalize(torch.arange(1.0, DIMENSIONS + 1)[None])
    seen = []
    first = encoder.get_submodule(
        next(name for name, _ in encoder.named_modules() if name.endswith("encoder.layers.0"))
    )
    watch = first.register_forward_pre_hook(lambda m, args, kw: seen.append(args[0]),
                                            with_kwargs=True)  # fmt: skip
    with_identity = identity_prompt(encoder, tokenizer, identity)
    words = tokenizer(module.PROMPT, padding="max_length", max_length=TOKENS, return_tensors="pt")
    with torch.no_grad():
        with_words = encoder(words.input_ids).last_hidden_state
    watch.remove()
    # start, photo, of, a, id, person, end: the word is the fourth after the start.
    (place,) = (words.input_ids[0] == tokenizer.convert_tokens_to_ids("id</w>")).nonzero()
    assert place == 4
    tokens = [layer[0] for layer in seen]
    positions = next(v for n, v in encoder.named_parameters() if "position_embedding" in n)
    token = tokens[0][place] - positions[place]
    assert torch.allclose(token[0, :DIMENSIONS], identity[0], atol=1e-6)
    assert torch.allclose(token[0, DIMENSIONS:], torch.zeros(WIDTH - DIMENSIONS), atol=1e-6)
    others = torch.arange(TOKENS) != place
    assert torch.equal(tokens[0][others], tokens[1][others])
    # Causal: what comes before the word does not know of it, the word and what follows does.
    assert with_identity.shape == with_words.shape == (1, TOKENS, WIDTH)
    apart = (with_identity - with_words).abs().amax(-1)[0]
    assert float(apart[:4].max()) < 1e-6 < 1e-3 < float(apart[4:].min())


@needs_diffusers
def test_a_tokenizer_without_the_word_is_refused(engine, monkeypatch):
    encoder, tokenizer = (getattr(engine.model.pipeline, n) for n in ("text_encoder", "tokenizer"))
    with pytest.raises(WeightsError, match="not Arc2Face's"):
        identity_prompt(encoder, tokenizer, torch.ones(1, WIDTH + 1))
    monkeypatch.setattr(module, "SLOT", "dip")
    with pytest.raises(WeightsError, match="no one token for 'dip'"):
        identity_prompt(encoder, tokenizer, torch.ones(1, DIMENSIONS))


@needs_diffusers
def test_settings_reach_the_pipeline(engine, collins, collins_face, monkeypatch):
    from diffusers import DPMSolverMultistepScheduler

    model = engine.model
    assert isinstance(model.pipeline.scheduler, DPMSolverMultistepScheduler)
    assert model.pipeline.scheduler.config.beta_schedule == "scaled_linear"
    assert model.pipeline.safety_checker is None
    assert not model.pipeline.unet.training
    asked = []
    original = type(model.pipeline).__call__
    monkeypatch.setattr(
        type(model.pipeline),
        "__call__",
        lambda self, **options: asked.append(options) or original(self, **options),
    )
    engine.make(collins, collins_face, 1, seed=3)
    (options,) = asked
    assert (options["num_inference_steps"], options["guidance_scale"]) == (3, 3.0)
    assert (Arc2Face().steps, Arc2Face().guidance, Arc2Face().side) == (25, 3.0, 512)
    identity = torch.from_numpy(model.embedder.embed([collins], [collins_face]))
    assert float(identity.norm()) == pytest.approx(1, abs=1e-5)
    expected = identity_prompt(model.pipeline.text_encoder, model.pipeline.tokenizer, identity)
    assert torch.equal(options["prompt_embeds"], expected)


@needs_diffusers
def test_seeds_are_respected(engine, imported, collins, collins_face):
    views = engine.make(collins, collins_face, 2, seed=5)
    assert len(views) == 2
    for view in views:
        assert view.pixels.shape == (32, 32, 3)
        assert view.pixels.dtype == np.uint8
        assert isinstance(view.face, Face)
        assert "Arc2Face" in view.about
    assert not np.array_equal(views[0].pixels, views[1].pixels)
    torch.manual_seed(99)
    anew = Arc2Face(imported, steps=3, side=32).make(collins, collins_face, 1, seed=5)
    assert np.array_equal(views[0].pixels, anew[0].pixels)
    (other,) = engine.make(collins, collins_face, 1, seed=6)
    assert not np.array_equal(views[0].pixels, other.pixels)


@needs_diffusers
def test_another_person_makes_another_picture(engine, collins, collins_face, hopper, hopper_face):
    (one,) = engine.make(collins, collins_face, 1)
    (two,) = engine.make(hopper, hopper_face, 1)
    assert not np.array_equal(one.pixels, two.pixels)


@needs_diffusers
def test_a_picture_without_a_face_is_drawn_again(engine, collins, collins_face, monkeypatch):
    drawn = []

    def find(pixels: np.ndarray, turned: bool) -> list[Face]:
        drawn.append(pixels)
        return [collins_face] if len(drawn) == 3 else []

    monkeypatch.setattr(module, "find_faces", find)
    (view,) = engine.make(collins, collins_face, 1)
    assert view.pixels is drawn[2]
    assert not np.array_equal(drawn[0], drawn[1])
    monkeypatch.setattr(module, "find_faces", lambda pixels, turned: [])
    with pytest.raises(NoFaceError, match=f"in {module.TRIES} tries: use another seed"):
        engine.make(collins, collins_face, 1)


@needs_diffusers
def test_real_search_finds_no_face_in_noise(imported, collins, collins_face, monkeypatch):
    monkeypatch.setattr(module, "TRIES", 1)
    with pytest.raises(NoFaceError):
        Arc2Face(imported, steps=1, side=64).make(collins, collins_face, 1)


@needs_diffusers
def test_tampered_weights_are_refused_before_they_are_loaded(imported, collins, collins_face):
    path = imported / "arc2face/diffusion_pytorch_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="altered since the import"):
        Arc2Face(imported).make(collins, collins_face, 1)


@needs_diffusers
@pytest.mark.parametrize(
    ("part", "weight"),
    [("encoder", "final_layer_norm.weight"), ("arc2face", "conv_in.weight"), ("vae", "conv_in")],
)
def test_weights_that_lack_a_part_are_refused(part, weight, imported):
    """They would be drawn at random otherwise, and only the pictures would tell."""
    from safetensors.torch import load_file, save_file

    (path,) = (imported / part).glob("*.safetensors")
    state = {name: value for name, value in load_file(path).items() if weight not in name}
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=f"{part} is not Arc2Face's: it lacks"):
        load_model(imported, "cpu", import_module("diffusers"), import_module("transformers"))


@needs_diffusers
@pytest.mark.parametrize("part", ["encoder", "tokenizer", "scheduler", "vae", "arc2face"])
def test_unreadable_files_are_refused(part, imported):
    for path in (imported / part).iterdir():
        path.write_bytes(b"{")
    with pytest.raises(WeightsError, match=f"cannot load .*{part}"):
        load_model(imported, "cpu", import_module("diffusers"), import_module("transformers"))


@needs_diffusers
def test_pickles_beside_the_weights_are_not_taken(imported):
    """Even if hashes were not checked, the libraries are told to take safetensors only."""
    path = imported / "encoder/model.safetensors"
    torch.save({"a": torch.ones(1)}, path.with_name("pytorch_model.bin"))
    path.unlink()
    with pytest.raises(WeightsError, match=r"cannot load .*encoder"):
        load_model(imported, "cpu", import_module("diffusers"), import_module("transformers"))


@needs_diffusers
def test_loading_says_nothing_and_leaves_the_libraries_as_they_were(imported, capfd):
    talk = [import_module(f"{name}.utils.logging") for name in ("diffusers", "transformers")]
    before = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in talk]
    _ = Arc2Face(imported).model
    assert capfd.readouterr() == ("", "")
    assert [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in talk] == before


# --- no network -----------------------------------------------------------------------------------

OFFLINE = """
import sys
seen = []
watched = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
           "socket.bind", "urllib.Request", "http.client.connect")
sys.addaudithook(lambda event, args: seen.append(event) if event in watched else None)
import pytest_socket
pytest_socket.disable_socket(allow_unix_socket=True)
from pathlib import Path
from bauta.faces.detect import find_faces
from bauta.media import read_photo
from bauta.views import arc2face, arc2face_weights
folder, photo = map(Path, sys.argv[1:])
pixels = read_photo(photo).pixels
(face,) = find_faces(pixels)
arc2face.find_faces = lambda pixels, turned: [face]
arc2face_weights.FILES = tuple(
    arc2face_weights.ModelFile(file.source, file.origin) for file in arc2face_weights.FILES
)
views = arc2face.Arc2Face(folder, steps=2, side=32).make(pixels, face, 1)
print(len(views), seen)
"""


@needs_diffusers
def test_no_connection_is_opened(imported, collins_path):
    """In a process of its own, so that what the libraries do at their import is seen too."""
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(imported), str(collins_path)],
        capture_output=True, text=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 []"
