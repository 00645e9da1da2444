"""What unmodified clients do with RFC 9470: `insufficient_user_authentication` with `max_age=0`, where a token is bound to nothing.

The gate's answer, word for word, by a server of our own: the second request is asked, and whatever comes with the token that was asked
is asked again; tokens that the gate takes unbound are those of other issuers. Printed: what each of four requests got, and how many tokens were fetched.
"""
import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

os.environ.update(AUTHLIB_INSECURE_TRANSPORT="1", OAUTHLIB_INSECURE_TRANSPORT="1", NO_PROXY="*")
HERE = Path(__file__).resolve().parent
ASK = 'Bearer error="insufficient_user_authentication", error_description="a new token is wanted", max_age="0"'
BODY = json.dumps({"type": "about:blank", "title": "Unauthorized", "status": 401, "reasons": ["challenge_new_context"],
    "detail": "get a new token by a new proof of who you are, and send the request with it"}).encode()


class Gate(BaseHTTPRequestHandler):
    """Issuer and gate in one: tokens are numbered for each client."""

    protocol_version = "HTTP/1.1"
    tokens, asked, requests = {}, {}, {}

    def answer(self, status, body, *fields):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        name = form["client_id"][0]
        self.tokens[name] = number = self.tokens.get(name, 0) + 1
        token = {"access_token": f"{name}.{number}", "token_type": "Bearer", "expires_in": 300}
        self.answer(200, json.dumps(token).encode(), ("Cache-Control", "no-store"))

    def do_GET(self):
        if self.path.startswith("/.well-known"):
            base = f"http://127.0.0.1:{self.server.server_port}"
            meta = {"issuer": base, "token_endpoint": base + "/token", "response_types_supported": []}
            return self.answer(200, json.dumps(meta).encode())
        name, _, number = self.headers.get("authorization", "").removeprefix("Bearer ").partition(".")
        seen = self.requests[name] = self.requests.get(name, 0) + 1
        if seen == 2:
            self.asked[name] = number
        if self.asked.get(name) == number:
            return self.answer(401, BODY, ("WWW-Authenticate", ASK))
        self.answer(200, b"{}")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}"
url, token_url = base + "/parcels", base + "/token"


def four(ask):
    out = []
    for _ in range(4):
        try:
            out.append(ask().status_code)
        except Exception as error:
            out.append(f"{type(error).__name__}: {error}"[:80])
    return out


def oauthlib(name):
    from oauthlib.oauth2 import BackendApplicationClient
    from requests_oauthlib import OAuth2Session
    session = OAuth2Session(client=BackendApplicationClient(client_id=name))
    session.trust_env = False
    session.fetch_token(token_url, client_id=name, client_secret="x", include_client_id=True)
    return four(lambda: session.get(url))


def authlib(kind):
    def run(name):
        if kind == "requests":
            from authlib.integrations.requests_client import OAuth2Session as Client
        else:
            from authlib.integrations.httpx_client import OAuth2Client as Client
        session = Client(name, "x", token_endpoint=token_url, grant_type="client_credentials", token_endpoint_auth_method="client_secret_post")
        session.fetch_token(token_url)
        return four(lambda: session.get(url))
    return run


def google(name):
    import google.auth.credentials
    import requests
    from google.auth.transport.requests import AuthorizedSession

    class Credentials(google.auth.credentials.Credentials):
        def refresh(self, request):
            form = {"grant_type": "client_credentials", "client_id": name, "client_secret": "x"}
            self.token = requests.post(token_url, data=form).json()["access_token"]
    session = AuthorizedSession(Credentials())
    return four(lambda: session.get(url))


def azure(name):
    import time
    import requests
    from azure.core import PipelineClient
    from azure.core.credentials import AccessToken
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy
    from azure.core.rest import HttpRequest

    class Credential:
        def get_token(self, *_, **__):
            form = {"grant_type": "client_credentials", "client_id": name, "client_secret": "x"}
            return AccessToken(requests.post(token_url, data=form).json()["access_token"], int(time.time()) + 3600)
    policy = BearerTokenCredentialPolicy(Credential(), "x")
    client = PipelineClient(base, policies=[RetryPolicy(), policy])
    return four(lambda: client.send_request(HttpRequest("GET", url), enforce_https=False))


def program(*command):
    def run(name):
        done = subprocess.run([*command, base, name], capture_output=True, text=True, cwd=HERE)
        return done.stdout.split() + done.stderr.splitlines()[-3:]
    return run


clients = {
    "requests-oauthlib": oauthlib, "authlib-requests": authlib("requests"), "authlib-httpx": authlib("httpx"), "google-auth": google,
    "azure-core": azure, "openid-client": program("node", "step_up.mjs", "openid-client"),
    "oauth4webapi": program("node", "step_up.mjs", "oauth4webapi"),
}
for name, run in clients.items():
    try:
        got = run(name)
    except Exception as error:
        got = repr(error)
    print(name, got, "tokens", Gate.tokens.get(name))
