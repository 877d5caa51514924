"""The variational autoencoder under the same contract: a baseline that is trained, without a game."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganbench.fields import FieldError, Swept, ranged
from ganbench.objectives.contract import Batch, Network, Objective, mean


@dataclass(frozen=True)
class VAE(Objective):
    """Encoder and decoder ascend the evidence lower bound together; the encoder stands for D, the decoder for G.

    Encoder D(x) = (mean, log variance) of z given x; decoder N(G(z), decoder_sd^2 I). The loss is the negative bound
    per sample in nats, without the decoder's constant. Samples carry the decoder's noise. Raises FieldError where
    samples are packed: no player judges them together.

    >>> import torch
    >>> b = Batch(x=torch.ones(1, 1), z=torch.zeros(1, 1))
    >>> G, D = (lambda z: z), (lambda x: torch.zeros(1, 2))  # the posterior is the prior, the reconstruction 0
    >>> print(VAE(decoder_sd=0.5).g_loss(G, D, b).item())  # 1 / (2 * 0.25)
    2.0
    """

    updates: str = ranged("simultaneous", choices=("alternating", "simultaneous"))
    decoder_sd: Swept = ranged(0.1, above=0)
    beta: Swept = ranged(1.0, at_least=0)

    judged = False
    g_step_uses_real = True
    source = "Kingma and Welling 2014, arXiv:1312.6114, equation 10"
    formula = "min E |x - G(z)|^2 / (2 decoder_sd^2) + beta KL(q(z|x) || N(0, I)),  z = mean + sd * noise"
    year = 2014

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.packing != 1:
            raise FieldError("packing", f"an autoencoder judges no packs of samples, found {self.packing}; remove it")

    def critic_outputs(self, latent: int) -> int:
        return 2 * latent

    def d_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        centre, log_variance = D(b.x).chunk(2, dim=1)
        error = (b.x - G(centre + (log_variance / 2).exp() * b.z)).flatten(1).square().sum(1)
        divergence = (centre.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
        return mean(b.w, error / (2 * self.decoder_sd**2) + self.beta * divergence)

    def g_loss(self, G: Network, D: Network, b: Batch, /) -> Tensor:
        return self.d_loss(G, D, b)

    def sample(self, G: Network, z: Tensor, noise: Tensor, /) -> Tensor:
        return G(z) + self.decoder_sd * noise
