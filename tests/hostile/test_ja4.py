"""JA4 of the gate is JA4 of `ja4plus`, for clients as they are; its context key outlives TLS resumption."""

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import requests
from ja4plus.fingerprinters.ja4 import generate_ja4
from ja4plus.utils.tls_utils import parse_tls_handshake

from installation import Installation
from relays import KeepingRelay

# Padding, session ticket, pre-shared key and early data: what a resumption changes.
CHANGING = {0x0015, 0x0023, 0x0029, 0x002A}
PRE_SHARED_KEY = 0x0029


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    with Installation(tmp_path_factory.mktemp("installation")) as running:
        yield running


@pytest.fixture
def relay(installation):
    host, port = installation.endpoints["gate"].split("://")[1].rstrip("/").rsplit(":", 1)
    with KeepingRelay((host, int(port))) as running:
        yield running


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl(installation, relay):
    url = url_of(relay)
    once = ["curl", "--silent", "--show-error", "--include", "--cacert", installation.endpoints["ca"]]
    for options in [[], ["--http1.1"], ["--no-alpn"], ["--tls13-ciphers", "TLS_AES_128_GCM_SHA256"], ["--curves", "P-256"]]:
        check(installation, relay, decisions(output([*once, *options, url])))
    # Both in one process, on connections of their own: the second one is resumed.
    closing = [*once, "--http1.1", "--header", "Connection: close"]
    check_resumed(installation, relay, decisions(output([*closing, url, url])))


def test_python_ssl(installation, relay):
    context = ssl.create_default_context(cafile=installation.endpoints["ca"])
    check(installation, relay, [asked(relay, context)[0]])
    context.set_alpn_protocols(["http/1.1"])
    check(installation, relay, [asked(relay, context)[0]])
    first, session, _ = asked(relay, context)
    second, _, is_resumed = asked(relay, context, session)
    assert is_resumed
    check_resumed(installation, relay, [first, second])


def test_urllib_and_requests(installation, relay):
    context = ssl.create_default_context(cafile=installation.endpoints["ca"])
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(url_of(relay), context=context, timeout=30)
    check(installation, relay, [refusal.value.headers["Portcullis-Decision"]])
    answer = requests.get(url_of(relay), verify=installation.endpoints["ca"], timeout=30)
    check(installation, relay, [answer.headers["Portcullis-Decision"]])


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_node(installation, relay):
    program = Path(__file__).parent / "client.mjs"
    said = output(["node", program, url_of(relay), installation.endpoints["ca"]])
    requests = [json.loads(line) for line in said.splitlines()]
    assert [request["resumed"] for request in requests] == [False, True]
    check_resumed(installation, relay, [request["decision"] for request in requests])


def check(installation, relay, ids: list[str]):
    """The last connections made these decisions; gives their records."""
    records = [json.loads(installation.command("explain", id, "--output", "json")) for id in ids]
    hellos = relay.hellos[-len(ids) :]
    assert len(records) == len(hellos) > 0
    for record, hello in zip(records, hellos):
        found = parse_tls_handshake(hello)
        assert record["ja4"] == generate_ja4(found)
        kept = [extension for extension in found["extensions"] if extension not in CHANGING]
        assert record["ja4_context"] == generate_ja4({**found, "extensions": kept})
    return records


def check_resumed(installation, relay, ids: list[str]):
    """The second of two connections was a resumption of the first."""
    first, second = check(installation, relay, ids)
    offered = [PRE_SHARED_KEY in parse_tls_handshake(hello)["extensions"] for hello in relay.hellos[-2:]]
    assert offered == [False, True]
    assert first["ja4"] != second["ja4"]
    assert first["ja4_context"] == second["ja4_context"]


def asked(relay, context, session=None):
    """Decision, session and whether it was resumed, of one request on a connection of its own."""
    connection = http.client.HTTPSConnection("localhost", relay.port, context=context, timeout=30)
    tcp = socket.create_connection(("127.0.0.1", relay.port), timeout=30)
    connection.sock = context.wrap_socket(tcp, server_hostname="localhost", session=session)
    connection.request("GET", "/parcels")
    answer = connection.getresponse()
    answer.read()
    found = answer.headers["Portcullis-Decision"], connection.sock.session, connection.sock.session_reused
    connection.close()
    return found


def url_of(relay) -> str:
    return f"https://localhost:{relay.port}/parcels"


def output(command) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def decisions(text: str) -> list[str]:
    lines = [line.split(": ", 1) for line in text.splitlines() if ": " in line]
    return [value.strip() for name, value in lines if name.lower() == "portcullis-decision"]
