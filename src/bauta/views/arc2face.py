"""Views by Arc2Face: a diffusion model draws new photos of the face, from its embedding alone.

Source: F. P. Papantoniou et al., "Arc2Face: A Foundation Model for ID-Consistent Human Faces",
ECCV 2024 (arXiv 2403.11641), with the settings that Yahn et al. 2026 (arXiv 2605.19032) use: 25
steps of DPM-Solver, guidance 3, 512 x 512. Nothing of the photo but the embedding is used, so that
pose, expression, light, hair and background are drawn anew.

Opt-in: needs the extra "views" and files of 4.5 GB that the user brings (see
:mod:`bauta.views.arc2face_weights` for their licences; mind that they are not all for commercial
use). All is computed on the user's machine: on a CPU a view takes ten minutes, on a GPU seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bauta.devices import present_device
from bauta.errors import MissingExtraError, NoFaceError, UsageError, WeightsError
from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from bauta.recognizers.onnx_judge import Convention, OnnxJudge
from bauta.views.arc2face_weights import verified_folder
from bauta.views.base import View, ViewEngine, engines

#: The sentence whose one word is replaced by the identity.
PROMPT = "photo of a id person"
#: That word.
SLOT = "id"
#: Draws per view until a face is found in one.
TRIES = 5
#: What insightface feeds its recognizers of this kind.
_CONVENTION = Convention(size=112, mean=(127.5,) * 3, std=(127.5,) * 3, order="rgb", crop="arcface")
#: Stable Diffusion draws in blocks of this many pixels.
_BLOCK = 8


@dataclass(frozen=True)
class Arc2FaceModel:
    """The networks, ready to use.

    Attributes:
        embedder: makes the (512,) identity of a face.
        pipeline: a ``diffusers.StableDiffusionPipeline`` with Arc2Face's encoder and UNet.

    """

    embedder: OnnxJudge
    pipeline: Any


@engines.register("arc2face")
class Arc2Face(ViewEngine):
    """Draws views with Arc2Face.

    :meth:`make` raises what :attr:`model` does, and NoFaceError where no picture shows a face.

    Args:
        folder: the imported files; None: where the import puts them.
        device: "cpu" or "cuda". On "cuda" the networks compute in half precision.
        steps: of the DPM-Solver, at least 1.
        guidance: how far the drawing is pushed towards the identity; 1 is not at all.
        side: of the views in pixels, a multiple of 8. The model was trained on 512.

    Raises:
        UsageError: a value is outside what is said above.

    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        device: str = "cpu",
        steps: int = 25,
        guidance: float = 3.0,
        side: int = 512,
    ) -> None:
        if steps < 1 or side < _BLOCK or side % _BLOCK:
            raise UsageError(
                f"steps must be at least 1 and side a multiple of {_BLOCK}, got {steps} and {side}"
            )
        present_device(device)
        self.folder, self.device = folder, device
        self.steps, self.guidance, self.side = steps, guidance, side

    @cached_property
    def model(self) -> Arc2FaceModel:
        """The networks, loaded at the first use.

        Raises:
            MissingExtraError: the extra "views" is not installed.
            WeightsError: the files are missing, altered, or no Arc2Face.

        """
        libraries = _libraries()
        return load_model(verified_folder(self.folder), self.device, *libraries)

    def _make(self, pixels: NDArray[np.uint8], face: Face, count: int, seed: int) -> list[View]:
        model = self.model
        identity = torch.from_numpy(model.embedder.embed([pixels], [face]))
        prompt = identity_prompt(model.pipeline.text_encoder, model.pipeline.tokenizer, identity)
        return [self._draw(prompt, seed, number) for number in range(count)]

    def _draw(self, prompt: Tensor, seed: int, number: int) -> View:
        """Draw until there is a face; a view does not depend on how many others are wanted."""
        for attempt in range(TRIES):
            drawn = self._sample(prompt, _generator(seed, number, attempt))
            faces = find_faces(drawn, turned=False)
            if faces:
                return View(drawn, faces[0], f"drawn anew by Arc2Face, number {number + 1}")
        raise NoFaceError(
            f"Arc2Face drew no face that can be found in {TRIES} tries: use another seed, or a "
            "photo that shows the face larger and from the front"
        )

    def _sample(self, prompt: Tensor, generator: torch.Generator) -> NDArray[np.uint8]:
        (image,) = self.model.pipeline(
            prompt_embeds=prompt,
            num_inference_steps=self.steps,
            guidance_scale=self.guidance,
            height=self.side,
            width=self.side,
            generator=generator,
            output_type="np",
        ).images
        drawn: NDArray[np.uint8] = (np.nan_to_num(image) * 255).round().astype(np.uint8)
        return drawn


@torch.no_grad()
def identity_prompt(encoder: Any, tokenizer: Any, identity: Tensor) -> Tensor:
    """Encode the prompt with the identity in the place of its word "id", as the paper has it.

    Args:
        encoder: Arc2Face's ``transformers.CLIPTextModel``.
        tokenizer: the ``transformers.CLIPTokenizer`` that belongs to it.
        identity: (1, D) embedding of length 1, on any device. D is at most the width of the
            encoder's tokens; the rest of the token is zero.

    Returns:
        (1, tokens, width) what the UNet is led by, on the encoder's device.

    Raises:
        WeightsError: the tokenizer or the encoder is not the right one.

    """
    length, width = encoder.config.max_position_embeddings, encoder.config.hidden_size
    tokens = tokenizer(
        PROMPT, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).input_ids.to(encoder.device)
    slot = tokenizer(SLOT, add_special_tokens=False).input_ids
    place = tokens == slot[0] if len(slot) == 1 else torch.zeros_like(tokens, dtype=torch.bool)
    if int(place.sum()) != 1 or identity.shape[1] > width:
        raise WeightsError(
            f"this tokenizer and encoder have no one token for {SLOT!r} that takes "
            f"{identity.shape[1]} numbers: they are not Arc2Face's"
        )
    token = F.pad(identity, (0, width - identity.shape[1]))

    def replace(module: Any, inputs: Any, embedded: Tensor) -> Tensor:
        return torch.where(place[..., None], token.to(embedded), embedded)

    # Replaced on the way, so that positions and mask remain the encoder's own business.
    hook = encoder.get_input_embeddings().register_forward_hook(replace)
    try:
        encoded: Tensor = encoder(tokens).last_hidden_state
    finally:
        hook.remove()
    return encoded


def load_model(folder: Path, device: str, diffusers: Any, transformers: Any) -> Arc2FaceModel:
    """Load the networks from files only: no network, no pickles, no programs.

    Args:
        folder: as :func:`bauta.views.arc2face_weights.import_arc2face` writes it; its hashes are
            the caller's to check.
        device: "cpu" or "cuda".
        diffusers: the module.
        transformers: the module.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        WeightsError: a file cannot be loaded, or lacks some of the weights of its network.

    """
    embedder = OnnxJudge("arc2face", folder / "arcface.onnx", _CONVENTION, "arc2face-arcface")
    # The thrifty way wants one more package, and says so at every load.
    plainly = {"low_cpu_mem_usage": False}
    with _quiet():
        pipeline = diffusers.StableDiffusionPipeline(
            vae=_load(diffusers.AutoencoderKL, folder / "vae", **plainly),
            text_encoder=_load(transformers.CLIPTextModel, folder / "encoder"),
            tokenizer=_opened(transformers.CLIPTokenizer, folder / "tokenizer"),
            unet=_load(
                diffusers.UNet2DConditionModel, folder / "arc2face", low_cpu_mem_usage=False
            ),
            # The file is that of another scheduler; what they share is the noise of the training.
            scheduler=_opened(diffusers.DPMSolverMultistepScheduler, folder / "scheduler"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        pipeline.to(device, torch.float16 if device.startswith("cuda") else torch.float32)
    return Arc2FaceModel(embedder, pipeline)


def _load(kind: Any, folder: Path, **options: Any) -> Any:
    """Load a network; weights that its file lacks would otherwise be drawn at random."""
    network, told = _opened(kind, folder, use_safetensors=True, output_loading_info=True, **options)
    lacking = [*told["missing_keys"], *told["mismatched_keys"], *told["error_msgs"]]
    if lacking:
        raise WeightsError(f"{folder} is not Arc2Face's: it lacks {lacking[0]}")
    return network


def _opened(kind: Any, folder: Path, **options: Any) -> Any:
    try:
        # These libraries report an unreadable file by a dozen exception types.
        return kind.from_pretrained(str(folder), local_files_only=True, **options)
    except Exception as error:
        raise WeightsError(f"cannot load {folder}: {error}") from error


def _libraries() -> tuple[Any, Any]:
    try:
        return import_module("diffusers"), import_module("transformers")
    except ImportError as error:
        raise MissingExtraError("arc2face", "views") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep both libraries from writing warnings and progress bars to the terminal."""
    talk = [import_module(f"{name}.utils.logging") for name in ("diffusers", "transformers")]
    before = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in talk]
    for log in talk:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log, (level, bar) in zip(talk, before, strict=True):
            log.set_verbosity(level)
            if bar:
                log.enable_progress_bar()


def _generator(seed: int, number: int, attempt: int) -> torch.Generator:
    """Noise of one draw. It comes from the CPU, so that a seed means the same on every device."""
    (state,) = np.random.SeedSequence([seed, number, attempt]).generate_state(1, np.uint64)
    return torch.Generator("cpu").manual_seed(int(state))
