"""Suite -> cells: every objective and baseline on every target, checked against their classes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from ganbench import catalogue
from ganbench.fields import FieldError, check
from ganbench.registry import did_you_mean
from ganbench.suite.assemble import written_in
from ganbench.suite.cells import Budget, Cell, Evaluation, Part, iteration_cost
from ganbench.suite.checks import Column, misfits, missing, namesakes, shortages, twins, unloadable, unmeasured
from ganbench.suite.document import Keys, Problem
from ganbench.suite.rows import Row, Rows, label_of
from ganbench.suite.schema import Suite
from ganbench.suite.spec import Choices, Interval, parse_spec
from ganbench.suite.watching import watched

MOST_CELLS = 10_000


def resolve(suite: Suite) -> list[Cell]:
    """The cells of a suite, target by target, baselines last. Raises SuiteError for the first mistake in file order."""
    resolver = _Resolver(suite)
    cells = resolver.cells()
    if resolver.problems:
        raise suite.document.first(resolver.problems)
    return cells


def search_space(suite: Suite, name: str) -> dict[str, Interval | Choices]:
    """Field -> space that `tune` draws from for an objective: [search."*"], [search.NAME], then its specs."""
    known = _Resolver(suite).owners(name)
    spaces = {field: space for field, space in suite.search.get("*", {}).items() if field in known}
    written = {f: v for spec in suite.objectives if spec.name == name for f, v in spec.fields.items()}
    return spaces | suite.search.get(name, {}) | {f: v for f, v in written.items() if isinstance(v, Interval)}


class _Resolver(Rows):
    """Crosses rows with columns."""

    def cells(self) -> list[Cell]:
        suite, keys = self.suite, ("network",)
        if not suite.plays:
            return list(self.findings())
        self.problems += [*missing(suite.targets), *unloadable(suite)]
        if self.problems:
            return []
        network = self.part(catalogue.NETWORKS, suite.network.name, written_in(suite.network, keys), keys)
        columns = list(self.columns())
        rows = [*self.rows("objectives", suite.objectives), *self.rows("baselines", suite.baselines)]
        for name in set(suite.defaults) - {spec.name for spec in (*suite.objectives, *suite.baselines)}:
            self.pair(name, {}, ("defaults", name))
        self.check_search()
        settings, reached_by = self.evaluation((), None), suite.evaluation.reached_by
        self.problems += [*twins(columns), *shortages(settings, columns), *unmeasured(settings, reached_by, columns)]
        self.problems += misfits(network, columns) if network else ()
        self.problems += namesakes((row.objective, row.keys) for row in rows)
        metrics = self.applicable(columns)
        if len(rows) * len(columns) > MOST_CELLS:
            self.problems.append(Problem(("objectives",), f"found more than {MOST_CELLS:,} cells; list fewer values"))
        if self.problems or network is None:
            return []
        crossed = [(row, column) for column in columns for row in rows]
        made = [self.cell(row, column, network, metrics[column.label]) for row, column in crossed]
        cells: dict[str, Cell] = {}
        for (row, _), cell in zip(crossed, self.watched(made), strict=True):
            # a budget in seconds has no iterations yet, and they are the same for twins
            identity = json.dumps(cell.with_iterations(cell.iterations or 0).identity(), sort_keys=True)
            if identity in cells:
                self.problems.append(Problem(row.keys, f'the same cell as "{cells[identity].label}"; remove one'))
            cells[identity] = cell
        return [*cells.values(), *self.findings()]

    def watched(self, cells: list[Cell]) -> list[Cell]:
        """The cells with the diagnostics that apply to them.

        One that applies to no cell is a mistake, except where only what makes the cells comes from a command line.
        """
        specs, changed = self.suite.evaluation.diagnostics, self.suite.document.changed
        keys: list[Keys] = [("evaluation", "diagnostics", index) for index in range(len(specs))]
        parts = [
            self.part(catalogue.DIAGNOSTICS, s.name, written_in(s, k), k) for s, k in zip(specs, keys, strict=True)
        ]
        if self.problems or not specs:
            return cells
        found, reasons = watched(cells, [part for part in parts if part is not None])
        makers = ("targets", "objectives", "network")
        borrowed = any(changed((key,)) for key in makers) and not changed(("evaluation", "diagnostics"))
        for index, (spec, reason) in enumerate(zip(specs, reasons, strict=True)):
            if spec.name in [other.name for other in specs[:index]]:
                self.problems.append(Problem(keys[index], f"{spec.name} is listed twice; remove one"))
            elif reason is not None and not borrowed:
                self.problems.append(Problem(keys[index], f'"{spec.name}" applies to no cell ({reason}); remove it'))
        return found

    def findings(self) -> Iterator[Cell]:
        """A cell for each finding, on the target that it names."""
        self.refuse_repeated("findings", self.suite.findings)
        for index, spec in enumerate(self.suite.findings):
            for point in spec.grid():
                keys: Keys = ("findings", index)
                finding = self.part(catalogue.FINDINGS, point.name, written_in(point, keys), keys)
                if finding is None:
                    continue
                name = finding.instance.target
                yield Cell(
                    objective=finding,
                    target=Part(name, catalogue.TARGETS.load(name)()),
                    network=None,
                    optimiser=None,
                    batch=0,
                    latent=0,
                    budget=Budget("iterations", 0.0),
                    iterations=0,
                    evaluation=Evaluation(times=1, samples=0, final_samples=0, metrics=()),
                    label=label_of(point, spec, finding),
                    target_label=name,
                )

    def columns(self) -> Iterator[Column]:
        levels = self.levels()
        for index, spec in enumerate(self.suite.targets):
            keys: Keys = ("targets", index)
            for point in spec.grid():
                target = self.part(catalogue.TARGETS, point.name, written_in(point, keys), keys)
                if target is not None:
                    label = label_of(point, spec, target)
                    yield Column(target, label, levels.get(target), keys)

    def levels(self) -> dict[Part, float]:
        """Target -> its quality target; a name alone means the target with its default fields."""
        found: dict[Part, float] = {}
        for name, level in self.suite.evaluation.reached.items():
            keys: Keys = ("evaluation", "reached", name)
            for point in parse_spec(name).grid():
                target = self.part(catalogue.TARGETS, point.name, written_in(point, keys), keys)
                found |= {target: level} if target else {}
        return found

    def applicable(self, columns: list[Column]) -> dict[str, tuple[str, ...]]:
        """Target's label -> the suite's metrics that apply to it, in the catalogue's order.

        A metric that applies to no target is a mistake, except where only the targets come from a command line.
        """
        evaluation, document = self.suite.evaluation, self.suite.document
        borrowed = document.changed(("targets",)) and not document.changed(("evaluation", "metrics"))
        settings = self.evaluation((), None)
        found: dict[str, tuple[str, ...]] = {column.label: () for column in columns}
        for metric in catalogue.METRICS.names():
            if metric not in evaluation.metrics:
                continue
            configured = settings.metric(metric)
            reasons = {c.label: configured.inapplicable(c.target.instance) for c in columns}
            found |= {label: (*found[label], metric) for label, reason in reasons.items() if reason is None}
            missing = [f"{label}: {reason}" for label, reason in reasons.items() if reason is not None]
            if missing and metric == evaluation.rank_by:
                message = f'"{metric}" cannot rank all targets ({missing[0]}); rank by another metric'
                self.problems.append(Problem(("evaluation", "rank_by"), message))
            elif missing and len(missing) == len(columns) and not borrowed:
                keys = ("evaluation", "metrics", evaluation.metrics.index(metric))
                self.problems.append(Problem(keys, f'"{metric}" applies to no target ({missing[0]}); remove it'))
        return found

    def evaluation(self, metrics: tuple[str, ...], reached: float | None) -> Evaluation:
        """The evaluation of a target's cells; the extractor is theirs where one of the metrics uses features."""
        settings = self.suite.evaluation
        uses = not metrics or any(catalogue.METRICS.load(name).uses_features for name in metrics)
        return Evaluation(
            times=settings.times,
            samples=settings.samples,
            final_samples=settings.final_samples,
            metrics=metrics,
            reached_metric=None if reached is None else settings.reached_by,
            reached=reached,
            extractor=settings.extractor if uses else None,
            weights=str(Path(settings.weights).absolute()) if uses and settings.weights else "",
            weights_sha256=self.weights_sha256 if uses else "",
        )

    @cached_property  # a hundred megabytes, and asked for by every cell
    def weights_sha256(self) -> str:
        """Of the file of weights; "" where none is named. An unreadable file is a problem."""
        path = self.suite.evaluation.weights
        if not path:
            return ""
        try:
            if Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir():
                raise ValueError("no plain file")  # a device has no end
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL
            reason = error.strerror if isinstance(error, OSError) else error
            named = path if path.isprintable() else ascii(path)[1:-1]
            message = f"{named}: cannot be read ({reason}); give the path of the extractor's weights"
            self.problems.append(Problem(("evaluation", "weights"), message))
            return ""

    def check_search(self) -> None:
        """Both ends of every search space must be values of a field that exists."""
        listed = [spec.name for spec in self.suite.objectives]
        for name, spaces in self.suite.search.items():
            owners: dict[str, type] = {}
            for objective in listed if name == "*" else [name]:
                owners = {**self.owners(objective), **owners}
            for field, space in spaces.items():
                keys = ("search", name, field)
                if field not in owners:
                    self.problems.append(Problem(keys, f"unknown field; {did_you_mean(field, list(owners))}"))
                    continue
                for value in (space.low, space.high) if isinstance(space, Interval) else space.values:
                    try:
                        check(owners[field], field, value)
                    except FieldError as error:
                        self.problems.append(Problem(keys, error.message))

    def cell(self, row: Row, column: Column, network: Part, metrics: tuple[str, ...]) -> Cell:
        suite = self.suite
        budget = Budget(suite.budget.currency, suite.budget.amount)
        iterations: int | None = 0
        packing = row.objective.instance.packing if row.optimiser else 1
        if suite.training.batch % packing:
            message = f"packing: found {packing}; expected a divisor of the batch of {suite.training.batch}"
            self.problems.append(Problem(row.keys, message))
        if row.optimiser is not None:
            try:
                gradients = row.optimiser.instance.gradients_per_step
                iterations = budget.iterations(iteration_cost(row.objective.instance, suite.training.batch, gradients))
                row.objective.instance.bind(column.target.instance)
            except FieldError as error:
                self.problems.append(Problem(row.keys, f"{error} (on {column.label})"))
            except ValueError as error:
                self.problems.append(Problem(("budget", "amount"), f"{error} ({row.label})"))
        return Cell(
            objective=row.objective,
            target=column.target,
            network=network if row.optimiser else None,
            optimiser=row.optimiser,
            batch=suite.training.batch,
            latent=suite.training.latent,
            budget=budget,
            iterations=iterations,
            evaluation=self.evaluation(metrics, column.reached),
            regularisers=row.regularisers,
            label=row.label,
            target_label=column.label,
            baseline=row.keys[0] == "baselines",
        )
