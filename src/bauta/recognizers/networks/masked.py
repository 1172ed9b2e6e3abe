"""Networks that look at masked frequencies instead of pixels, with the mask as their front end."""

from __future__ import annotations

from torch import Tensor, nn

from bauta.errors import UsageError
from bauta.recognizers.networks.blocks import FaceNetwork


class MaskedNetwork(FaceNetwork):
    """Map (B, 3, size, size) RGB 0-255 to (B, D) raw embeddings, by way of what a front end sees.

    Args:
        network: any network of the zoo; its first convolution is made anew for the front end's
            channels.
        front: maps (B, 3, H, W) RGB 0-255 to (B, channels, H / stride, W / stride).
        channels: how many channels the front end gives.
        stride: and how much smaller its maps are.

    Raises:
        UsageError: the network does not begin with a convolution that could take them.

    """

    def __init__(
        self, network: FaceNetwork, front: nn.Module, channels: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.front = front
        self.inner = network
        _widen_stem(network, channels, stride)

    def raw(self, x: Tensor) -> Tensor:
        """See :meth:`FaceNetwork.raw`."""
        return self.of_masked(self.front(x))

    def of_masked(self, masked: Tensor) -> Tensor:
        """Map (B, channels, H / stride, W / stride) masked faces to raw embeddings (B, D)."""
        return self.inner.body(masked)


def _widen_stem(network: nn.Module, channels: int, stride: int) -> None:
    """Make the first convolution anew, for other inputs."""
    found = next(
        ((name, m) for name, m in network.named_modules() if isinstance(m, nn.Conv2d)), None
    )
    if found is None:
        raise UsageError("this family of networks has no first convolution to widen")
    name, old = found
    if old.stride[0] % stride:
        raise UsageError(
            f"blocks of every {stride}. pixel do not fit a network whose first step is "
            f"{old.stride[0]}: use stride 1"
        )
    # A block has seen its neighbours already: with strides, 1 x 1 looks as far as before.
    kernel, padding = (old.kernel_size[0], int(old.padding[0])) if stride == 1 else (1, 0)
    new = nn.Conv2d(
        channels, old.out_channels, kernel, old.stride[0] // stride, padding,
        bias=old.bias is not None,
    )  # fmt: skip
    owner, _, last = name.rpartition(".")
    setattr(network.get_submodule(owner), last, new)
