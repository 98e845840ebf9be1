"""The directory listing is the architecture: imports point down, and what is foreign comes in at one place."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {"utils", "util", "helpers", "helper", "common", "manager", "service", "services", "base", "misc"}
LEVELS = [
    "config errors randomness identity notification publication validation protocol auth claims jwks keys strength"
    " redaction",
    "connection feed roster store commit reading resp propagator repair gate collector doorman",
    "live hub",
    "api handshake session lean sse websocket exchange opening middleware web ingress upgrade",
    "app server commands dev conformance __main__",
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names.split()}
ONLY = {  # what is foreign, and who alone may know it
    "asyncpg": {"hub.store"},
    "jose": {"hub.auth"},
    "uvicorn": {"hub.server", "hub.ingress", "hub.upgrade", "hub.conformance.__main__", "delivery.outbox.server"},
    "rq": {"delivery.bell", "delivery.worker"},
    "aiohttp": {"delivery.http", "delivery.webhook"},
    "hub.resp": {"hub.propagator"},
}
SELDOM = {  # what some requests need, and no node to start: together they would double its time and weigh 15 MB
    *("aiohttp", "httpx2", "jinja2", "css_inline", "phonenumbers", "email_validator"),
    *("resend", "twilio", "firebase_admin", "rq"),
}


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for package in ("hub", "delivery") for path in sorted((ROOT / package).rglob("*.py"))}


def imports(path, nodes=ast.walk):
    """List what a module imports, wherever in it; `from x import y` counts as `x.y` where that is a module."""
    for node in nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from [name if name in MODULES else node.module for name in inner]


IMPORTS = {name: set(imports(path)) for name, path in MODULES.items()}
AT_ONCE = {name: set(imports(path, ast.iter_child_nodes)) for name, path in MODULES.items()}


def loaded(module):
    """List all that is imported together with a module: what it names at its top, and so on, packages included."""
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            package = name.rpartition(".")[0]
            waiting += [*AT_ONCE.get(name, ()), *([package] if package else ())]
    return found


def level(module):
    """Tell the level of a hub's module by its first name; what is not in the table is at the bottom."""
    package, _, rest = module.partition(".")
    return LEVEL.get(rest.partition(".")[0], 0) if package == "hub" and rest else None


def within(module, names):
    return any(module == name or module.startswith(name + ".") for name in names)


def test_imports_point_down():
    """No module of the hub imports one of a higher level."""
    upwards = [
        f"{module} → {other}"
        for module, others in IMPORTS.items()
        for other in others
        if level(module) is not None and level(other) is not None and level(module) < level(other)
    ]
    assert upwards == []


def test_no_modules_import_each_other():
    """The imports of both packages have no cycle."""
    inner = {
        name: {other for other in others if other in MODULES and other != name} for name, others in IMPORTS.items()
    }
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    graph = {name: others - packages for name, others in inner.items() if name not in packages}
    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_delivery_knows_nothing_of_the_web_node():
    """What leaves the building uses the hub's data and rules, never its connections, routes or assembly."""
    known = {other for name, others in IMPORTS.items() if name.startswith("delivery") for other in others}
    assert {other for other in known if (level(other) or 0) >= LEVEL["hub"]} == set()


@pytest.mark.parametrize("foreign", ONLY)
def test_what_is_foreign_comes_in_at_one_place(foreign):
    """A driver or library is imported by its owner only, so that it can be replaced there."""
    importers = {name for name, others in IMPORTS.items() if any(within(other, [foreign]) for other in others)}
    assert importers, f"nobody imports {foreign}: correct the table"
    assert {name for name in importers if not within(name, ONLY[foreign])} == set()


def test_a_node_starts_without_what_it_seldom_needs():
    """Libraries for some requests are imported by the first of them, so that nodes and commands start fast."""
    known = loaded("hub.commands.node")
    assert {"hub.app", "hub.server", "pydantic"} <= known
    assert {name for name in known if within(name, SELDOM)} == set()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_a_name_of_its_own_and_says_what_it_is(module):
    """Names are the domain's nouns, and every module opens with a docstring."""
    assert not FORBIDDEN & set(module.split("."))
    assert ast.get_docstring(ast.parse(MODULES[module].read_text()))
