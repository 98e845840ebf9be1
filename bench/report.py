"""What a run leaves behind: results as JSON, tables in Markdown, and the places in the documents that show them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.generator import ROOT
from bench.plot import plot
from bench.targets import Medians, Target

RESULTS = ROOT / "bench" / "results"
BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
PACKAGES = ("uvicorn", "uvloop", "starlette", "asyncpg", "hiredis", "websockets")

Raw = Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]  # title → label → rounds → figure


def environment(rounds: int) -> dict[str, Any]:
    """Describe the machine and what runs on it."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rounds": rounds,
        "processors": os.cpu_count(),
        "processor": _processor(),
        "load_before": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release()}",
        "python": _python(),
        "node": _answer("node", "--version"),
        "commit": _answer("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
        "packages": {name: version(name) for name in PACKAGES},
    }


def medians(raw: Raw) -> dict[str, dict[str, dict[str, float]]]:
    """Reduce rounds to medians."""
    return {
        title: {
            label: {figure: median(seen[figure] for seen in rounds) for figure in rounds[0]}
            for label, rounds in by_label.items()
        }
        for title, by_label in raw.items()
    }


def tables(raw: Raw) -> str:
    """Render everything, a table per title: the median of each figure, with its spread where there were rounds."""
    parts = []
    for title, by_label in raw.items():
        figures = list(next(iter(by_label.values()))[0])
        parts += [f"**{title}**", "", f"| | {' | '.join(figures)} |", "|---" * (len(figures) + 1) + "|"]
        for label, rounds in by_label.items():
            cells = [_cell([seen[figure] for seen in rounds]) for figure in figures]
            parts.append(f"| {label} | {' | '.join(cells)} |")
        parts.append("")
    return "\n".join(parts).rstrip()


def verdicts(found: Sequence[Target], results: Medians) -> str:
    """Render which level of each target was reached; what was not measured is left out."""
    lines = ["| target | seen | gate | goal | beyond | reached |", "|---|---|---|---|---|---|"]
    for target in found:
        try:
            value = target.figure(results)
        except KeyError:
            continue
        sign = "≥" if target.least else "≤"
        bounds = " | ".join(f"{sign} {bound:,g}" for bound in (target.gate, target.goal, target.beyond))
        lines.append(f"| {target.name} | **{number(value)} {target.unit}** | {bounds} | {target.level(value)} |")
    return "\n".join(lines)


def keep(raw: Raw, around: Mapping[str, Any], missing: Sequence[str]) -> None:
    """Write results/latest.json and results/latest.svg."""
    RESULTS.mkdir(exist_ok=True)
    results = medians(raw)
    document = {"environment": around, "missing": missing, "medians": results, "rounds": raw}
    (RESULTS / "latest.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    (RESULTS / "latest.svg").write_text(plot(results))


def put(document: Path, text: str) -> None:
    """Put text between a document's marks."""
    before, _, rest = document.read_text().partition(f"{BEGIN}\n")
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def machine(around: Mapping[str, Any]) -> str:
    """Say on one line where and how it was measured."""
    return (
        f"`make bench`: {around['rounds']} rounds, medians, {around['processors']} × {around['processor']},"
        f" {around['system']}, {around['python']}, Node {around['node']}. One node on one processor, complete: tokens,"
        " snapshots, counts, Postgres with synchronous commits; everything else on the other."
    )


def number(value: float) -> str:
    """Render a figure as short as it may be."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cell(values: Sequence[float]) -> str:
    middle = number(median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))}–{number(max(values))})"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _python() -> str:
    """Name the interpreter, and whose build it is where the system says so: builds differ by more than releases."""
    name = f"{platform.python_implementation()} {platform.python_version()}"
    if sys.base_prefix != "/usr":
        return name
    return f"{name} of {platform.freedesktop_os_release()['PRETTY_NAME']}"


def _answer(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"
