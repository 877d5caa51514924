"""`list` and `info`: everything that has a name, and what there is to know about one of them."""

from __future__ import annotations

import inspect
import sys
import tomllib
from shutil import get_terminal_size
from typing import Any, get_args, get_origin

import click

from ganbench import catalogue
from ganbench.registry import Registry, UnknownName, did_you_mean, shown

REGISTRIES = {
    "objectives": catalogue.OBJECTIVES,
    "regularisers": catalogue.REGULARISERS,
    "targets": catalogue.TARGETS,
    "metrics": catalogue.METRICS,
    "diagnostics": catalogue.DIAGNOSTICS,
    "networks": catalogue.NETWORKS,
    "optimisers": catalogue.OPTIMISERS,
    "baselines": catalogue.BASELINES,
    "findings": catalogue.FINDINGS,
}
ABOUT = ("source", "year", "formula", "unit", "direction", "units", "scale", "shape", "modes")
"""What classes say of themselves, in the order in which it is shown."""


@click.command("list")
@click.argument("kind", required=False, type=click.Choice([*REGISTRIES, "suites"]))
def list_names(kind: str | None) -> None:
    """List what has a name: everything, or one KIND of it."""
    kinds = {
        name: {n: registry.summary(n) for n in registry.names()} | registry.outside()
        for name, registry in REGISTRIES.items()
    }
    kinds["metrics"] |= {name: derived.summary for name, derived in catalogue.DERIVED.items()}
    kinds["suites"] = _suites()
    chosen = kinds if kind is None else {kind: kinds[kind]}
    # in a pipe one name is one line, for grep
    formatter = click.HelpFormatter(width=get_terminal_size().columns if sys.stdout.isatty() else 10_000)
    for heading, names in chosen.items():
        with formatter.section(click.style(heading, bold=True)):
            formatter.write_dl(list(names.items()))
    click.echo(formatter.getvalue().rstrip("\n"))


@click.command()
@click.argument("name")
def info(name: str) -> None:
    """Show source, formula, schedule and fields of what has this NAME."""
    registries = [registry for registry in REGISTRIES.values() if registry.holds(name)]
    if name in catalogue.DERIVED:
        _show_derived(name, catalogue.DERIVED[name])
    elif not registries:
        suites = catalogue.shipped_suites()
        if name not in suites:
            known = [n for registry in REGISTRIES.values() for n in registry.names()]
            known += [*catalogue.DERIVED, *suites]
            raise UnknownName(f'unknown name "{shown(name)}"; {did_you_mean(name, known)}')
        click.echo(f"# {suites[name]}\n{suites[name].read_text(encoding='utf-8')}", nl=False)
    for registry in registries:
        _show(registry, name)


def _suites() -> dict[str, str]:
    """Name -> summary of the shipped suites, read without the schema, whose import takes as long as all else."""
    files = catalogue.shipped_suites()
    return {name: tomllib.loads(file.read_text(encoding="utf-8")).get("summary", "") for name, file in files.items()}


def _show(registry: Registry, name: str) -> None:
    from ganbench.fields import field_types, settable

    cls = registry.load(name)
    click.secho(f"{registry.kind} {name}", bold=True)
    for title, text in _about(cls).items():
        click.echo(f"  {title:<9}  {text}")
    click.echo("\n" + _indented(inspect.getdoc(cls) or ""))
    fields = settable(cls)
    if fields:
        click.secho("\n  fields", bold=True)
        types = field_types(cls)
        rows = [(f"{n}={_default(f.default)}", _type(types[n]), _range(f.metadata)) for n, f in fields.items()]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        for field, kind, limits in rows:
            click.echo(f"  {field:<{widths[0]}}  {kind:<{widths[1]}}  {limits}".rstrip())
    if registry is catalogue.OBJECTIVES:
        click.echo(
            f"\n  Its optimiser's fields can be set beside them: -o '{name}[lr_g=1e-3]'; see `ganbench info adam`."
        )


def _show_derived(name: str, derived: catalogue.Derived) -> None:
    click.secho(f"metric {name}", bold=True)
    for title in ("source", "unit", "direction"):
        click.echo(f"  {title:<9}  {getattr(derived, title)}")
    click.echo(f"\n  {derived.summary}\n  It comes with every result that has it; a suite's metrics do not list it.")


def _about(cls: type) -> dict[str, str]:
    """What a class says of itself, where it says it, with the values that its defaults give."""
    from ganbench.fields import settable

    if "sha256" in settable(cls):  # its data lie outside: an instance would look for them, or fetch them
        return {title: text for title in ABOUT if isinstance(text := getattr(cls, title, None), str)}
    instance = cls()
    found = {title: getattr(instance, title, None) for title in ABOUT}
    if hasattr(instance, "schedule"):
        found["schedule"] = f"{' '.join(instance.schedule())} in each iteration"
    return {title: _text(value) for title, value in found.items() if value not in (None, "")}


def _text(value: Any) -> str:
    from ganbench.fields import describe

    return " x ".join(map(str, value)) if isinstance(value, tuple) else describe(value)


def _default(value: Any) -> str:
    from ganbench.fields import describe

    return describe(value) or '""'


def _type(hint: Any) -> str:
    """A field's type in words; a swept number may differ between the replicas of one ensemble."""
    swept = bool(getattr(hint, "__metadata__", ()))
    hint = get_args(hint)[0] if swept else hint
    words = {float: "number", int: "integer", bool: "true or false", str: "text"}
    kind = f"list of {words[get_args(hint)[0]]}s" if get_origin(hint) is tuple else words[hint]
    return f"{kind}, swept" if swept else kind


def _range(metadata: Any) -> str:
    if metadata.get("choices"):
        return " or ".join(choice or '""' for choice in metadata["choices"])
    limits = [f"{limit.replace('_', ' ')} {bound:g}" for limit, bound in metadata.get("limits", {}).items()]
    return " ".join(filter(None, (", ".join(limits), metadata.get("unit", ""))))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
