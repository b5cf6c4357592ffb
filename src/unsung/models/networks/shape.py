"""What every network is told about the spectra it works on, and the types of what goes in and out."""

from dataclasses import dataclass

from jaxtyping import Complex, Float
from torch import Tensor

State = Complex[Tensor, "batch target channel freq frame"]
Mixture = Complex[Tensor, "batch channel freq frame"]
Time = Float[Tensor, " batch"]
Masks = Complex[Tensor, "batch target channel freq frame"]


@dataclass(frozen=True)
class Shape:
    """Targets, channels and frequencies of the spectra, and whether there is a state beside the mixture."""

    targets: int
    channels: int
    freqs: int
    sample_rate: int  # Hz
    state: bool

    @property
    def parts(self) -> int:
        """Real numbers that come in for each frequency and frame: those of the mixture and of the state."""
        return 2 * self.channels * (1 + self.targets * self.state)
