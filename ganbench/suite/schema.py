"""The schema of a suite file: its tables and keys, their types, ranges, defaults and registered names.

Over 250 lines, as all of a suite's tables are read side by side.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from itertools import count, islice
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, PrivateAttr

from ganbench import catalogue
from ganbench.fields import LARGEST_INTEGER, printable
from ganbench.registry import Registry, did_you_mean
from ganbench.suite.document import Document
from ganbench.suite.spec import Choices, Grid, Interval, Spec, SpecError, parse_spec, parse_value

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
CURRENCIES = ("generator_steps", "gradient_steps", "real_samples", "seconds", "iterations")
PRECISIONS = ("fp32", "tf32", "bf16")
LIFTS = ("vmap", "loop")
CONVOLUTIONS = ("products", "torch")
DRAWS = ("numpy", "counter")
MOST_SEEDS = 100_000
MOST_SPECS = 1000
PLAYED = ("objective", "baseline")
"""Kinds to which regularisers can be added."""


def _name(value: object) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError(f'found "{printable(value)}"; expected a name of a-z, 0-9, ".", "_", "-", such as "my-suite"')
    return value


def _seeds(value: object) -> tuple[int, ...]:
    expected = 'expected a number of seeds, a range such as "0:8", or a list such as [0, 3, 5]'
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,15}):(\d{1,15})", value, re.ASCII)):
        seeds: Sequence[Any] = range(int(match[1]), int(match[2]))
    elif isinstance(value, int) and not isinstance(value, bool):
        seeds = range(min(value, MOST_SEEDS + 1))
    elif isinstance(value, list):
        seeds = value
    else:
        raise ValueError(f"found {printable(value)}; {expected}")
    if not 1 <= len(seeds) <= MOST_SEEDS:
        count = f"more than {MOST_SEEDS:,}" if len(seeds) > MOST_SEEDS else "no seeds"
        raise ValueError(f"found {count}; expected 1 to {MOST_SEEDS:,} seeds")
    seen = set()
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < LARGEST_INTEGER:
            raise ValueError(f"found the seed {printable(seed)}; expected integers of at least 0")
        if seed in seen:
            raise ValueError(f"found the seed {seed} twice; remove one")
        seen.add(seed)
    return tuple(seeds)


def _spec(value: object, registry: Registry) -> Spec:
    if not isinstance(value, str):
        raise ValueError(f'found {printable(value)}; expected a text such as "{registry.names()[0]}"')
    spec = parse_spec(value)
    spec = dataclasses.replace(spec, name=registry.require(spec.name))
    if spec.added and registry.kind not in PLAYED:
        raise SpecError(spec.added[0].column, f"found + {spec.added[0].name}; only objectives take regularisers")
    for position, added in enumerate(spec.added):
        try:
            catalogue.REGULARISERS.require(added.name)
        except ValueError as error:
            raise SpecError(added.column, str(error)) from None
        if added.name in [other.name for other in spec.added[:position]]:
            raise SpecError(added.column, f"{added.name} is added twice; remove one")
    return spec


def _objective(value: object, known: Registry | None = None) -> Spec:
    spec = _spec(value, known or catalogue.OBJECTIVES)
    chosen = spec.fields.get("optimiser")
    for name in chosen.values if isinstance(chosen, Grid) else () if chosen is None else (chosen,):
        try:
            catalogue.OPTIMISERS.require(str(name))
        except ValueError as error:
            raise SpecError(spec.columns["optimiser"], str(error)) from None
    return spec


def _baseline(value: object) -> Spec:
    # an objective can stand among the baselines too: the vae gives the scale of a trained model that is no GAN
    objectives, kind = catalogue.OBJECTIVES, catalogue.BASELINES.kind
    places = {**catalogue.BASELINES.places, **objectives.places}
    return _objective(value, dataclasses.replace(objectives, kind=kind, places=places))


def _single(value: object, registry: Registry) -> Spec:
    spec = _spec(value, registry)
    for name in spec.gridded():
        raise SpecError(spec.columns[name], f"found a list for {name}; expected one {registry.kind} for all cells")
    return spec


def _registered(value: object, registry: Registry, *others: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"found {printable(value)}; expected the name of a {registry.kind}")
    return value if value in others else registry.require(value)


def _target_label(value: object) -> str:
    return str(_spec(value, catalogue.TARGETS))


def _choice(value: object, kind: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f'unknown {kind} "{printable(value)}"; {did_you_mean(printable(value), known)}')
    return str(value)


def _default(value: object) -> Any:
    inner = value if isinstance(value, list) else [value]
    if not all(isinstance(v, bool | int | float | str) for v in inner):
        raise ValueError(f"found {printable(value)}; expected a number, true, false, a text or a list of them")
    return tuple(value) if isinstance(value, list) else value


def _space(value: object) -> Interval | Choices:
    if isinstance(value, list) and value:
        return Choices(tuple(_default(v) for v in value))
    space = parse_value(value) if isinstance(value, str) else value
    if not isinstance(space, Interval | Choices):
        raise ValueError(f'found {printable(value)}; expected "loguniform(a,b)", "uniform(a,b)" or a list of choices')
    return space


Specs = Annotated[tuple[Annotated[Spec, PlainValidator(_objective)], ...], Field(strict=False, max_length=MOST_SPECS)]
Targets = Annotated[
    tuple[Annotated[Spec, PlainValidator(lambda v: _spec(v, catalogue.TARGETS))], ...],
    Field(strict=False, max_length=MOST_SPECS),
]
Baselines = Annotated[
    tuple[Annotated[Spec, PlainValidator(_baseline)], ...], Field(strict=False, max_length=MOST_SPECS)
]
Findings = Annotated[
    tuple[Annotated[Spec, PlainValidator(lambda v: _spec(v, catalogue.FINDINGS))], ...],
    Field(strict=False, max_length=MOST_SPECS),
]
Metrics = Annotated[
    tuple[Annotated[str, PlainValidator(lambda v: _registered(v, catalogue.METRICS))], ...],
    Field(strict=False, max_length=MOST_SPECS),
]
Diagnostics = Annotated[
    tuple[Annotated[Spec, PlainValidator(lambda v: _single(v, catalogue.DIAGNOSTICS))], ...],
    Field(strict=False, max_length=MOST_SPECS),
]
Network = Annotated[Spec, PlainValidator(lambda v: _single(v, catalogue.NETWORKS))]
Optimiser = Annotated[Spec, PlainValidator(lambda v: _single(v, catalogue.OPTIMISERS))]
Objective = Annotated[str, PlainValidator(lambda v: _registered(v, catalogue.OBJECTIVES))]
Searched = Annotated[str, PlainValidator(lambda v: _registered(v, catalogue.OBJECTIVES, "*"))]
Seeds = Annotated[tuple[int, ...], PlainValidator(_seeds)]
Lift = Annotated[str, PlainValidator(lambda v: _choice(v, "lift", LIFTS))]
Convolution = Annotated[str, PlainValidator(lambda v: _choice(v, "convolution", CONVOLUTIONS))]
Draws = Annotated[str, PlainValidator(lambda v: _choice(v, "source of draws", DRAWS))]
Count = Annotated[int, Field(ge=1, le=10**9)]
Amount = Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)]


class Section(BaseModel):
    """A table of a suite: unknown keys are errors, types are exact, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Budget(Section):
    """What every objective may spend, in one currency."""

    currency: Annotated[str, PlainValidator(lambda v: _choice(v, "currency", CURRENCIES))]
    amount: Amount


class Training(Section):
    """Samples per step and the dimension of z, standard normal."""

    batch: Annotated[int, Field(ge=1, le=10**6)] = 256
    latent: Annotated[int, Field(ge=1, le=10**5)] = 2


class Execution(Section):
    """What can change bits: compiled or eager, replicas per ensemble, threads, precision, and how an ensemble runs.

    `lift_cpu` and `lift_cuda` say it for each kind of device: "vmap", all replicas in one batched program, or "loop",
    one after the other. `convolution_cpu` and `convolution_cuda` say how convolutions are computed: "products", as
    matrix products over gathered windows, which a compiler makes the faster on a CPU, or "torch", by its own functions,
    which are cuDNN's on a GPU. `draws_cpu` and `draws_cuda` say what training's data and latents are drawn by: "numpy",
    on the host, or "counter", on the device; one seed gives other values by each, and each is the same on both devices.
    """

    compiled: bool = True
    width: Annotated[int, Field(ge=2, le=10**5)] = 8
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    precision: Annotated[str, PlainValidator(lambda v: _choice(v, "precision", PRECISIONS))] = "fp32"
    lift_cpu: Lift = "vmap"
    lift_cuda: Lift = "vmap"
    convolution_cpu: Convolution = "products"
    convolution_cuda: Convolution = "torch"
    draws_cpu: Draws = "numpy"
    draws_cuda: Draws = "counter"

    def on(self, device: str) -> dict[str, Any]:
        """What holds on "cpu" or "cuda", as it stands in a replica's identity."""
        kept = {name: value for name, value in self.model_dump().items() if not name.endswith(("_cpu", "_cuda"))}
        return kept | {name: getattr(self, f"{name}_{device}") for name in ("lift", "convolution", "draws")}


class Evaluation(Section):
    """When and how a replica is measured; `reached` is a quality target per target, a level of the metric `reached_by`.

    `extractor` gives the features of metrics on images; `weights` is its file, where it is not ganbench's own.
    `diagnostics` are measured beside the metrics, on every cell to which they apply.
    """

    times: Count = 15
    samples: Annotated[int, Field(ge=2, le=10**7)] = 500
    final_samples: Annotated[int, Field(ge=2, le=10**7)] = 1000
    metrics: Metrics
    rank_by: Annotated[str, PlainValidator(lambda v: _registered(v, catalogue.METRICS))]
    reached: dict[Annotated[str, PlainValidator(_target_label)], Amount] = {}
    reached_by: Annotated[str, PlainValidator(lambda v: _registered(v, catalogue.METRICS))] = "w1"
    extractor: Annotated[str, PlainValidator(lambda v: _choice(v, "extractor", catalogue.EXTRACTORS))] = "classifier"
    weights: str = ""
    diagnostics: Diagnostics = ()


class Tuning(Section):
    """Trials per objective, and seeds apart from those that are reported; none means the suite's `tuning_seeds`."""

    trials: Annotated[int, Field(ge=1, le=10**5)] = 16
    seeds: Seeds = ()


class Limits(Section):
    """When a worker is given up as hung: `silence_s` seconds without a word from it, which changes no result.

    It tells of itself every few seconds of training, and not while it compiles, fits or measures.
    """

    silence_s: Amount = 3600.0


class Suite(Section):
    """Everything that a run needs, checked; `document` knows where each value stood.

    A suite of findings alone has no targets, budget and evaluation of its own.
    """

    name: Annotated[str, PlainValidator(_name)]
    summary: str = ""
    seeds: Seeds = tuple(range(8))
    targets: Targets = ()
    objectives: Specs = ()
    baselines: Baselines = ()
    findings: Findings = ()
    network: Network = Spec("mlp")
    optimiser: Optimiser = Spec("adam")
    budget: Budget = Budget(currency="iterations", amount=1)
    training: Training = Training()
    execution: Execution = Execution()
    evaluation: Evaluation = Evaluation(metrics=(), rank_by="w1")
    limits: Limits = Limits()
    defaults: dict[Objective, dict[str, Annotated[Any, PlainValidator(_default)]]] = {}
    search: dict[Searched, dict[str, Annotated[Interval | Choices, PlainValidator(_space)]]] = {}
    tuning: Tuning = Tuning()
    _document: Document = PrivateAttr()

    @property
    def plays(self) -> bool:
        """Whether there is anything to rank: a suite may be of findings alone."""
        return bool(self.objectives or self.baselines or not self.findings)

    @property
    def tuning_seeds(self) -> tuple[int, ...]:
        """The seeds of a search: by default the first three from 1000 on that are not reported."""
        reported = set(self.seeds)
        return self.tuning.seeds or tuple(islice((seed for seed in count(1000) if seed not in reported), 3))

    @property
    def document(self) -> Document:
        """The content that the suite was made from."""
        return self._document
