"""One SVG with what matters at a glance: bars for who takes how much, lines for what grows. No library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import count

from bench.targets import Medians

WIDTH, ROW, GAP = 860, 22, 34
LABEL, BAR = 220, 520
OURS, THEIRS = "#2563eb", "#9ca3af"
STYLE = "font: 13px system-ui, sans-serif; fill: #374151"
BARS = (
    (" idle connections", "bytes/connection"),
    (" idle connections", "µs CPU/connect"),
    ("one message to ", "deliveries/s"),
    ("from Redis to one connection each", "µs CPU/delivery"),
    ("publish → 1,000 connections", "delivered/s"),
    ("500 a second", "p50 ms"),
    ("growth: connections", "p50 ms"),
    ("growth: nodes", "µs CPU of all nodes/message"),
)
GROWTH = "growth: stored notifications"


def plot(results: Medians) -> str:
    """Draw a chart for each figure that was measured."""
    charts = []
    for part, figure in BARS:
        title = next((title for title in results if title.endswith(part) or title.startswith(part)), None)
        if title is not None and figure in next(iter(results[title].values())):
            charts.append((f"{title}: {figure}", {label: seen[figure] for label, seen in results[title].items()}))
    if GROWTH in results:
        sizes = results[GROWTH]
        for figure in next(iter(sizes.values())):
            charts.append((f"{GROWTH}: {figure}, ms", {size: seen[figure] for size, seen in sizes.items()}))
    return _svg(charts)


def _svg(charts: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    parts, y = [], GAP
    for title, values in charts:
        parts.append(f'<text x="12" y="{y}" font-weight="600">{escape(title)}</text>')
        largest = max(values.values()) or 1
        for row, (label, value) in zip(count(), values.items()):
            parts.append(_bar(label, value, value / largest, y + 10 + row * ROW))
        y += 10 + len(values) * ROW + GAP
    size = f'width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}"'
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="{STYLE}">', ground, *parts, "</svg>", ""])


def _bar(label: str, value: float, share: float, y: int) -> str:
    color = THEIRS if label.startswith(("Nchan", "Node", "Socket", "Express")) else OURS
    said = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return (
        f'<text x="{LABEL - 8}" y="{y + 14}" text-anchor="end">{escape(label)}</text>'
        f'<rect x="{LABEL}" y="{y + 2}" width="{max(1, share * BAR):.0f}" height="{ROW - 6}" rx="2" fill="{color}"/>'
        f'<text x="{LABEL + max(1, share * BAR) + 6:.0f}" y="{y + 14}">{said}</text>'
    )
