"""sslyze, unmodified, against the vendors' port: TLS 1.3 and nothing weak."""

import json
import subprocess
import sys

from installation import Installation

SCANS = """certinfo sslv2 sslv3 tlsv1 tlsv1_1 tlsv1_2 tlsv1_3 compression heartbleed robot openssl_ccs
    fallback reneg early_data resum elliptic_curves ems""".split()
FORWARD_SECRET = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}


def test_the_vendors_port_has_nothing_weak(tmp_path):
    with Installation(tmp_path) as installation:
        found = scan(installation.endpoints["gate"], tmp_path / "found.json")
    for old in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2"]:
        assert accepted(found, old) == set(), old
    assert accepted(found, "tls_1_3") == FORWARD_SECRET
    assert result(found, "tls_compression")["supports_compression"] is False
    assert result(found, "tls_1_3_early_data")["supports_early_data"] is False
    assert result(found, "heartbleed")["is_vulnerable_to_heartbleed"] is False
    assert result(found, "openssl_ccs_injection")["is_vulnerable_to_ccs_injection"] is False
    assert result(found, "session_renegotiation")["is_vulnerable_to_client_renegotiation_dos"] is False
    assert result(found, "robot")["robot_result"].startswith("NOT_VULNERABLE")
    assert result(found, "session_resumption")["session_id_resumption_result"] == "SERVER_IS_TLS_1_3_ONLY"
    curves = result(found, "elliptic_curves")["supported_curves"]
    assert {curve["name"] for curve in curves} <= {"X25519", "prime256v1", "secp256r1", "secp384r1"}
    chain = result(found, "certificate_info")["certificate_deployments"][0]["received_certificate_chain"]
    leaf = chain[0]
    assert leaf["signature_hash_algorithm"]["name"] in {"sha256", "sha384"}
    assert leaf["public_key"]["key_size"] >= 256
    assert result(found, "certificate_info")["certificate_deployments"][0]["received_chain_has_valid_order"] is not False


def scan(url: str, place) -> dict:
    server = url.split("://")[1].rstrip("/").replace("127.0.0.1", "localhost")
    scans = [f"--{name}" for name in SCANS]
    command = [sys.executable, "-W", "ignore", "-m", "sslyze", "--mozilla_config", "disable", "--quiet"]
    command += [*scans, "--json_out", place, server]
    subprocess.run(command, check=True, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
    [found] = json.loads(place.read_text())["server_scan_results"]
    assert found["connectivity_status"] == "COMPLETED" and found["scan_status"] == "COMPLETED", found
    return found["scan_result"]


def result(found: dict, name: str) -> dict:
    assert found[name]["status"] == "COMPLETED", (name, found[name])
    return found[name]["result"]


def accepted(found: dict, version: str) -> set[str]:
    suites = result(found, f"{version}_cipher_suites")["accepted_cipher_suites"]
    return {suite["cipher_suite"]["name"] for suite in suites}
