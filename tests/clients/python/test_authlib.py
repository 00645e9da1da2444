"""Authlib, unmodified, against a running installation: it knows no DPoP, so its tokens are bound to certificates.

`PORTCULLIS_BIN=target/debug/portcullis pytest tests/clients/python`, or `make test-clients`.
"""

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey, OKPKey, RSAKey

from certificates import authority, issued, self_signed
from installation import PARCELS, Installation


@pytest.fixture
def installation(tmp_path):
    with Installation(tmp_path) as running:
        yield running


def test_private_key_jwt_with_the_token_endpoint_as_audience(installation, tmp_path):
    for algorithm, key in [
        ("ES256", ECKey.generate_key("P-256")),
        ("EdDSA", OKPKey.generate_key("Ed25519")),
        ("PS256", RSAKey.generate_key(2048)),
    ]:
        name = f"quillmere-{algorithm.lower()}"
        session = key_session(installation, name, algorithm, key, self_signed(tmp_path, name))
        fetch_token(installation, session)
        passes(installation, session)


def test_an_assertion_for_the_token_endpoint_needs_the_setting(installation, tmp_path):
    key = ECKey.generate_key("P-256")
    session = key_session(installation, "quillmere", "ES256", key, self_signed(tmp_path, "quillmere"), audience="issuer")
    refused_at_the_token_endpoint(installation, session)


def test_a_token_needs_a_key_to_be_bound_to(installation, tmp_path):
    key = ECKey.generate_key("P-256")
    session = key_session(installation, "quillmere", "ES256", key, identity=None)
    with pytest.raises(OAuthError):
        fetch_token(installation, session)


def test_tls_client_auth(installation, tmp_path):
    session = subject_session(installation, tmp_path)
    fetch_token(installation, session)
    passes(installation, session)


def test_tls_client_auth_takes_only_the_registered_subject_and_authority(installation, tmp_path):
    session = subject_session(installation, tmp_path)
    fetch_token(installation, session)
    vendor = session.vendor
    for impostor in [
        issued(tmp_path, "another", vendor),
        issued(tmp_path, "gateway", authority(tmp_path, "Another CA")),
        self_signed(tmp_path, "gateway"),
    ]:
        refused_at_the_token_endpoint(installation, tls_session(installation, "quillmere", impostor))


def test_self_signed_tls_client_auth(installation, tmp_path):
    identity = self_signed(tmp_path, "quillmere")
    session = self_signed_session(installation, identity)
    fetch_token(installation, session)
    passes(installation, session)
    stranger = tls_session(installation, "quillmere", self_signed(tmp_path, "quillmere"))
    refused_at_the_token_endpoint(installation, stranger)


def test_introspection_and_revocation(installation, tmp_path):
    session = self_signed_session(installation, self_signed(tmp_path, "quillmere"))
    server = discover(installation)
    token = fetch_token(installation, session)["access_token"]
    introspect = lambda: session.introspect_token(server["introspection_endpoint"], token=token).json()
    found = introspect()
    assert found["active"] is True
    assert found["scope"] == "parcels.read"
    assert "x5t#S256" in found["cnf"]
    assert session.revoke_token(server["revocation_endpoint"], token=token).status_code == 200
    assert introspect() == {"active": False}
    refused_at_the_gate(get(installation, session), "token_revoked")


def test_a_token_without_its_certificate_is_refused(installation, tmp_path):
    session = self_signed_session(installation, self_signed(tmp_path, "quillmere"))
    token = fetch_token(installation, session)
    refused_at_the_gate(get(installation, thief(installation, token, None)), "certificate_missing")
    refused_at_the_gate(get(installation, thief(installation, token, self_signed(tmp_path, "quillmere"))), "certificate_wrong")
    passes(installation, session)


# A client that is registered, and a session of Authlib for it.


def key_session(installation, name, algorithm, key, identity, audience="token_endpoint"):
    jwks = {"keys": [key.as_dict(private=False)]}
    installation.declare_client(name, jwks=jwks, assertion_audience=audience)
    session = OAuth2Session(name, key, token_endpoint_auth_method="private_key_jwt", scope="parcels.read")
    endpoint = discover(installation)["token_endpoint"]
    session.register_client_auth_method(PrivateKeyJWT(endpoint, alg=algorithm))
    return connected(installation, session, identity)


def subject_session(installation, folder):
    vendor = authority(folder, "Quillmere CA")
    subject = {"certificate_authority": vendor.pem, "dn": "CN=gateway,O=Quillmere"}
    installation.declare_client("quillmere", subject=subject)
    session = tls_session(installation, "quillmere", issued(folder, "gateway", vendor))
    session.vendor = vendor
    return session


def self_signed_session(installation, identity):
    place = identity.files[0]
    installation.command("client", "enroll", "quillmere", "--integration", "quillmere-parcels", "--cert", place)
    return tls_session(installation, "quillmere", identity)


def tls_session(installation, name, identity):
    # RFC 8705 has the client send its id alone, which is Authlib's method `none`.
    session = OAuth2Session(
        name,
        token_endpoint_auth_method="none",
        revocation_endpoint_auth_method="none",
        scope="parcels.read",
    )
    return connected(installation, session, identity)


def thief(installation, token, identity):
    return connected(installation, OAuth2Session("quillmere", token=dict(token)), identity)


def connected(installation, session, identity):
    session.trust_env = False
    session.verify = installation.endpoints["ca"]
    session.cert = identity.files if identity else None
    return session


# What a session does.


def discover(installation) -> dict:
    url = installation.endpoints["issuer"].rstrip("/") + "/.well-known/oauth-authorization-server"
    answer = requests.get(url, verify=installation.endpoints["ca"], timeout=30)
    answer.raise_for_status()
    return answer.json()


def fetch_token(installation, session):
    endpoint = discover(installation)["token_endpoint"]
    token = session.fetch_token(endpoint, grant_type="client_credentials")
    assert token["token_type"].lower() == "bearer"
    return token


def get(installation, session):
    return session.get(installation.endpoints["gate"].rstrip("/") + "/parcels", timeout=30)


def passes(installation, session):
    answer = get(installation, session)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"parcels": PARCELS}
    seen = installation.upstream.seen[-1]
    assert "authorization" not in seen
    assert seen["portcullis-decision"] == answer.headers["Portcullis-Decision"]


def refused_at_the_gate(answer, reason):
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ") and 'error="invalid_token"' in challenge
    assert answer.json()["reasons"] == [reason]
    assert answer.json()["instance"].endswith(answer.headers["Portcullis-Decision"])


def refused_at_the_token_endpoint(installation, session):
    with pytest.raises(OAuthError) as refusal:
        fetch_token(installation, session)
    assert refusal.value.error == "invalid_client"
