"""Makes tables of results: medians over rounds, and of ratios to nginx within a round."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from .scenarios import SCENARIOS

__all__ = ["table"]

Row = dict[str, Any]


def table(files: list[Path]) -> str:
    """Markdown."""
    rows: list[Row] = []
    heads: list[Row] = []
    idle: dict[tuple[str, str], Row] = {}
    for file in files:
        for line in file.read_text().splitlines():
            row = json.loads(line)
            if "machine" in row:
                heads.append(row)
            elif "idle_mb" in row:
                idle[(row["gateway"], row["setup"])] = row
            else:
                row["run"] = len(heads)
                rows.append(row)
    by_cell: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_cell[(row["scenario"], row["gateway"])].append(row)
    gateways = list(dict.fromkeys(row["gateway"] for row in rows))
    parts = [_heads(heads), _costs(by_cell, gateways), _times(by_cell, gateways), _memory(by_cell, idle, gateways)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _heads(heads: list[Row]) -> str:
    lines = []
    for head in heads:
        machine = head["machine"]
        lines.append(
            f"{machine['date']}: {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, "
            f"Python {machine['python']}, load average {machine['load'][0]} at the start. "
            + ", ".join(f"{name} {version}" for name, version in head["versions"].items() if version)
            + "."
        )
    return "\n".join(lines)


def _costs(by_cell: dict[tuple[str, str], list[Row]], gateways: list[str]) -> str:
    lines = [
        "CPU of the gateway: ms per request, µs per chunk for unpaced streams; in brackets the multiple of nginx.",
        "",
        "| scenario | " + " | ".join(gateways) + " |",
        "|---" * (len(gateways) + 1) + "|",
    ]
    for name, scenario in SCENARIOS.items():
        cells = []
        key = "cpu_us_chunk" if scenario.per_chunk else "cpu_ms"
        references = {
            (row["run"], row["round"]): row[key]
            for base in (name, "P4" if scenario.per_chunk else "P1")
            for row in by_cell.get((base, "nginx"), [])
            if base == name or not by_cell.get((name, "nginx"))
        }
        for gateway in gateways:
            found = by_cell.get((name, gateway), [])
            if not found:
                cells.append("–")
                continue
            value = median(row[key] for row in found)
            ratios = [
                row[key] / references[(row["run"], row["round"])]
                for row in found
                if references.get((row["run"], row["round"]))
            ]
            ratio = f" ({median(ratios):.1f})" if ratios and gateway not in ("direct", "nginx") else ""
            cells.append(f"{_short(value)}{ratio}{_flaws(found)}")
        if any(cell != "–" for cell in cells):
            unit = "µs per chunk" if scenario.per_chunk else "ms"
            lines.append(f"| {name} {scenario.title}, {unit} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _flaws(rows: list[Row]) -> str:
    flaws = []
    bad, good = sum(row["bad"] for row in rows), sum(row["good"] for row in rows)
    if bad:
        flaws.append(f"{bad} of {bad + good} failed")
    if sum(row.get("duplicates", 0) for row in rows):
        flaws.append(f"each chunk {median(row['words_per_chunk'] for row in rows):.0f} times")
    if sum(row.get("missing", 0) for row in rows):
        flaws.append("chunks missing")
    return f"; {', '.join(flaws)}" if flaws else ""


def _times(by_cell: dict[tuple[str, str], list[Row]], gateways: list[str]) -> str:
    lines = ["Times in ms.", "", "| scenario | " + " | ".join(gateways) + " |", "|---" * (len(gateways) + 1) + "|"]
    wanted = (
        ("P2", "latency p50 / p99", ("latency", "p50"), ("latency", "p99")),
        ("P5", "first token p50 / p99", ("first_word", "p50"), ("first_word", "p99")),
        ("P5", "between chunks p50 / p99", ("gap", "p50"), ("gap", "p99")),
        ("P6", "latency p50 / p99", ("latency", "p50"), ("latency", "p99")),
        ("P11-traced", "between chunks p99 / largest", ("gap", "p99"), ("gap", "max")),
        ("P11-long", "between chunks p99 / largest", ("gap", "p99"), ("gap", "max")),
    )
    for name, title, *paths in wanted:
        cells = []
        for gateway in gateways:
            found = [row for row in by_cell.get((name, gateway), []) if paths[0][1] in row.get(paths[0][0], {})]
            cells.append(" / ".join(_short(median(row[a][b] for row in found)) for a, b in paths) if found else "–")
        if any(cell != "–" for cell in cells):
            lines.append(f"| {name} {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _memory(by_cell: dict[tuple[str, str], list[Row]], idle: dict[tuple[str, str], Row], gateways: list[str]) -> str:
    named = [gateway for gateway in gateways if (gateway, "plain") in idle]
    lines = ["| | " + " | ".join(named) + " |", "|---" * (len(named) + 1) + "|"]
    lines.append("| P10 idle, MB | " + " | ".join(f"{idle[(name, 'plain')]['idle_mb']:.0f}" for name in named) + " |")
    lines.append(
        "| P10 ready after, s | " + " | ".join(f"{idle[(name, 'plain')]['ready_seconds']:.2f}" for name in named) + " |"
    )
    for scenario, title in (("P6", "1,000 in flight: most, MB"), ("P5", "200 streams: most, MB")):
        cells = [
            f"{median(row['peak_mb'] for row in found):.0f}" if (found := by_cell.get((scenario, name))) else "–"
            for name in named
        ]
        lines.append(f"| {scenario} {title} | " + " | ".join(cells) + " |")
    cells = [
        f"{median(row['most_in_flight'] for row in found):.0f}" if (found := by_cell.get(("P6", name))) else "–"
        for name in named
    ]
    lines.append("| P6 requests upstream at once | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"
