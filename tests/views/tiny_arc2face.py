"""A tiny Arc2Face of random weights, in the form in which the real one is published."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from bauta.views import arc2face_weights as files

#: Width of the encoder's tokens, length of an identity, and tokens of a prompt.
WIDTH, DIMENSIONS, TOKENS = 24, 16, 12


def pin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pinned(file: files.ModelFile) -> files.ModelFile:
        content = (folder / file.source).read_bytes()
        digest = hashlib.sha256(content).hexdigest() if file.sha256 else ""
        return files.ModelFile(file.source, file.origin, digest)

    monkeypatch.setattr(files, "FILES", tuple(map(pinned, files.FILES)))


def save_embedder(path: Path) -> None:
    """Write an ArcFace as small as can be: (1, 3, 112, 112) to (1, 16)."""
    weight = np.random.default_rng(0).normal(size=(48, DIMENSIONS)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[28, 28], strides=[28, 28]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 112, 112])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", DIMENSIONS])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))


def save_tokenizer(folder: Path) -> int:
    """Write a vocabulary of whole words that merge out of letters; returns its length."""
    words = ["photo", "of", "a", "id", "person"]
    letters = sorted({letter for word in words for letter in word})
    vocabulary = [*letters, *(letter + "</w>" for letter in letters)]
    merges: list[str] = []
    for word in words:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            merges.append(" ".join(parts[:2]))
            parts[:2] = ["".join(parts[:2])]
            vocabulary.append(parts[0])
    vocabulary = list(dict.fromkeys([*vocabulary, "<|startoftext|>", "<|endoftext|>"]))
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *dict.fromkeys(merges)]) + "\n")
    return len(vocabulary)


def save_encoder(folder: Path, size: int) -> None:
    """Write it as old versions did: a pickle, longer names, and the positions' numbers."""
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=size, hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=TOKENS,
        bos_token_id=size - 2, eos_token_id=size - 1, pad_token_id=size - 1,
    )  # fmt: skip
    encoder = CLIPTextModel(config)
    encoder.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    state = OrderedDict(
        (f"text_model.{name.removeprefix('text_model.')}", value)
        for name, value in encoder.state_dict().items()
    )
    state["text_model.embeddings.position_ids"] = torch.arange(TOKENS)[None]
    torch.save(state, folder / "pytorch_model.bin")


def save_vae(folder: Path) -> None:
    """Write it as Stable Diffusion 1.5 did: with the former names of attention's parts."""
    from diffusers import AutoencoderKL
    from safetensors.torch import load_file, save_file

    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), norm_num_groups=4, sample_size=32,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    vae.save_pretrained(folder)
    path = folder / "diffusion_pytorch_model.safetensors"
    former = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = {}
    for name, value in load_file(path).items():
        for new, old in former.items():
            name = name.replace(f".{new}.", f".{old}.")
        state[name] = value
    assert any(".query." in name for name in state)
    save_file(state, path, metadata={"format": "pt"})


def save_unet(folder: Path) -> None:
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=4, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH, attention_head_dim=4,
    )  # fmt: skip
    unet.save_pretrained(folder)


def save_scheduler(folder: Path) -> None:
    """Write that of another scheduler, as Stable Diffusion 1.5 comes with."""
    folder.mkdir()
    values = {
        "_class_name": "PNDMScheduler", "beta_start": 0.00085, "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "num_train_timesteps": 1000, "steps_offset": 1,
        "skip_prk_steps": True, "set_alpha_to_one": False, "clip_sample": False,
    }  # fmt: skip
    (folder / "scheduler_config.json").write_text(json.dumps(values))


def save_published(folder: Path) -> None:
    """Write the whole model as the user brings it; needs diffusers and transformers."""
    torch.manual_seed(0)
    save_embedder(folder / "arcface.onnx")
    save_encoder(folder / "encoder", save_tokenizer(folder / "tokenizer"))
    save_vae(folder / "vae")
    save_unet(folder / "arc2face")
    save_scheduler(folder / "scheduler")
