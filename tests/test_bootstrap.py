"""bootstrap.py: what is installed is left alone, what has changed is not, and a bare Python finds its pip."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import pytest

import bootstrap


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A project of its own, with a .venv that works."""
    (tmp_path / "requirements").mkdir()
    for lock in ("requirements.lock", bootstrap.TOOLS, bootstrap.PROJECT):
        (tmp_path / lock).write_text(lock)
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    for name, value in {
        "ROOT": tmp_path,
        "VENV": venv,
        "PYTHON": venv / "bin" / "python",
        "STAMP": venv / "installed.json",
    }.items():
        monkeypatch.setattr(bootstrap, name, value)
    monkeypatch.setattr(bootstrap, "pip_setting", lambda _name: "")
    return tmp_path


@pytest.fixture
def ran(monkeypatch):
    """The commands that would have run."""
    commands: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "run", lambda _title, command, _environment=None: commands.append(command))
    return commands


def test_nothing_is_installed_twice(root, ran):
    """The second time nothing runs; a changed lock is installed again, and only that."""
    bootstrap.main(["requirements.lock"])
    assert len(ran) == 4
    bootstrap.main(["requirements.lock"])
    assert len(ran) == 4
    (root / "requirements.lock").write_text("changed")
    bootstrap.main(["requirements.lock"])
    assert len(ran) == 6
    assert ran[-2][-1] == str(root / "requirements.lock")
    assert "--require-hashes" in ran[-2]


def test_moved_checkout_gets_a_new_venv(root, ran):
    """The scripts in a .venv name its place; elsewhere they are of no use."""
    bootstrap.remember([])
    bootstrap.STAMP.write_text(json.dumps({"root": "/elsewhere"}))
    bootstrap.make_venv()
    assert not bootstrap.is_usable()
    assert ran == [[sys.executable, "-m", "venv", "--clear", "--without-pip", str(root / ".venv")]]


def test_venv_of_a_vanished_python_is_unusable(root):
    """A .venv whose Python was removed does not count as one."""
    assert bootstrap.is_usable()
    bootstrap.PYTHON.unlink()
    bootstrap.PYTHON.symlink_to(root / "gone")
    assert not bootstrap.is_usable()


def test_uv_failing_is_not_the_end(root, monkeypatch):
    """Where uv cannot install, pip does; where pip cannot either, its words are passed on."""
    tried = []

    def run(_title, command, _environment=None):
        tried.append(command[2])
        if command[2] == "uv" or len(tried) > 2:
            raise bootstrap.Failed(f"{command[2]} failed")

    monkeypatch.setattr(bootstrap, "run", run)
    bootstrap.install("installing", [])
    assert tried == ["uv", "pip"]
    with pytest.raises(bootstrap.Failed, match="pip failed"):
        bootstrap.install("installing", [])


def test_python_without_any_pip_says_what_to_install(root, monkeypatch):
    """Debian's bare python3 has neither ensurepip nor pip: the package that brings it is named."""
    bare(monkeypatch)
    monkeypatch.setattr(bootstrap, "PYTHON", Path("/bin/false"))
    with pytest.raises(bootstrap.Failed, match="apt install python3-venv"):
        bootstrap.install_tools()


@pytest.mark.parametrize(("digest", "found"), [("right", True), ("wrong", False)])
def test_pip_comes_from_the_configured_index(root, tmp_path, monkeypatch, digest, found):
    """The pinned pip comes from the index that pip is configured with, and is run only if it is what the lock says."""
    bare(monkeypatch)
    monkeypatch.setattr(bootstrap, "PYTHON", Path("/bin/false"))
    index = tmp_path / "simple"
    wheel = index / "pip" / "pip-26.3-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    wheel.write_bytes(b"right")
    (wheel.parent / "index.html").write_text(f'<a href="../pip/{wheel.name}#sha256=00">{wheel.name}</a>')
    pin = hashlib.sha256(digest.encode()).hexdigest()
    (root / bootstrap.TOOLS).write_text(f"pip==26.3 \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{pin}\n")
    monkeypatch.setattr(bootstrap, "pip_setting", lambda name: index.as_uri() if name == "index-url" else "")
    # A file index has no server that answers a directory with its page.
    monkeypatch.setattr(bootstrap.urllib.request, "urlopen", opener(bootstrap.urllib.request.urlopen))
    names = [Path(pip[1]).parent.name for pip in bootstrap.find_pips()]
    assert names == ([wheel.name] if found else [])


def test_what_a_start_imports_is_compiled(tmp_path, monkeypatch):
    """What was compiled is kept where the environment says not to, and what is broken can be installed all the same."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(bootstrap, "PYTHON", Path(sys.executable))
    monkeypatch.chdir(tmp_path)
    for name in ("hub/commands/node", "hub/dev/command", "delivery/__main__"):
        for module in (tmp_path / f"{name}.py", *(parent / "__init__.py" for parent in Path(name).parents[:-1])):
            (tmp_path / module).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / module).touch()
    bootstrap.compile_modules()
    compiled = {path.name.partition(".")[0] for path in tmp_path.rglob("*.pyc")}
    assert compiled == {"node", "command", "__main__", "__init__"}
    (tmp_path / "hub/commands/node.py").write_text("import")
    bootstrap.compile_modules()


def test_output_is_shown_only_on_failure(capsys):
    """A step is one line; what it printed is shown when it fails."""
    bootstrap.run("stepping", [sys.executable, "-c", "print('noise')"])
    assert capsys.readouterr().out == "stepping …\n"
    with pytest.raises(bootstrap.Failed, match="stepping failed:\nnoise"):
        bootstrap.run("stepping", [sys.executable, "-c", "print('noise'); exit(1)"])


def test_uv_gets_the_index_of_pip(monkeypatch):
    """An index that only pip is configured with is handed to uv, unless uv has its own."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://packages.example/simple")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    assert bootstrap.uv_environment()["UV_DEFAULT_INDEX"] == "https://packages.example/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://other.example/simple")
    assert bootstrap.uv_environment()["UV_DEFAULT_INDEX"] == "https://other.example/simple"


def bare(monkeypatch) -> None:
    """Take pip and ensurepip away."""
    find_spec = importlib.util.find_spec
    hidden = {"pip", "ensurepip"}
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None if name in hidden else find_spec(name))


def opener(urlopen):
    """Open a directory's page where a directory is asked for."""
    return lambda url, **options: urlopen(url + "index.html" if url.endswith("/") else url, **options)
