"""Which frequencies are kept: those that recognition needs, less those that show the face.

Source: PPFR-FD (AAAI 2022), section 3.2: an analysis network weighs the channels, learning from
the recognition loss and a penalty on how much each channel shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from bauta.errors import UsageError
from bauta.masking.dct import BLOCK, CHANNELS, PER_COLOUR, BlockDct
from bauta.masking.masks import MaskSpec, every_kind, normalised
from bauta.media import atomic_write
from bauta.plain import table_of
from bauta.private.recipe import PrivateRecipe
from bauta.recognizers.base import Crop
from bauta.recognizers.crops import crop_of
from bauta.recognizers.networks.families import build_network
from bauta.recognizers.networks.masked import MaskedNetwork
from bauta.training.augment import Augment
from bauta.training.faceset import FaceSet
from bauta.training.losses import MarginHead
from bauta.training.seeds import seed_of
from bauta.training.teachers import to_tensor

_COLOURS = ("Y", "Cb", "Cr")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """How channels are chosen.

    Attributes:
        per_colour: how many of each colour are kept.
        steps: of learning.
        batch: faces per step.
        rate: highest learning rate of AdamW; it falls to 0.
        shown: weight of the penalty on what channels show.
        seed: of all randomness.

    """

    per_colour: int = 6
    steps: int = 300
    batch: int = 64
    rate: float = 2e-3
    shown: float = 4.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 1 <= self.per_colour <= len(every_kind()) // 3:
            raise UsageError(
                f"1 to {len(every_kind()) // 3} channels of each colour say different things, "
                f"got {self.per_colour}"
            )
        if self.steps < 1:
            raise UsageError(f"steps must be at least 1, got {self.steps}")


@dataclass(frozen=True, eq=False)
class Chosen:
    """Channels that are kept, and why.

    Attributes:
        channels: the kept ones, in rising order.
        gates: (192,) how much recognition wanted each, 0 to 1; 0 for those not asked.
        energy: (192,) share of the energy of faces that each holds.

    """

    channels: tuple[int, ...]
    gates: NDArray[np.float64]
    energy: NDArray[np.float64]

    @property
    def dropped(self) -> float:
        """Share of the energy that is not kept."""
        return float(1 - self.energy[list(self.channels)].sum())

    def rows(self) -> list[tuple[str, float, float, bool]]:
        """Name, gate, share of the energy, and whether it is kept, of those that were asked."""
        return [
            (name_of(c), float(self.gates[c]), float(self.energy[c]), c in self.channels)
            for c in every_kind()
        ]


def name_of(channel: int) -> str:
    """A channel in words, such as "Y 1,2": colour, vertical and horizontal frequency."""
    frequency = channel % PER_COLOUR
    return f"{_COLOURS[channel // PER_COLOUR]} {frequency // BLOCK},{frequency % BLOCK}"


def save_channels(file: Path, chosen: Chosen, how: Selection) -> None:
    """Write what was chosen, and why, as JSON.

    Raises:
        MediaError: it cannot be written, or is there.

    """
    content = {
        "channels": list(chosen.channels), "dropped_energy": chosen.dropped, "how": asdict(how),
        "asked": [
            {"channel": name, "gate": gate, "energy": energy, "kept": kept}
            for name, gate, energy, kept in chosen.rows()
        ],
    }  # fmt: skip
    atomic_write(file, (json.dumps(content, indent=1) + "\n").encode())


def read_channels(file: Path) -> tuple[int, ...]:
    """Read the channels of a file of :func:`save_channels`.

    Raises:
        UsageError: it is no such file.

    """
    try:
        channels = tuple(int(c) for c in table_of(file.read_bytes())["channels"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise UsageError(
            f"{file} is no list of channels: make one with bauta private select ({error})"
        ) from error
    return MaskSpec(channels=channels).channels


def choose_channels(
    recipe: PrivateRecipe,
    faces: FaceSet,
    how: Selection,
    *,
    device: torch.device,
    progress: Callable[[int, int, float], None] | None = None,
) -> Chosen:
    """Learn which channels recognition needs and the eye does not.

    Args:
        recipe: of the network that is to be trained: its family, crop and stride.
        faces: of labelled people, to learn on.
        how: how to choose.
        device: where to compute.
        progress: told about every step.

    """
    torch.manual_seed(how.seed)
    every, crop = every_kind(), crop_of(recipe.crop, recipe.size)
    front = BlockDct(every, recipe.stride).to(device)
    inner = build_network(
        recipe.family, size=recipe.size, embedding=recipe.embedding, options=recipe.network
    )
    network = MaskedNetwork(inner, nn.Identity(), len(every), recipe.stride)
    head = MarginHead(
        recipe.head, len(faces.identities), recipe.embedding, margin=recipe.margin / 2,
        scale=recipe.scale,
    )  # fmt: skip
    analysis = _Analysis(len(every))
    parts = nn.ModuleList([network, head, analysis]).to(device).train()
    optimizer = torch.optim.AdamW(
        [
            {"params": [*network.parameters(), *head.parameters()], "lr": how.rate},
            {"params": analysis.parameters(), "lr": 10 * how.rate, "weight_decay": 0.0},
        ]
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [how.rate, 10 * how.rate], total_steps=how.steps
    )
    energy = _energies(faces, crop, how, recipe.stride, device)
    shows = torch.from_numpy(energy[list(every)]).float().to(device)
    # The eye follows magnitudes more than energies, which span five orders.
    shows = shows.sqrt() / shows.sqrt().sum()
    for step in range(how.steps):
        generator = Generator().manual_seed(seed_of(how.seed, step))
        crops, people = _batch(faces, crop, how.batch, generator, device)
        shown = normalised(front(crops))
        gates = analysis(shown)
        raw = network.of_masked(_gated(shown, gates, generator)).float()
        recognised = head(raw, people)
        loss = recognised + how.shown * (gates * shows).sum(dim=1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parts.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        if progress:
            progress(step + 1, how.steps, float(loss.detach()))
    gates_now = np.zeros(CHANNELS)
    gates_now[list(every)] = _mean_gates(analysis, front, faces, crop, how, device)
    kept: list[int] = []
    for colour in range(3):
        own = gates_now[PER_COLOUR * colour : PER_COLOUR * (colour + 1)]
        best = np.argsort(-own, kind="stable")[: how.per_colour]
        kept += sorted(int(PER_COLOUR * colour + f) for f in best)
    return Chosen(tuple(kept), gates_now, energy)


def _gated(shown: Tensor, gates: Tensor, generator: Generator) -> Tensor:
    """As much of each channel as its gate lets through, and noise for the rest.

    Without the noise gates would mean nothing, since a network can enlarge whatever is small.
    """
    wide = gates[:, :, None, None]
    noise = torch.randn(shown.shape, generator=generator).to(shown)
    return wide * shown + (1 - wide) * noise


class _Analysis(nn.Module):
    """Weigh the channels of (B, C, H, W): a squeeze of what they hold, and a gate of each."""

    def __init__(self, channels: int, hidden: int = 32) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.zeros(channels))
        self.squeeze = nn.Linear(4 * channels, hidden)
        self.excite = nn.Linear(hidden, channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.zeros_(self.excite.bias)

    def forward(self, x: Tensor) -> Tensor:
        held = F.adaptive_avg_pool2d(x.abs(), 2).flatten(1)
        out: Tensor = torch.sigmoid(self.own + self.excite(F.gelu(self.squeeze(held - 0.7))))
        return out


def _batch(
    faces: FaceSet, crop: Crop, count: int, generator: Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    which = torch.randint(0, len(faces), (count,), generator=generator).numpy()
    augment = Augment()
    frames = to_tensor(faces.take(which)).to(device)
    crops = augment.change(augment.crop(frames, crop, generator), generator)
    return crops, torch.from_numpy(faces.people[which]).to(device)


@torch.no_grad()
def _energies(
    faces: FaceSet, crop: Crop, how: Selection, stride: int, device: torch.device
) -> NDArray[np.float64]:
    """(192,) share of the energy that each channel holds, the mean luma's included."""
    front = BlockDct(stride=stride).to(device)
    generator = Generator().manual_seed(how.seed)
    crops, _ = _batch(faces, crop, 128, generator, device)
    total = front(crops).double().square().mean(dim=(0, 2, 3)).cpu()
    shares: NDArray[np.float64] = (total / total.sum()).numpy()
    return shares


@torch.no_grad()
def _mean_gates(
    analysis: _Analysis,
    front: BlockDct,
    faces: FaceSet,
    crop: Crop,
    how: Selection,
    device: torch.device,
) -> NDArray[np.float64]:
    generator = Generator().manual_seed(how.seed + 1)
    crops, _ = _batch(faces, crop, 128, generator, device)
    gates: Tensor = analysis(normalised(front(crops)))
    out: NDArray[np.float64] = gates.double().mean(0).cpu().numpy()
    return out
