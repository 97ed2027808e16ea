"""What a take draws: around a middle, with a spread that freedom scales."""

from dataclasses import dataclass

import numpy as np

from espnet2_ext.corpora.mini.stretch import FRAME_SEC


@dataclass(frozen=True)
class Draw:
    """Draws around a middle that freedom does not move, with a spread that it scales."""

    rng: np.random.Generator
    freedom: float

    @property
    def extra(self) -> float:
        """Freedom beyond the usual."""
        return self.freedom - 1

    def normal(self, std: float, low: float, high: float) -> float:
        """Around 0, within bounds that are scaled too."""
        f = self.freedom
        return float(np.clip(self.rng.normal(0, std * f), low * f, high * f))

    def around(self, std: float, reach: float) -> float:
        """Around 0, within `reach` standard deviations."""
        return self.normal(std, -reach * std, reach * std)

    def factor(self, std: float, low: float, high: float) -> float:
        """Around 1: the exponential of a normal draw."""
        return float(np.exp(self.normal(std, low, high)))

    def uniform(self, low: float, high: float, floor: float = 0.0) -> float:
        """Between bounds that move apart; never below `floor`."""
        wider = self.extra * (high - low) / 2
        return max(floor, float(self.rng.uniform(low - wider, high + wider)))

    def more(self, spread: float) -> float:
        """0 at the usual freedom (nothing is drawn then), beyond it between 0 and `spread`."""
        return float(self.rng.uniform(0, spread)) * min(1.0, self.extra) if self.extra > 0 else 0.0

    def seldom(self, chance: float, step: float) -> bool:
        """As `happens`, for what a chance of 0 rules out; nothing is drawn then."""
        return chance > 0 and self.happens(chance, step)

    def happens(self, chance: float, step: float) -> bool:
        """With a chance that every unit of freedom beyond the usual moves by `step`."""
        return self.rng.random() < min(1.0, max(0.0, chance + step * self.extra))


def smooth_noise(n: int, scale_sec: float, rng: np.random.Generator) -> np.ndarray:
    """Noise (n,) of unit variance with a correlation time of about `scale_sec`."""
    width = max(3, round(scale_sec / FRAME_SEC))
    kernel = np.hanning(2 * width + 1)
    noise = np.convolve(rng.normal(size=n + 2 * width), kernel, "valid")
    return noise / np.sqrt((kernel**2).sum())
