"""The ledger of a running installation, verified by hand: by the program that the documentation prints."""

import base64
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

from installation import Installation

PAGE = Path(__file__).parents[3] / "docs/reference/ledger.md"


def test_the_ledger_verifies_by_the_documented_program(tmp_path):
    with Installation(tmp_path) as installation:
        installation.command("sever", "vendor/quillmere", "--reason", "a rehearsal")
    ledger = installation.data / "ledger.sqlite"
    good = verified(ledger)
    assert good.returncode == 0, good.stderr
    assert int(good.stdout.split()[0]) >= 7

    for change in [
        "UPDATE events SET payload = replace(payload, 'rehearsal', 'mistake  ')",
        "UPDATE events SET envelope = replace(envelope, 'severed', 'allowed')",
        "DELETE FROM events WHERE sequence = 3",
    ]:
        bad = verified(changed(ledger, tmp_path / "changed.sqlite", change))
        assert bad.returncode == 1 and "AssertionError" in bad.stderr, change


def test_checkpoints_are_signed_by_the_installations_key(tmp_path):
    with Installation(tmp_path) as installation:
        pass
    public = installation.data / "keys/checkpoint.pub"
    notes = sqlite3.connect(installation.data / "ledger.sqlite").execute("SELECT note FROM checkpoints").fetchall()
    assert notes
    for (note,) in notes:
        text, _, signature = note.partition("\n\n")
        assert signed(tmp_path, public, text + "\n", signature)
        assert not signed(tmp_path, public, text + "x\n", signature)


def verified(ledger: Path) -> subprocess.CompletedProcess:
    program = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL).group(1)
    return subprocess.run([sys.executable, "-c", program, ledger], capture_output=True, text=True)


def changed(ledger: Path, copy: Path, change: str) -> Path:
    shutil.copyfile(ledger, copy)
    connection = sqlite3.connect(copy)
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    # Text functions make text of bytes; the columns take bytes only.
    for column in "payload", "envelope":
        change = change.replace(f"replace({column}", f"CAST(replace({column}")
    change = re.sub(r"(CAST\(.*\))$", r"\1 AS BLOB)", change)
    assert connection.execute(change).rowcount > 0
    connection.commit()
    connection.close()
    return copy


def signed(folder: Path, public: Path, text: str, line: str) -> bool:
    (folder / "text").write_text(text)
    (folder / "signature").write_bytes(base64.b64decode(line.split()[2])[-64:])
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin"]
    done = subprocess.run([*command, "-in", folder / "text", "-sigfile", folder / "signature"], capture_output=True)
    return done.returncode == 0
