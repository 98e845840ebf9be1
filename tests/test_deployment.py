"""The deployment files without a Docker engine: valid, linted, hardened, and in agreement with the code they deploy."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from delivery.bell import QUEUES
from delivery.config import DeliverySettings
from hub.config import Settings
from tests import compose

ROOT = compose.ROOT
OURS = {"hub", "migrate", "relay", "worker", "worker-low-first"}
SECRETS = ["POSTGRES_PASSWORD", "REDIS_PASSWORD", "RQ_DASHBOARD_PASSWORD", "HUB_PUBLIC_URL"]


def defaults():
    """Return the default of every setting of a node."""
    return {name: field.default for name, field in Settings.model_fields.items()}


def lint(tool, *arguments):
    """Run a linter that was installed beside Python; fail with what it says."""
    path = Path(sys.executable).with_name(tool)
    if not path.exists():
        pytest.skip(f"{tool} is not installed; it belongs to the dependency group `check`")
    result = subprocess.run([path, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


def services():
    """Return the services of the deployment that .env.example describes."""
    return compose.load(compose.example())["services"]


def seconds(text):
    """Read a duration such as 60s."""
    return int(re.fullmatch(r"(\d+)s", text)[1])


def directive(name):
    """Return what nginx.conf says for a directive the first time."""
    return re.search(rf"^\s*{name}\s+(.+?);", (ROOT / "nginx/nginx.conf").read_text(), re.MULTILINE)[1]


def stages():
    """Return the lines of each stage of the Dockerfile by its name."""
    found = re.split(r"^FROM (\S+) AS (\S+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    return {name: (base, body) for base, name, body in zip(found[::3], found[1::3], found[2::3], strict=True)}


def test_compose_file_is_valid():
    """docker-compose.yml follows the Compose specification."""
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")


def test_dockerfile_is_clean():
    """Hadolint has nothing to say about the Dockerfile."""
    lint("hadolint", "Dockerfile")


def test_nginx_configuration_is_clean():
    """Gixy finds no security issue in nginx.conf."""
    lint("gixy", "nginx/nginx.conf")


@pytest.mark.parametrize("name", [*SECRETS])
def test_deployment_refuses_to_start_without_its_secrets(name):
    """A missing password or address stops the start and is named; none has a default."""
    with pytest.raises(compose.Missing, match=name):
        compose.load(compose.example() | {name: ""})


def test_example_holds_no_secret():
    """.env.example leaves every secret blank, and .env cannot be committed or slip into an image."""
    values = compose.read_env(compose.example_text())
    assert {name for name in values if re.search("PASSWORD|SECRET|TOKEN|KEY", name) and values[name]} == set()
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    assert "!.env" not in (ROOT / ".dockerignore").read_text()


@pytest.mark.parametrize("name", sorted(services()))
def test_containers_can_do_little(name):
    """Every container runs without capabilities, without root, on a read-only file system, and comes back."""
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == ("no" if name == "migrate" else "always")
    if "build" not in service:
        assert service["user"] not in ("root", "0")
        assert re.fullmatch(r"[\w/]+:\d[\w.-]*", service["image"]), "pin a version"


@pytest.mark.parametrize("target", ["hub", "dashboard"])
def test_images_run_as_somebody(target):
    """Both images drop root in the stage they are built on, and are the targets that Compose builds."""
    base, body = stages()[target]
    user = re.findall(r"^USER (.+)$", stages()[base][1] + body, re.MULTILINE)[-1]
    assert int(user) > 0
    assert target in {service["build"]["target"] for service in services().values() if "build" in service}


def test_image_is_built_from_files_that_exist():
    """What .dockerignore lets through is there, and nothing else is."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert [name for name in allowed if not (ROOT / name).exists()] == []


def test_only_the_edge_has_a_port():
    """Nodes, stores and the dashboard are reachable inside only; the stores not even from the edge."""
    assert [name for name, service in services().items() if "ports" in service] == ["nginx"]
    assert compose.load(compose.example())["networks"]["stores"] == {"internal": True}
    assert services()["nginx"]["networks"] == ["edge"]
    assert services()["redis"]["networks"] == services()["postgres"]["networks"] == ["stores"]


def test_redis_loses_nothing_by_itself():
    """Redis asks for a password, keeps an append-only file, and never evicts."""
    command = services()["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
    assert options["--requirepass"] == compose.example()["REDIS_PASSWORD"]


def test_everything_waits_for_the_schema():
    """Nodes, relay and workers start after the migration has succeeded."""
    for name in OURS - {"migrate"}:
        assert services()[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_no_queue_can_starve_another():
    """One worker listens to the queues in the opposite order of the others."""
    queues, reversed_queues = (services()[name]["command"][-1].split(",") for name in ("worker", "worker-low-first"))
    assert queues == reversed_queues[::-1] == list(QUEUES)


def test_nodes_have_time_to_drain():
    """A node is not killed before it has handed its clients over, nor the edge before its last stream has ended."""
    hub, nginx = services()["hub"], services()["nginx"]
    assert hub["environment"]["HUB_DRAIN_SECONDS"] == str(defaults()["drain_seconds"])
    assert seconds(hub["stop_grace_period"]) >= defaults()["drain_seconds"] + 15
    assert seconds(nginx["stop_grace_period"]) > seconds(directive("worker_shutdown_timeout"))
    assert seconds(directive("worker_shutdown_timeout")) > defaults()["drain_seconds"]


def test_edge_agrees_with_the_nodes():
    """Body size and silence mean the same at the edge and in a node."""
    assert directive("client_max_body_size") == f"{defaults()['max_body_bytes'] // 1024}k"
    read_timeouts = re.findall(r"proxy_read_timeout 75s", (ROOT / "nginx/nginx.conf").read_text())
    assert len(read_timeouts) == 2
    assert defaults()["ping_seconds"] * 2 < 75


def test_every_variable_is_a_setting():
    """No name in the deployment is misspelt: each HUB_ variable is a setting of a node or of delivery."""
    text = (ROOT / "docker-compose.yml").read_text() + compose.example_text()
    named = set(re.findall(r"HUB_[A-Z_]+", text))
    settings = {*Settings.model_fields, *DeliverySettings.model_fields}
    assert named - {f"HUB_{field.upper()}" for field in settings} == set()
