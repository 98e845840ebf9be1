"""`python -m bench`: measure, print, keep the results, and with `--write` show them in the README and docs.

In each round every scenario is run once, contenders of one task one after the other, each on servers of its own; then
the next round begins. A contender that is not installed is named and left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from bench import report
from bench.generator import ROOT, Generator
from bench.ground import Ground, Missing
from bench.scenarios import Figures, Scenario, scenarios
from bench.targets import targets


class Run:
    """One run: what was seen so far, and who could not take part."""

    def __init__(self, ground: Ground, generator: Generator) -> None:
        self.raw: dict[str, dict[str, list[Figures]]] = {}
        self.missing: dict[str, str] = {}
        self.failed: list[str] = []
        self._ground = ground
        self._generator = generator

    def measure(self, scenario: Scenario) -> None:
        """Run a scenario once and keep what it returns."""
        try:
            with scenario.contender.run(self._ground) as running:
                figures = scenario.measure(self._generator, running)
        except Missing as missing:
            self.missing[scenario.contender.name] = str(missing)
            return
        except RuntimeError as failure:
            self.failed.append(f"{scenario.title}: {scenario.label}: {failure}")
            click.echo(self.failed[-1], err=True)
            return
        self.raw.setdefault(scenario.title, {}).setdefault(scenario.label, []).append(figures)
        said = ", ".join(f"{name} {report.number(value)}" for name, value in figures.items())
        click.echo(f"{scenario.title}: {scenario.label}: {said}", err=True)


def measure(chosen: Sequence[Scenario], rounds: int) -> Run:
    """Take turns."""
    with Ground() as ground:
        run = Run(ground, Generator(ground.directory))
        for number in range(rounds):
            click.echo(f"round {number + 1} of {rounds}", err=True)
            for scenario in chosen:
                if number == 0 or not scenario.once:
                    run.measure(scenario)
        return run


@click.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 20))
@click.option("--connections", default=10_000, show_default=True, type=click.IntRange(100, 20_000))
@click.option("--largest", default=10_000_000, show_default=True, help="most stored notifications")
@click.option("--only", multiple=True, help="measure what has this in its title or label; may be repeated")
@click.option("--list", "listing", is_flag=True, help="list what would be measured")
@click.option("--write", is_flag=True, help="show the results in README.md and docs/PERFORMANCE.md")
def main(rounds: int, connections: int, largest: int, only: Sequence[str], listing: bool, write: bool) -> None:
    """Measure the hub beside its peers."""
    wanted = [
        scenario
        for scenario in scenarios(connections, largest)
        if all(part in f"{scenario.title}: {scenario.label}" for part in only)
    ]
    if listing:
        click.echo("\n".join(f"{scenario.title}: {scenario.label}" for scenario in wanted))
        return
    begun, around = time.monotonic(), report.environment(rounds)
    try:
        run = measure(wanted, rounds)
    except Missing as missing:
        raise click.ClickException(str(missing)) from None
    report.keep(run.raw, around, [*run.missing.values()])
    reached = report.verdicts(targets(connections), report.medians(run.raw))
    shown = "\n\n".join([reached, report.machine(around)])
    everything = "\n\n".join([shown, report.tables(run.raw), *map("Not measured: {}.".format, run.missing.values())])
    click.echo(everything)
    click.echo(f"\ntook {time.monotonic() - begun:.0f} s", err=True)
    if run.failed:
        raise click.ClickException("\n".join(["failed:", *run.failed]))
    if write:
        report.put(ROOT / "README.md", shown)
        report.put(ROOT / "docs" / "PERFORMANCE.md", everything)


if __name__ == "__main__":
    main()
