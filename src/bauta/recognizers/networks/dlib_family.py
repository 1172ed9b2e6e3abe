"""dlib's residual network, trained further from dlib's own weights.

dlib's weights are in the public domain, so what grows out of them may ship.
"""

from __future__ import annotations

from torch import Tensor, nn

from bauta.errors import UsageError
from bauta.recognizers.networks.blocks import LUMA, FaceNetwork
from bauta.recognizers.networks.dlib_resnet import DlibResNet

#: Channels before the last layer.
_WIDTH = 256


class TrainableDlib(FaceNetwork):
    """Map (B, 3, size, size) RGB 0-255 to (B, embedding). Its norms are folded, as dlib's are.

    Args:
        size: side of the crop in pixels, at least 64.
        embedding: length of the embedding.
        grey: look at the luma alone.

    """

    def __init__(self, *, size: int, embedding: int, grey: bool = False) -> None:
        super().__init__(grey=grey)
        if size < 64:
            raise UsageError(f"family dlib-resnet needs crops of 64 pixels or more, got {size}")
        self.base = DlibResNet()
        self.base.output = nn.Linear(_WIDTH, embedding)

    def raw(self, x: Tensor) -> Tensor:
        """See :meth:`FaceNetwork.raw`; dlib's network normalises by itself."""
        out: Tensor = self.base.output(self.features(x))
        return out

    def features(self, x: Tensor) -> Tensor:
        """See :meth:`FaceNetwork.features`."""
        if self.grey:
            x = (x * x.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True).expand_as(x)
        return self.base.features(x)

    @property
    def output_layer(self) -> nn.Linear:
        """See :meth:`FaceNetwork.output_layer`."""
        return self.base.output

    def start_from(self, network: nn.Module) -> None:
        """See :meth:`FaceNetwork.start_from`: dlib's weights, but for the last layer."""
        if not isinstance(network, DlibResNet):
            raise UsageError("family dlib-resnet can only start from dlib's own network")
        self.base.stem.load_state_dict(network.stem.state_dict())
        self.base.units.load_state_dict(network.units.state_dict())
