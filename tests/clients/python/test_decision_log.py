"""Sealed decisions of a running installation, read as they are by DuckDB, and by the statements that the page prints."""

import hashlib
import json
import re
import subprocess
from datetime import datetime
from pathlib import Path

import duckdb

from installation import Installation

PAGE = Path(__file__).parents[3] / "docs/reference/decision-log.md"
CALLS = 5


def test_duckdb_reads_sealed_decisions_as_they_are(tmp_path, monkeypatch):
    with Installation(tmp_path) as installation:
        keys = tmp_path / "keys"
        enroll = ["client", "enroll", "robot", "--integration", "quillmere-parcels", "--generate", keys]
        installation.command(*enroll)
        for _ in range(CALLS):
            installation.command("call", "GET", "/parcels", "--client", "robot", "--key", keys / "robot.pem")
        refused = [installation.binary, "call", "GET", "/nowhere", "--client", "robot", "--key", keys / "robot.pem"]
        subprocess.run(refused, env={"PORTCULLIS_DIR": str(installation.data)}, capture_output=True)
        installation.command("decisions", "seal")
        said = json.loads(installation.command("decisions", "--limit", "1000", "-o", "json"))["items"]
        files = json.loads(installation.command("decisions", "files", "-o", "json"))["items"]
        assert "GOOD" in installation.command("decisions", "verify")

    archive = installation.data / "archive"
    for file in files:
        content = (archive / file["file"]).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file["sha256"], file["bytes"])
    assert sum(file["rows"] for file in files) == len(said) > CALLS

    monkeypatch.chdir(installation.data)
    columns = "id, epoch_us(time), vendor::text, client::text, verdict, reason, method, path, peer, scope"
    outcome = "ending, outcome_reason, status, response_bytes, records, duration_us"
    risk = "score_milli, would, cause"
    read = duckdb.sql(f"select {columns}, {outcome}, {risk} from 'archive/*/decisions-*.parquet' order by id").fetchall()
    assert [tuple(row) for row in read] == sorted(map(row_of, said))

    # The page's own statements, about the vendor and the day that there are.
    vendor = next(decision["vendor"] for decision in said if decision["vendor"])
    page = PAGE.read_text()
    day = re.search(r"date=\d{4}-\d\d-\d\d", page).group()
    statements = re.search(r"```sql\n(.*?)```", page, re.DOTALL).group(1)
    statements = re.sub(r"vendor = '[^']*'", f"vendor = '{vendor}'", statements).replace(day, "*")
    statements = [statement for statement in statements.split(";") if statement.strip()]
    assert len(statements) == 6
    # No outcome came late: the files of those are made of nothing else than what they would be.
    duckdb.sql("copy (select id, outcome_reason from 'archive/*/decisions-*.parquet' limit 0) to 'none.parquet'")
    for statement in statements:
        rows = duckdb.sql(statement.replace("archive/*/outcomes-*.parquet", "none.parquet")).fetchall()
        assert rows or any(word in statement for word in ("deny", "would", "tunnel")), statement


def row_of(decision: dict) -> tuple:
    outcome = decision.get("outcome") or {}
    risk = decision.get("risk")
    score = risk and round(risk["score"] * 1000)
    names = "ending", "reason", "status", "response_bytes", "records", "duration_us"
    return (
        decision["id"],
        microseconds(decision["time"]),
        decision["vendor"],
        decision["client"],
        decision["verdict"],
        decision["reason"],
        decision["method"],
        decision["path"],
        decision["peer"],
        " ".join(decision["scope"]),
        *(outcome.get(name) for name in names),
        *((score, risk["would"], risk["cause"]) if risk else (None, None, None)),
    )


def microseconds(instant: str) -> int:
    """Of RFC 3339 text with up to nine digits, rounded down as sealed files do."""
    whole, _, fraction = instant.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * 1_000_000 + int(fraction.ljust(9, "0")[:6] or 0)
