"""Everything that has a name: objectives, targets, networks, optimisers, metrics and baselines, each with its place.

This file imports nothing of what it names, so that listing and checking names costs no import of torch.
"""

from __future__ import annotations

from pathlib import Path

from ganbench.registry import Registry

OBJECTIVES = Registry(
    "objective",
    {
        "minimax": "ganbench.objectives.minimax:Minimax",
        "non-saturating": "ganbench.objectives.minimax:NonSaturating",
        "em": "ganbench.objectives.em:EM",
        "wasserstein-clip": "ganbench.objectives.wasserstein:WassersteinClip",
        "wasserstein-gp": "ganbench.objectives.wasserstein:WassersteinGP",
        "wasserstein-sn": "ganbench.objectives.wasserstein:WassersteinSN",
        "cramer": "ganbench.objectives.cramer:Cramer",
        "vae": "ganbench.objectives.vae:VAE",
    },
)

BASELINES = Registry(
    "baseline",
    {
        "oracle": "ganbench.training.baselines:Oracle",
        "trivial": "ganbench.training.baselines:Trivial",
        "gmm-em": "ganbench.training.baselines:GaussianMixtureEM",
    },
)

TARGETS = Registry(
    "target",
    {
        "ring8": "ganbench.targets.mixtures:Ring8",
        "grid25": "ganbench.targets.mixtures:Grid25",
        "gaussian1d": "ganbench.targets.mixtures:Gaussian1D",
        "mixture": "ganbench.targets.mixtures:Mixture",
        "swiss-roll": "ganbench.targets.manifolds:SwissRoll",
        "moons": "ganbench.targets.manifolds:Moons",
        "digits": "ganbench.targets.images:Digits",
    },
)

NETWORKS = Registry("network", {"mlp": "ganbench.networks.mlp:MLP"})

OPTIMISERS = Registry(
    "optimiser",
    {
        "adam": "ganbench.training.optimisers:Adam",
        "rmsprop": "ganbench.training.optimisers:RMSProp",
        "sgd": "ganbench.training.optimisers:SGD",
    },
)

METRICS = Registry(
    "metric",
    {
        "w1": "ganbench.metrics.transport:W1",
        "sliced_w1": "ganbench.metrics.transport:SlicedW1",
        "energy_distance": "ganbench.metrics.transport:EnergyDistance",
        "jsd_binned": "ganbench.metrics.divergence:JSDBinned",
        "kl_modes": "ganbench.metrics.modes:KLModes",
        "modes_covered": "ganbench.metrics.modes:ModesCovered",
        "modes_touched": "ganbench.metrics.modes:ModesTouched",
        "high_quality": "ganbench.metrics.modes:HighQuality",
        "coverage": "ganbench.metrics.fidelity:Coverage",
        "memorisation": "ganbench.metrics.fidelity:Memorisation",
    },
)


def shipped_suites() -> dict[str, Path]:
    """Name -> file of the suites that come with the package; in a checkout they lie beside it, in `suites/`."""
    package = Path(__file__).parent
    folders = (package / "shipped", package.parent / "suites")
    folder = next((f for f in folders if f.is_dir()), folders[0])
    return {file.stem: file for file in sorted(folder.glob("*.toml"))}
