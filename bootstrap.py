"""Puts into .venv what the given locks name, and the project itself: `python3 bootstrap.py requirements.lock …`

Called by the Makefile before every task, with a Python that has nothing installed; so: standard library only. What is
there already is left alone. uv does the installing, because it takes 3 seconds where pip takes 30; pip comes first,
because it fetches uv, and steps in where uv does not reach the configured index. Everything is checked against its hash
in a lock, pip's own wheel too. Debian's python3 may lack ensurepip: then pip comes from wherever there is one.
"""

from __future__ import annotations

import configparser
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.json"
TOOLS = "requirements/build.lock"
PROJECT = "pyproject.toml"
PROGRESS_SECONDS = 0.2
FETCH_SECONDS = 60
TAIL_LINES = 30
NO_PIP = f"""{sys.executable} can install nothing: it has neither ensurepip nor pip.
On Debian and Ubuntu: apt install python3-venv, then start again."""
NO_VENV = f"{sys.executable} comes without venv. On Debian and Ubuntu: apt install python3-venv, then start again."


class Failed(Exception):
    """It cannot be installed; the text says why and what to do."""


def main(locks: Sequence[str]) -> None:
    """Bring .venv up to date with the locks."""
    if is_usable() and not missing([TOOLS, *locks, PROJECT]):
        return
    with (ROOT / ".venv.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # two `make` at once take turns
        if not is_usable():
            make_venv()
        if missing([TOOLS]):
            install_tools()
            remember([TOOLS])
        if wanted := missing(locks):
            install(f"installing {' and '.join(wanted)}", ["--require-hashes", *_files(wanted)])
            remember(wanted)
        if missing([PROJECT]):
            install("installing the hub", ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
            remember([PROJECT])
        compile_modules()


# What is there


def is_usable() -> bool:
    """Say whether there is a .venv that works and was made for this very place: its scripts name it."""
    if installed().get("root", str(ROOT)) != str(ROOT):
        return False
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([PYTHON, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def installed() -> dict[str, str]:
    """Return the digests of what is installed, and where that was."""
    try:
        stamp: dict[str, str] = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp


def missing(files: Sequence[str]) -> list[str]:
    """Return the files that have changed since they were installed, or never were."""
    stamp = installed()
    return [file for file in files if stamp.get(file) != _digest(file)]


def remember(files: Sequence[str]) -> None:
    """Note that these files are installed as they are now."""
    STAMP.write_text(json.dumps(installed() | {file: _digest(file) for file in files} | {"root": str(ROOT)}, indent=2))


def _digest(file: str) -> str:
    return hashlib.sha256((ROOT / file).read_bytes()).hexdigest()


def _files(locks: Sequence[str]) -> list[str]:
    return [part for lock in locks for part in ("-r", str(ROOT / lock))]


# Installing


def make_venv() -> None:
    """Make an empty .venv; without pip, which takes ensurepip longer than everything that follows."""
    if importlib.util.find_spec("venv") is None:
        raise Failed(NO_VENV)
    run(
        f"making .venv with Python {sys.version.split()[0]}",
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)],
    )


def install_tools() -> None:
    """Put pip, uv and the build backend into .venv, by the first pip that can."""
    problem = Failed(NO_PIP)
    for pip in find_pips():
        try:
            run("installing pip and uv", [*pip, "install", "--require-hashes", *_files([TOOLS])])
        except Failed as error:
            problem = error
        else:
            return
    raise problem


def install(title: str, arguments: Sequence[str]) -> None:
    """Install with uv, and with pip where uv cannot."""
    try:
        run(title, [str(PYTHON), "-m", "uv", "pip", "install", "--python", str(PYTHON), *arguments], uv_environment())
    except Failed:
        run(f"{title} with pip", [str(PYTHON), "-m", "pip", "install", *arguments])


def compile_modules() -> None:
    """Compile what a start imports, once: uv does not, and where PYTHONDONTWRITEBYTECODE is set no start keeps it."""
    modules = "hub.commands.node, hub.dev.command, delivery.__main__"
    with contextlib.suppress(Failed):  # what cannot be imported says so better when it is used
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        run("compiling", [str(PYTHON), "-c", f"import {modules}"], environment)


def run(title: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Run a command behind a line that shows how long it takes; its output is shown only if it fails."""
    began = time.monotonic()
    live = sys.stdout.isatty()
    if not live:
        print(f"{title} …", flush=True)
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        while process.poll() is None:
            if live:
                print(f"\r\x1b[K{title} … {time.monotonic() - began:.0f} s", end="", flush=True)
            time.sleep(PROGRESS_SECONDS)
        if live:
            print("\r\x1b[K", end="", flush=True)
        if process.returncode != 0:
            output.seek(0)
            tail = "".join(output.readlines()[-TAIL_LINES:])
            raise Failed(f"{title} failed:\n{tail}")


# Finding pip and the index


def find_pips() -> Iterator[list[str]]:
    """Yield every pip that may be able to install into .venv: ours, the machine's, ensurepip's, the index's."""
    if subprocess.run([PYTHON, "-c", "import pip"], capture_output=True, check=False).returncode == 0:
        yield [str(PYTHON), "-m", "pip"]
    if importlib.util.find_spec("pip") is not None:
        yield [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    if importlib.util.find_spec("ensurepip") is not None:
        with contextlib.suppress(Failed):
            run("unpacking pip", [str(PYTHON), "-m", "ensurepip"])
            yield [str(PYTHON), "-m", "pip"]
    for index in configured_indexes():
        with tempfile.TemporaryDirectory() as directory:
            if (wheel := fetch_pip(index, Path(directory))) is not None:
                yield [str(PYTHON), f"{wheel}/pip"]


def configured_indexes() -> list[str]:
    """Return the package indexes that pip is configured with, the main one first."""
    return f"{pip_setting('index-url')} {pip_setting('extra-index-url')}".split()


def pip_setting(name: str) -> str:
    """Return a setting of pip's, from the environment or from pip's own files; empty if there is none."""
    home = Path.home()
    files = configparser.ConfigParser(interpolation=None)
    files.read(["/etc/pip.conf", home / ".pip/pip.conf", home / ".config/pip/pip.conf"])
    in_files = files.get("global", name, fallback="")
    return os.environ.get("PIP_" + name.upper().replace("-", "_"), in_files)


def fetch_pip(index: str, directory: Path) -> Path | None:
    """Fetch the pip that the lock names from an index; None when it is not there or is not what the lock says."""
    entry = re.search(r"^pip==(\S+)((?:\s+\\\s+--hash=sha256:\w+)+)", (ROOT / TOOLS).read_text(), re.MULTILINE)
    assert entry is not None, f"{TOOLS} names no pip"
    name = f"pip-{entry[1]}-py3-none-any.whl"
    page = f"{index.rstrip('/')}/pip/"
    try:
        with urllib.request.urlopen(page, timeout=FETCH_SECONDS) as answer:
            links = re.findall(r'href="([^"#]+)', answer.read().decode())
        link = next(link for link in links if link.endswith(name))
        with urllib.request.urlopen(urllib.parse.urljoin(page, link), timeout=FETCH_SECONDS) as answer:
            content = answer.read()
    except (OSError, StopIteration, ValueError):
        return None
    if hashlib.sha256(content).hexdigest() not in entry[2]:
        return None
    (directory / name).write_bytes(content)
    return directory / name


def uv_environment() -> dict[str, str]:
    """Return the environment with pip's indexes in it under uv's names; hashes make their order harmless."""
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE"}
    from_pip = {uv: " ".join(value.split()) for name, uv in names.items() if (value := pip_setting(name))}
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **from_pip, **os.environ}


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Failed as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
