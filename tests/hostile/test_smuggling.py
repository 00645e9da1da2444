"""smugglex, unmodified, with good credentials: it finds nothing, and nothing odd reaches the upstream."""

import json
import os
import shutil
import subprocess

import pytest
import requests

from certificates import authority, issued, self_signed
from installation import Installation
from relays import LendingRelay
from upstream import RecordingUpstream

SMUGGLEX = os.environ.get("PORTCULLIS_SMUGGLEX") or shutil.which("smugglex")
CHECKS = "cl-te,te-cl,te-te,h2c,h2,cl-edge,cl-0,0-cl,parser-discrepancy,h2-downgrade"


class Recorded(Installation):
    def __init__(self, folder):
        super().__init__(folder)
        self.upstream.server_close()
        self.upstream = RecordingUpstream()


@pytest.mark.skipif(not SMUGGLEX, reason="smugglex is not installed: `cargo install smugglex`")
def test_smugglex_finds_nothing(tmp_path):
    with Recorded(tmp_path) as installation:
        machine = self_signed(tmp_path, "quillmere")
        installation.command("client", "enroll", "quillmere", "--integration", "quillmere-parcels", "--cert", machine.files[0])
        allow_posts(installation)
        token = access_token(installation, machine)
        host, port = installation.endpoints["gate"].split("://")[1].rstrip("/").rsplit(":", 1)
        own = issued(tmp_path, "localhost", authority(tmp_path, "Relay CA"))
        with LendingRelay((host, int(port)), installation.endpoints["ca"], machine.files, own.files) as relay:
            findings = scan(f"https://127.0.0.1:{relay.port}/parcels", token, tmp_path / "found.json")
            assert relay.connections > 1_000, f"it has hardly tried: {relay.connections} connections"
        asked = installation.upstream.requests
        # Good ones passed: it was tried with credentials, and not at a closed door.
        assert ("GET", "/parcels") in asked or ("POST", "/parcels") in asked
        assert installation.upstream.faults == []
        assert {target.split("?")[0] for _, target in asked} == {"/parcels"}
        assert {method for method, _ in asked} <= {"GET", "POST"}
        print(f"smugglex: {relay.connections} connections, {len(asked)} requests passed, {len(findings)} checks")


def scan(url: str, token: str, place) -> list[dict]:
    command = [SMUGGLEX, url, "--insecure", "--timeout", "2", "--checks", CHECKS, "--quiet", "--no-color"]
    # Without a number it gives up on a kind that was refused a few times.
    command += ["--max-payloads", "1000"]
    command += ["--header", f"Authorization: Bearer {token}", "--output", place]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    checks = json.loads(place.read_text())["checks"]
    assert {check["check_type"] for check in checks if check["vulnerable"]} == set()
    failed = [check for check in checks if check["normal_status"] == "CHECK_FAILED"]
    assert failed == []
    assert len(checks) >= 8
    return checks


def allow_posts(installation):
    route = {"upstream": "parcels", "methods": ["GET", "POST"], "path": "/parcels", "scope": "parcels.read", "records": "/parcels"}
    manifest = {"kind": "Route", "name": "parcels", "spec": route}
    installation.command("apply", "-f", installation.file("route.json", json.dumps(manifest)))


def access_token(installation, machine) -> str:
    server = requests.get(installation.endpoints["gate"] + "/.well-known/oauth-authorization-server", verify=installation.endpoints["ca"], timeout=30).json()
    asked = {"grant_type": "client_credentials", "client_id": "quillmere", "scope": "parcels.read"}
    answer = requests.post(server["token_endpoint"], data=asked, cert=machine.files, verify=installation.endpoints["ca"], timeout=30)
    answer.raise_for_status()
    return answer.json()["access_token"]
