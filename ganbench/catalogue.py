"""Everything that has a name: objectives, targets, networks, optimisers, metrics and baselines, each with its place.

This file imports nothing of what it names, so that listing and checking names costs no import of torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ganbench.plugins import OpenRegistry
from ganbench.registry import Registry


def _untrained() -> tuple[Registry, ...]:
    """Registries whose names no objective from outside can take: a suite lists both side by side."""
    return BASELINES, FINDINGS


OBJECTIVES = OpenRegistry(
    "objective",
    {
        "minimax": "ganbench.objectives.minimax:Minimax",
        "non-saturating": "ganbench.objectives.minimax:NonSaturating",
        "em": "ganbench.objectives.em:EM",
        "wasserstein-clip": "ganbench.objectives.wasserstein:WassersteinClip",
        "wasserstein-gp": "ganbench.objectives.wasserstein:WassersteinGP",
        "wasserstein-gp-toy": "ganbench.objectives.wasserstein:WassersteinGPToy",
        "wasserstein-sn": "ganbench.objectives.wasserstein:WassersteinSN",
        "cramer": "ganbench.objectives.cramer:Cramer",
        "lsgan": "ganbench.objectives.lsgan:LSGAN",
        "lsgan-sigmoid": "ganbench.objectives.lsgan:LSGANSigmoid",
        "hinge": "ganbench.objectives.hinge:Hinge",
        "relativistic": "ganbench.objectives.relativistic:Relativistic",
        "dragan": "ganbench.objectives.dragan:DRAGAN",
        "ml": "ganbench.objectives.ml:MaximumLikelihood",
        "f-gan": "ganbench.objectives.fgan:FGAN",
        "unrolled": "ganbench.objectives.unrolled:Unrolled",
        "mmd": "ganbench.objectives.kernel:MMD",
        "energy": "ganbench.objectives.kernel:Energy",
        "vae": "ganbench.objectives.vae:VAE",
    },
    group="ganbench.objectives",
    base="ganbench.objectives.contract:Objective",
    beside=_untrained,
)

REGULARISERS = Registry(
    "regulariser",
    {
        "r1": "ganbench.objectives.regularisers:R1",
        "r2": "ganbench.objectives.regularisers:R2",
        "gp": "ganbench.objectives.regularisers:GradientPenalty",
        "clip": "ganbench.objectives.regularisers:WeightClipping",
        "sn": "ganbench.objectives.regularisers:SpectralNorm",
        "instance-noise": "ganbench.objectives.regularisers:InstanceNoise",
        "consensus": "ganbench.objectives.regularisers:Consensus",
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

FINDINGS = Registry(
    "finding",
    {
        "dirac-gan": "ganbench.theory.dirac:DiracPortraits",
        "optimal-discriminator": "ganbench.theory.discriminator:OptimalDiscriminator",
        "generator-gradients": "ganbench.theory.gradients:GeneratorGradients",
        "vanishing-gradients": "ganbench.theory.vanishing:VanishingGradients",
        "wasserstein-critics": "ganbench.theory.critics:WassersteinCritics",
        "sample-gradients": "ganbench.theory.sample_gradients:SampleGradients",
        "em-bank": "ganbench.theory.em_bank:EMBank",
        "duality-gaps": "ganbench.theory.nash:DualityGaps",
    },
)
"""Classic results of the field, for a suite's `findings`: laws on objectives, and the arrays of a figure."""

COMPARED = " | "
"""Stands between a law, its objective and what is compared in the name of a finding's metric."""

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
        "stacked-digits": "ganbench.targets.stacked:StackedDigits",
        "images": "ganbench.targets.datasets:ImageFiles",
        "mnist": "ganbench.targets.datasets:MNIST",
        "stacked-mnist": "ganbench.targets.datasets:StackedMNIST",
        "fashion-mnist": "ganbench.targets.datasets:FashionMNIST",
        "cifar10": "ganbench.targets.datasets:CIFAR10",
        "celeba": "ganbench.targets.datasets:CelebA",
    },
)

NAMED_SETS = {
    "mnist": "mnist",
    "stacked-mnist": "mnist",
    "fashion-mnist": "fashion-mnist",
    "cifar10": "cifar10",
    "celeba": "celeba",
}
"""Target -> the set of images from outside that it needs."""

REQUIRE = "ganbench.targets.online:require"
"""What says, without torch and before anything else, that such a set is neither here nor to be fetched."""

NETWORKS = Registry(
    "network",
    {
        "mlp": "ganbench.networks.mlp:MLP",
        "conv": "ganbench.networks.conv:Conv",
        "resnet": "ganbench.networks.conv:ResNet",
        "dirac": "ganbench.networks.games:Dirac",
        "gaussian": "ganbench.networks.games:Gaussian",
    },
)

OPTIMISERS = Registry(
    "optimiser",
    {
        "adam": "ganbench.training.optimisers:Adam",
        "rmsprop": "ganbench.training.optimisers:RMSProp",
        "sgd": "ganbench.training.optimisers:SGD",
        "extra-adam": "ganbench.training.optimisers:ExtraAdam",
        "optimistic-adam": "ganbench.training.optimisers:OptimisticAdam",
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
        "kl_uniform": "ganbench.metrics.modes:KLUniform",
        "fid": "ganbench.metrics.fidelity:FID",
        "fid_infinity": "ganbench.metrics.fidelity:FIDInfinity",
        "kid": "ganbench.metrics.fidelity:KID",
        "precision": "ganbench.metrics.fidelity:Precision",
        "recall": "ganbench.metrics.fidelity:Recall",
        "inception_score": "ganbench.metrics.fidelity:InceptionScore",
        "coverage": "ganbench.metrics.neighbours:Coverage",
        "memorisation": "ganbench.metrics.neighbours:Memorisation",
    },
)

DIAGNOSTICS = Registry(
    "diagnostic",
    {
        "generator_gradient_norm": "ganbench.metrics.dynamics.gradients:GeneratorGradientNorm",
        "gradient_cosine": "ganbench.metrics.dynamics.gradients:GradientCosine",
        "critic_slope": "ganbench.metrics.dynamics.critics:CriticSlope",
        "discriminator_error": "ganbench.metrics.dynamics.critics:DiscriminatorError",
        "duality_gap": "ganbench.metrics.dynamics.gap:DualityGap",
        "game_jacobian": "ganbench.metrics.dynamics.jacobian:GameJacobian",
    },
)
"""What a suite can watch while it trains; each gives rows whose metric is its name, or begins with it."""

AVERAGED = "ema_"
"""Stands before the name of a metric that was measured on samples of the averaged generator."""

EXTRACTORS = ("classifier", "inception-v3-compat")
"""What gives features of images: a small network trained on the target's own labels, or the Inception network."""


@dataclass(frozen=True)
class Derived:
    """A number that comes with each replica and is no function of its samples alone, so that no suite selects it."""

    summary: str
    unit: str
    direction: str
    source: str


DERIVED = {
    "reached_iteration": Derived(
        "First iteration of three evaluations in a row at the suite's quality target, else infinite.",
        "iterations",
        "lower",
        "ganbench.metrics.convergence",
    ),
    "reached_s": Derived(
        "Training seconds of the replica until `reached_iteration`, its share of its ensemble's; else infinite.",
        "s",
        "lower",
        "as reached_iteration",
    ),
    "effective_sample_size": Derived(
        "1 / sum r^2 of the weights r of em's held latents: from 1, all on one, to the batch where they are equal.",
        "latents",
        "higher",
        "Kish 1965",
    ),
    "iteration_s": Derived(
        "Training seconds per iteration and replica, without compilation, warm-up and evaluation.",
        "s",
        "lower",
        "wall clock",
    ),
    "iterations_per_s": Derived(
        "Iterations of one replica in a second, its share of its ensemble's: 1 / `iteration_s`.",
        "iterations / s",
        "higher",
        "wall clock",
    ),
    "samples_per_s": Derived(
        "Real samples that a replica sees in a second of `iteration_s`.",
        "real samples / s",
        "higher",
        "wall clock",
    ),
    "compile_s": Derived(
        "Seconds of compiling and warming up the replica's ensemble, once for all of it.",
        "s",
        "lower",
        "wall clock",
    ),
    "evaluation_s": Derived(
        "Seconds of all evaluations and snapshots of the replica, its share of its ensemble's.",
        "s",
        "lower",
        "wall clock",
    ),
    "peak_memory_mb": Derived(
        "Most memory that the process, or its tensors on a GPU, held while the replica's ensemble was trained.",
        "MiB",
        "lower",
        "operating system or torch",
    ),
}
"""Name -> what is known of the metrics that nobody selects: when a replica converged and what it cost."""


def shipped_suites() -> dict[str, Path]:
    """Name -> file of the suites that come with the package; in a checkout they lie beside it, in `suites/`."""
    package = Path(__file__).parent
    folders = (package / "shipped", package.parent / "suites")
    folder = next((f for f in folders if f.is_dir()), folders[0])
    return {file.stem: file for file in sorted(folder.glob("*.toml"))}
