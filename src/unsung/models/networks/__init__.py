"""Networks: modules that look at the mixture, and at a state and its time if there is one, and give masks for the stems.

    network(state | None, mixture, time | None) -> masks (batch, target, channel, freq, frame)

The stem is mask * mixture. A network is one file here, one line in NETWORKS and its section in params.yaml; it knows no process
and no file, only the `Shape` of what it works on.
"""

from collections.abc import Callable

from unsung.models.networks.band_split import BandSplit
from unsung.models.networks.base import MaskNetwork, Shape
from unsung.models.networks.crnn import Crnn
from unsung.models.networks.tfswa_unet import TfswaUNet
from unsung.models.networks.unet import UNet

NETWORKS: dict[str, Callable[..., MaskNetwork]] = {
    "band_split": BandSplit,
    "unet": UNet,
    "tfswa_unet": TfswaUNet,
    "crnn": Crnn,
}

__all__ = ["NETWORKS", "MaskNetwork", "Shape"]
