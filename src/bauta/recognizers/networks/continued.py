"""Networks of others, trained further from their own weights.

Their norms are folded, as at inference: the few photos of a small collection would only spoil
statistics that millions of faces have settled. dlib's weights are in the public domain and
mobilefacenet-ms1m's under the Apache licence, so what grows out of them may ship.
"""

from __future__ import annotations

from torch import Tensor, nn

from bauta.errors import UsageError
from bauta.faces.luma import LUMA
from bauta.recognizers.networks.blocks import FaceNetwork
from bauta.recognizers.networks.dlib_resnet import DlibResNet
from bauta.recognizers.networks.mobilefacenet import FEATURES, MobileFaceNet


class Continued(FaceNetwork):
    """Map (B, 3, size, size) RGB 0-255 to (B, embedding) with another's network.

    Args:
        base: the network, whose last layer is called ``output``.
        width: numbers before the last layer.
        embedding: length of the embedding.
        grey: look at the luma alone.

    """

    def __init__(
        self, base: DlibResNet | MobileFaceNet, width: int, embedding: int, *, grey: bool
    ) -> None:
        super().__init__(grey=grey)
        self.base = base
        self.base.output = nn.Linear(width, embedding)

    def raw(self, x: Tensor) -> Tensor:
        """See :meth:`FaceNetwork.raw`; these networks normalise by themselves."""
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
        """See :meth:`FaceNetwork.start_from`: all weights, but for the last layer."""
        if type(network) is not type(self.base):
            raise UsageError(f"this family can only start from a {type(self.base).__name__}")
        state = network.state_dict()
        kept = {k: v for k, v in self.base.state_dict().items() if k.startswith("output.")}
        self.base.load_state_dict({k: v for k, v in state.items() if k not in kept} | kept)


class TrainableDlib(Continued):
    """dlib's residual network; the crop may have any side of 64 pixels or more."""

    def __init__(self, *, size: int, embedding: int, grey: bool = False) -> None:
        if size < 64:
            raise UsageError(f"family dlib-resnet needs crops of 64 pixels or more, got {size}")
        super().__init__(DlibResNet(), 256, embedding, grey=grey)


class TrainableMs1m(Continued):
    """foamliu's MobileFaceNet, whose head wants crops of 112 pixels."""

    def __init__(self, *, size: int, embedding: int, grey: bool = False) -> None:
        if size != 112:
            raise UsageError(f"family mobilefacenet-relu needs crops of 112 pixels, got {size}")
        super().__init__(MobileFaceNet(), FEATURES, embedding, grey=grey)
