"""A client of Authlib replaces its key: both are good for the overlap, and then the new one only."""

import time
from datetime import datetime

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey

from certificates import self_signed
from installation import Installation
from test_authlib import discover, fetch_token, get, key_session, passes, refused_at_the_gate

OVERLAP_SECONDS = 4


@pytest.fixture
def installation(tmp_path):
    with Installation(tmp_path) as running:
        integration = {
            "contract": "quillmere-paper",
            "purpose": "Reads where parcels are",
            "routes": ["parcels"],
            "scopes": ["parcels.read"],
            "keys": {"overlap_seconds": OVERLAP_SECONDS},
            "limits": {"requests": {"per_second": 100_000, "burst": 100_000}},
        }
        running.declare("Integration", "quillmere-parcels", integration)
        yield running


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_a_key_is_replaced_and_the_old_one_refused_at_its_second(installation, tmp_path, algorithm):
    generate = lambda: ECKey.generate_key("P-256") if algorithm == "ES256" else OKPKey.generate_key("Ed25519")
    old, new = generate(), generate()
    identity = self_signed(tmp_path, "quillmere")
    before = key_session(installation, "quillmere", algorithm, old, identity)
    fetch_token(installation, before)
    passes(installation, before)
    proof = key_proof(installation, "quillmere", algorithm, new, old)
    rotated = rotate(installation, before, proof)
    assert rotated.status_code == 200, rotated.text
    body = rotated.json()
    assert (body["key"], body["replaces"]) == (new.thumbprint(), old.thumbprint())
    # The answer was lost.
    assert rotate(installation, before, proof).json() == body
    after = session_of(installation, "quillmere", algorithm, new, identity)
    fetch_token(installation, after)
    ends = datetime.fromisoformat(body["replaces_until"]).timestamp()
    asked = 0
    while True:
        sent = time.time()
        try:
            answer = get(installation, before)
        except requests.RequestException:
            # What is under way at a key's end is reset.
            assert time.time() >= ends, "it was reset before its end"
            continue
        if answer.status_code == 401:
            break
        assert answer.status_code == 200, answer.text
        assert sent < ends, "the old key passed after its end"
        passes(installation, after)
        asked += 2
    assert asked > 10 and time.time() >= ends, "it was refused before its end"
    refused_at_the_gate(answer, "client_key_ended")
    with pytest.raises(OAuthError) as refusal:
        fetch_token(installation, before)
    assert refusal.value.error == "invalid_client"
    passes(installation, after)


def session_of(installation, name, algorithm, key, identity):
    """A session with a key that no manifest names."""
    from authlib.integrations.requests_client import OAuth2Session
    from authlib.oauth2.rfc7523 import PrivateKeyJWT

    from test_authlib import connected

    session = OAuth2Session(name, key, token_endpoint_auth_method="private_key_jwt", scope="parcels.read")
    session.register_client_auth_method(PrivateKeyJWT(discover(installation)["token_endpoint"], alg=algorithm))
    return connected(installation, session, identity)


def key_proof(installation, client, algorithm, new, old) -> str:
    now = int(time.time())
    header = {"alg": algorithm, "typ": "portcullis-next-key+jwt", "jwk": new.as_dict(private=False)}
    claims = {
        "iss": client,
        "sub": client,
        "aud": discover(installation)["issuer"],
        "iat": now,
        "exp": now + 60,
        "jti": str(time.time_ns()),
        "cur": old.thumbprint(),
    }
    return jwt.encode(header, claims, new, algorithms=[algorithm])


def rotate(installation, session, proof):
    """The library's own client authentication, with the proof beside it."""
    server = discover(installation)
    auth = session.client_auth("private_key_jwt")
    url, headers, body = auth.prepare("POST", server["portcullis_key_endpoint"], {}, f"next_key={proof}")
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return requests.post(url, data=body, headers=headers, verify=installation.endpoints["ca"], timeout=30)
