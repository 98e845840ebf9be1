"""`python -m bench`: measure, print, and with `--write` put the table into the README.

Every figure is the median of several rounds on fresh servers, printed with its spread; figures of different machines do
not compare. Results are kept in bench/results/latest.json.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import click

from bench.system import ROOT, Generator, System, Unavailable, scratch

RESULTS = ROOT / "bench" / "results"
README = ROOT / "README.md"
Figures = dict[str, float]
Scenario = Callable[[Generator, System], Figures]


def idle(transport: str, connections: int) -> Scenario:
    """Open connections that say nothing: what each costs in memory, and in processor time to open."""

    def measure(generator: Generator, system: System) -> Figures:
        seen = generator.run(*system.listening(transport, connections), "--mode", "idle", "--hold", "3")
        assert seen["open"] == connections, seen
        return {"bytes/connection": seen["rss_per_conn_b"]["hub"], "µs CPU/connect": seen["connect_cpu_us"]}

    return measure


def publish(publishers: int, messages: int) -> Scenario:
    """Publish to 1,000 absent users, each publisher waiting for its answer: stored notifications a second."""

    def measure(generator: Generator, system: System) -> Figures:
        options = ("--conns", "0", "--users", "1000", "--pids", f"hub:{system.pid}", "--rate", "0")
        load = ("--pub-conns", str(publishers), "--messages", str(messages), "--warmup", "500", "--inflight", "100000")
        seen = generator.run(*options, *load, *system.publishing())
        assert seen["pub_fail"] == 0, seen
        latency = seen["pub_lat_us"]
        return {"publishes/s": seen["pub_rps"], "p50 ms": latency["p50"] / 1000, "p99 ms": latency["p99"] / 1000}

    return measure


def deliver(transport: str, connections: int, rate: int, seconds: int) -> Scenario:
    """Publish at a steady rate to connected users: from the publish's due time to the frame at the client."""

    def measure(generator: Generator, system: System) -> Figures:
        load = ("--rate", str(rate), "--messages", str(rate * seconds), "--warmup", "200", "--pub-conns", "16")
        seen = generator.run(*system.listening(transport, connections), *load, *system.publishing())
        wrong = {name: seen[name] for name in ("pub_fail", "lost", "dup", "disorder", "misrouted") if seen[name]}
        assert not wrong, wrong
        latency = seen["lat_us"]
        return {"p50 ms": latency["p50"] / 1000, "p99 ms": latency["p99"] / 1000}

    return measure


def scenarios(connections: int) -> dict[str, Scenario]:
    """List what is measured."""
    return {
        f"{connections:,} idle connections, WebSocket": idle("websocket", connections),
        f"{connections:,} idle connections, SSE": idle("sse", connections),
        "publish, stored, 32 publishers": publish(32, 20_000),
        "publish, stored, 128 publishers": publish(128, 20_000),
        "publish → 1,000 connections, WebSocket, 500/s": deliver("websocket", 1000, 500, 10),
        "publish → 1,000 connections, SSE, 500/s": deliver("sse", 1000, 500, 10),
    }


def run_round(generator: Generator, scenario: Scenario) -> Figures:
    """Measure one scenario once, on servers of its own."""
    directory = scratch()
    try:
        with System(directory) as system:
            return scenario(generator, system)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def summarize(rounds: list[Figures]) -> dict[str, dict[str, float]]:
    """Reduce rounds to the median and the spread of each figure."""
    return {
        name: {
            "median": median(figures[name] for figures in rounds),
            "low": min(figures[name] for figures in rounds),
            "high": max(figures[name] for figures in rounds),
        }
        for name in rounds[0]
    }


def table(results: dict[str, dict[str, dict[str, float]]], environment: dict[str, Any], rounds: int) -> str:
    """Render the results as Markdown."""
    lines = ["| what | figure | median | spread |", "|---|---|---|---|"]
    for what, figures in results.items():
        for name, seen in figures.items():
            spread = f"{_number(seen['low'])} – {_number(seen['high'])}"
            lines.append(f"| {what} | {name} | {_number(seen['median'])} | {spread} |")
    said = f"`make bench`, {rounds} rounds, {environment['processors']} shared processors, {environment['python']}."
    return "\n".join([*lines, "", f"{said} One node, complete: JWT, snapshot, Postgres with synchronous commits."])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


@click.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 20))
@click.option("--connections", default=5000, show_default=True, type=click.IntRange(10, 20_000))
@click.option("--only", default="", help="measure what has this in its name")
@click.option("--write", is_flag=True, help="put the table into the README")
def main(rounds: int, connections: int, only: str, write: bool) -> None:
    """Measure the hub."""
    directory = scratch()
    try:
        generator = Generator(directory)
    except Unavailable as error:
        raise click.ClickException(str(error)) from None
    chosen = {name: scenario for name, scenario in scenarios(connections).items() if only in name}
    seen: dict[str, list[Figures]] = {name: [] for name in chosen}
    for number in range(rounds):
        for name, scenario in chosen.items():
            seen[name].append(run_round(generator, scenario))
            click.echo(f"round {number + 1}: {name}: {seen[name][-1]}", err=True)
    environment = {
        "processors": os.cpu_count(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
    }
    results = {name: summarize(figures) for name, figures in seen.items()}
    RESULTS.mkdir(exist_ok=True)
    document = {"environment": environment, "rounds": rounds, "results": results, "raw": seen}
    (RESULTS / "latest.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    rendered = table(results, environment, rounds)
    click.echo(rendered)
    if write:
        _write(README, rendered)
    shutil.rmtree(directory, ignore_errors=True)


def _write(readme: Path, rendered: str) -> None:
    before, _, rest = readme.read_text().partition("<!-- bench -->\n")
    _, _, after = rest.partition("<!-- /bench -->")
    readme.write_text(f"{before}<!-- bench -->\n{rendered}\n<!-- /bench -->{after}")


if __name__ == "__main__":
    main()
