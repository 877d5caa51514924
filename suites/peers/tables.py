"""The tables of a comparison, in markdown that a terminal shows as well."""

from __future__ import annotations

from typing import Any

from suites.peers.rounds import ratio, spread

HEADER = [
    "participant",
    "ms per replica iteration",
    "CPU ms",
    "times ganbench's",
    "products",
    "with traffic",
    "setting",
]
QUIET = 0.9
"""Part of a core that each process must have had for its times to be trusted."""


def of_machine(machine: dict[str, Any]) -> str:
    device = f", {machine['gpu']}" if machine["gpu"] else ""
    versions = ", ".join(f"{name} {machine[name]}" for name in ("torch", "jax", "optax", "python") if name in machine)
    return f"{machine['cpu']}, {machine['cores']} cores{device}; {versions}"


def aligned(rows: list[list[str]]) -> str:
    """Rows of cells, the first the header; the first and the last column to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    last = len(widths) - 1

    def line(row: list[str]) -> str:
        cells = [c.ljust(w) if i in (0, last) else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        return f"| {' | '.join(cells)} |"

    rule = [("-" * w) if i in (0, last) else ("-" * (w - 1) + ":") for i, w in enumerate(widths)]
    return "\n".join([line(rows[0]), line(rule), *map(line, rows[1:])])


def of_rounds(table: dict[str, Any]) -> str:
    """Every participant's time, how many times ganbench is faster, and the limit's share of its time."""
    work, ms = table["work"], table["ms"]
    title = f"{work['objective']}, H={work['hidden']} B={work['batch']} depth {work['depth']}, R={table['replicas']}"
    rows = [HEADER]
    limit = [sum(each) for each in zip(*(ms[name] for name in ("products", "traffic") if name in ms), strict=True)]
    for name, times in ms.items():
        beside = ratio(times, ms["ganbench"]).words(2) if "ganbench" in ms and name != "ganbench" else ""
        shares = ["", ""]
        if name not in ("products", "traffic"):
            shares[0] = f"{ratio(ms['products'], times).median:.0%}" if "products" in ms else ""
            shares[1] = f"{ratio(limit, times).median:.0%}" if {"products", "traffic"} <= ms.keys() else ""
        cpu = f"{spread(table['cpu_ms'][name]).median:.4f}"
        rows.append([name, spread(times).words(4), cpu, beside, *shares, table["participants"][name]["setting"]])
    return f"\n### {title}\n\n{aligned(rows)}\n\n{_limit_words(table)}{_busy_words(table)}"


def _busy_words(table: dict[str, Any]) -> str:
    """A warning where something else took the cores."""
    if table["work"]["device"] != "cpu":
        return ""
    got = {
        name: ratio(table["cpu_ms"][name], table["ms"][name]).median / said["processes"]
        for name, said in table["participants"].items()
    }
    name = min(got, key=got.__getitem__)
    if got[name] >= QUIET:
        return ""
    return f"\n\nTHE MACHINE WAS BUSY: {name} had {got[name]:.0%} of its cores; CPU ms tell more than the wall's here"


def _limit_words(table: dict[str, Any]) -> str:
    """What the limit is made of, and what the participants add to it."""
    said, ms, words = table["participants"], table["ms"], []
    if "products" in ms:
        flops = said["products"]["flops"]
        rate = flops / (spread(ms["products"]).median * 1e6)
        words.append(f"products: {flops / 1e6:.1f} MFLOP per iteration at {rate:.0f} GFLOP/s")
    if "traffic" in ms:
        parts = ", ".join(f"{name} {size / 1e6:.2f}" for name, size in said["traffic"]["bytes"].items())
        rate = sum(said["traffic"]["bytes"].values()) / (spread(ms["traffic"]).median * 1e6)
        words.append(f"traffic: MB {parts} at {rate:.0f} GB/s")
    if words:
        words.append("not in either: losses, reductions, random numbers themselves, Python, and what is read twice")
    return "; ".join(words)
