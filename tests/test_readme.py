"""The README keeps its word: its table of settings is the one the code has."""

import re
from pathlib import Path

from click.testing import CliRunner

from delivery.config import DeliverySettings
from hub.__main__ import hub
from hub.commands.settings import BEGIN, END, table
from hub.config import Settings

README = Path(__file__).parent.parent / "README.md"


def rows(text):
    """Read a table's rows by their variable."""
    return {row[0]: row for row in re.findall(r"^\| `(HUB_\w+)` \| (.+) \| (.+) \| (\w+) \|$", text, re.MULTILINE)}


def test_every_setting_is_in_the_readme_with_its_default():
    """No variable is missing, superfluous or out of date; `hub settings --into README.md` brings them in line."""
    stated = README.read_text().partition(BEGIN)[2].partition(END)[0]
    written, known = rows(stated), rows(table())
    differing = [name for name in written | known if written.get(name) != known.get(name)]
    wrong = {name: (written.get(name), known.get(name)) for name in differing}
    assert not wrong, f"README says, code says; run `hub settings --into README.md`: {wrong}"
    assert stated == table()


def test_the_table_has_every_field_once():
    """What the processes read is what the table lists."""
    fields = {f"HUB_{name.upper()}" for kind in (Settings, DeliverySettings) for name in kind.model_fields}
    assert rows(table()).keys() == fields
    assert all(meaning.strip() for _, _, meaning, _ in rows(table()).values())


def test_the_table_can_be_replaced_in_a_file(tmp_path):
    """`--into` changes what stands between the marks, and nothing else; a file without marks is refused."""
    file = tmp_path / "README.md"
    file.write_text(f"before\n{BEGIN}old\n{END}\nafter\n")
    assert CliRunner().invoke(hub, ["settings", "--into", str(file)]).exit_code == 0
    assert file.read_text() == f"before\n{BEGIN}{table()}{END}\nafter\n"
    file.write_text("no marks")
    assert CliRunner().invoke(hub, ["settings", "--into", str(file)]).exit_code == 2
    assert file.read_text() == "no marks"
