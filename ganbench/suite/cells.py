"""A cell: one objective, or baseline, on one target, with everything that defines the science of its replicas."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from ganbench import catalogue
from ganbench.fields import build, settable
from ganbench.registry import Registry
from ganbench.suite.spec import parse_spec


@dataclass(frozen=True, eq=False)
class Part:
    """An objective, baseline, target, network or optimiser: its registered name and its instance.

    `place` is where a class of a person's own file lies on this machine, as "/folder/my.py:Mine"; its name is then
    "my.py:Mine". Parts with equal names, fields and places are equal.
    """

    name: str
    instance: Any
    place: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self.definition() == other.definition()

    def __hash__(self) -> int:
        return hash(json.dumps(self.definition(), sort_keys=True))

    @property
    def fields(self) -> dict[str, Any]:
        """Every field that a person can set, defaults included, as plain JSON values."""
        values = {name: getattr(self.instance, name) for name in settable(type(self.instance))}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    def definition(self) -> dict[str, Any]:
        return {"name": self.name, "fields": self.fields, **({"place": self.place} if self.place else {})}

    def identity(self) -> dict[str, Any]:
        """The definition without what says where something lies on this machine."""
        declared = settable(type(self.instance))
        fields = {name: v for name, v in self.fields.items() if not declared[name].metadata.get("local")}
        return {"name": self.name, "fields": fields}

    @classmethod
    def from_definition(cls, registry: Registry, definition: dict[str, Any]) -> Part:
        """The part anew. Raises ValueError where its name, a field or a value is not known to this version."""
        name, place = definition["name"], definition.get("place", "")
        return cls(name, build(registry.load(place or name), definition["fields"]), place)


@dataclass(frozen=True)
class Cost:
    """What one iteration spends."""

    generator_steps: int
    gradient_steps: int
    real_samples: int


def iteration_cost(objective: Any, batch: int, gradients_per_step: int = 1) -> Cost:
    """What one pass through an objective's schedule spends; a joint step is two gradient steps on one batch.

    An optimiser that extrapolates takes two gradients of each player in a step, on one batch; a generator's step may
    hold gradient steps of the discriminator.
    """
    steps = objective.schedule()
    taken = sum(len(step) + objective.inner_steps * ("G" in step) for step in steps)
    sees_real = [step != "G" or objective.g_step_uses_real for step in steps]
    return Cost(
        generator_steps=sum("G" in step for step in steps),
        gradient_steps=gradients_per_step * taken,
        real_samples=batch * sum(sees_real),
    )


@dataclass(frozen=True)
class Budget:
    """What every objective of a suite may spend."""

    currency: str
    amount: float

    def iterations(self, cost: Cost) -> int | None:
        """Whole iterations that the budget pays for; None in seconds, until a plan has measured them.

        Raises ValueError where it pays for none.
        """
        if self.currency == "seconds":
            return None
        each = 1 if self.currency == "iterations" else getattr(cost, self.currency)
        if each == 0:
            raise ValueError(f"an iteration spends no {self.currency}; name another currency")
        if self.amount < each:
            raise ValueError(f"found {self.amount:g} {self.currency}; expected at least {each}, one iteration's cost")
        return int(self.amount // each)


@dataclass(frozen=True)
class Evaluation:
    """When and how the replicas of a cell are measured; `metrics` are those that apply to its target.

    A replica reaches its quality target where `reached_metric` is at `reached` or better; None where there is none.
    `extractor` gives the features of metrics on images, None where no metric asks for any; `weights` is the file that
    holds it, "" where it needs none from outside, and `weights_sha256` what the file holds. `diagnostics` are specs
    with all their fields, such as "duality_gap[steps=100]": those of the suite that apply to the cell.
    """

    times: int
    samples: int
    final_samples: int
    metrics: tuple[str, ...]
    reached_metric: str | None = None
    reached: float | None = None
    extractor: str | None = None
    weights: str = ""
    weights_sha256: str = ""
    diagnostics: tuple[str, ...] = ()

    def metric(self, name: str, device: str = "cpu") -> Any:
        """A registered metric with what it needs of this evaluation; its network, if it has one, runs on the device."""
        return catalogue.METRICS.load(name).configured(self, device)

    def observers(self) -> list[Any]:
        """The diagnostics, ready to measure an ensemble in training."""
        specs = [parse_spec(text) for text in self.diagnostics]
        return [build(catalogue.DIAGNOSTICS.load(spec.name), spec.fields) for spec in specs]

    def definition(self) -> dict[str, Any]:
        """Every field as plain JSON values; diagnostics only where there are any, as they were not always there."""
        named = {"metrics": list(self.metrics), "diagnostics": list(self.diagnostics)}
        return {k: v for k, v in {**dataclasses.asdict(self), **named}.items() if k != "diagnostics" or v}

    def iterations(self, iterations: int) -> tuple[int, ...]:
        """The iterations after which a replica is measured: evenly spaced, the last one included, none twice."""
        return tuple(sorted({-(-iterations * i // self.times) for i in range(1, self.times + 1)}))


@dataclass(frozen=True)
class Cell:
    """One objective on one target; its replicas differ by seed. A baseline has no optimiser and no network.

    `iterations` is None while a budget in seconds waits for its plan, and 0 for a baseline that is not trained. The
    labels say how tables name it and are no part of its definition. `regularisers` are those beyond the objective's
    own. A finding has no evaluation: it measures laws of its own, on the target that it names.
    """

    objective: Part
    target: Part
    network: Part | None
    optimiser: Part | None
    batch: int
    latent: int
    budget: Budget
    iterations: int | None
    evaluation: Evaluation
    regularisers: tuple[Part, ...] = ()
    label: str = dataclasses.field(default="", compare=False)
    target_label: str = dataclasses.field(default="", compare=False)
    baseline: bool = dataclasses.field(default=False, compare=False)

    @property
    def finding(self) -> bool:
        """Whether it measures laws and not samples."""
        return self.objective.name in catalogue.FINDINGS.places

    @property
    def trained(self) -> bool:
        """Whether replicas take gradient steps."""
        return self.optimiser is not None

    def cost(self) -> Cost:
        """What one iteration spends; nothing where nothing is trained."""
        if self.optimiser is None:
            return Cost(0, 0, 0)
        return iteration_cost(self.objective.instance, self.batch, self.optimiser.instance.gradients_per_step)

    def with_iterations(self, iterations: int) -> Cell:
        """The same cell with the count that a plan found for its seconds; that count is the definition."""
        return dataclasses.replace(self, iterations=iterations)

    def definition(self) -> dict[str, Any]:
        """The science as plain JSON values, defaults included; equal definitions are one cell.

        Raises ValueError where the iterations are not known yet.
        """
        if self.iterations is None:
            raise ValueError(
                f"{self.label}: a budget in seconds has no definition before its plan; make the plan first"
            )
        amount = int(self.budget.amount) if self.budget.amount.is_integer() else self.budget.amount
        return {
            "objective": self.objective.definition(),
            "target": self.target.definition(),
            "network": self.network.definition() if self.network else None,
            "optimiser": self.optimiser.definition() if self.optimiser else None,
            "batch": self.batch,
            "latent": self.latent,
            "budget": {"currency": self.budget.currency, "amount": amount},
            "iterations": self.iterations,
            "evaluation": self.evaluation.definition(),
            **({"regularisers": [part.definition() for part in self.regularisers]} if self.regularisers else {}),
        }

    def identity(self) -> dict[str, Any]:
        """The definition without paths: cells whose data and weights are equal are one, wherever those lie."""
        parts = {"objective": self.objective, "target": self.target, "network": self.network}
        named = {key: part.identity() for key, part in {**parts, "optimiser": self.optimiser}.items() if part}
        definition = self.definition()
        evaluation = {name: value for name, value in definition["evaluation"].items() if name != "weights"}
        added = {"regularisers": [part.identity() for part in self.regularisers]} if self.regularisers else {}
        return {**definition, **named, **added, "evaluation": evaluation}

    @classmethod
    def from_definition(
        cls, definition: dict[str, Any], *, label: str = "", target_label: str = "", baseline: bool = False
    ) -> Cell:
        """The cell anew, with its labels where they are known.

        Raises ValueError where a name, a field or a value is not known to this version.
        """
        budget = definition["budget"]
        evaluation: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in definition["evaluation"].items()
        }
        name = definition["objective"]["name"]
        untrained = next((r for r in (catalogue.BASELINES, catalogue.FINDINGS) if name in r.places), None)
        registry = untrained or catalogue.OBJECTIVES
        network, optimiser = definition["network"], definition["optimiser"]
        return cls(
            objective=Part.from_definition(registry, definition["objective"]),
            target=Part.from_definition(catalogue.TARGETS, definition["target"]),
            network=Part.from_definition(catalogue.NETWORKS, network) if network else None,
            optimiser=Part.from_definition(catalogue.OPTIMISERS, optimiser) if optimiser else None,
            batch=definition["batch"],
            latent=definition["latent"],
            budget=Budget(budget["currency"], float(budget["amount"])),
            iterations=definition["iterations"],
            evaluation=Evaluation(**evaluation),
            regularisers=tuple(
                Part.from_definition(catalogue.REGULARISERS, part) for part in definition.get("regularisers", ())
            ),
            label=label or definition["objective"]["name"],
            target_label=target_label or definition["target"]["name"],
            baseline=baseline or untrained is catalogue.BASELINES,
        )
