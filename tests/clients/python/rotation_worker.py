"""One machine of a vendor at a steady pace, while its certificate and the gate's keys are exchanged: Authlib, mutual TLS.

Reads commands as lines of JSON from its standard input, and answers on its standard output.
"""

import hashlib
import json
import sys
import threading
import time
import uuid
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import requests
from authlib.integrations.requests_client import OAuth2Session
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jwt
from joserfc.jwk import ECKey

from certificates import self_signed

THREADS = 4
# A token serves this long; then the next is got, as a machine with short tokens would.
TOKEN_SECONDS = 2
# Connections are given up this often, so that the gate's newest certificate is met.
CONNECTION_SECONDS = 3


def say(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Worker:
    def __init__(self, issuer, gate, ca, name, certificate, key, rate, folder):
        self.url, self.ca, self.name, self.rate = gate.rstrip("/") + "/parcels", ca, name, rate
        self.folder = Path(folder)
        self.files = (certificate, key)
        self.metadata = requests.get(
            issuer.rstrip("/") + "/.well-known/oauth-authorization-server", verify=ca, timeout=30
        ).json()
        self.lock = threading.Lock()
        self.passed = self.tokens = 0
        self.failures = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(THREADS)]

    def start(self):
        for thread in self.threads:
            thread.start()
        say(started=True)

    def session(self, files):
        """RFC 8705 has the client send its id alone, which is Authlib's method `none`."""
        # By itself Authlib takes a token for expired a minute early, which those of a key that ends soon never outlive.
        session = OAuth2Session(self.name, token_endpoint_auth_method="none", scope="parcels.read", leeway=0)
        session.trust_env, session.verify, session.cert = False, self.ca, files
        session.fetch_token(self.metadata["token_endpoint"], grant_type="client_credentials")
        with self.lock:
            self.tokens += 1
        return session

    def work(self):
        session, files, made, token_at = None, None, 0.0, 0.0
        pause = THREADS / self.rate
        due = time.monotonic()
        while not self.stopping.is_set():
            due += pause
            late = due - time.monotonic()
            if late > 0:
                self.stopping.wait(late)
            try:
                now = time.monotonic()
                if session is None or files != self.files or now - made > CONNECTION_SECONDS:
                    files, made, token_at = self.files, now, now
                    session = self.session(files)
                elif now - token_at > TOKEN_SECONDS:
                    token_at = now
                    session.fetch_token(self.metadata["token_endpoint"], grant_type="client_credentials")
                    with self.lock:
                        self.tokens += 1
                answer = session.get(self.url, timeout=30)
                if answer.status_code != 200:
                    self.failed(f"{answer.status_code} {answer.text[:300]}")
                    continue
                with self.lock:
                    self.passed += 1
            except Exception as error:
                session = None
                self.failed(repr(error))

    def failed(self, error):
        with self.lock:
            self.failures.append({"error": error, "at": time.time()})

    def rotate(self):
        """Registers a next certificate with a proof of both, and works with it from then on."""
        old = self.files
        new = self_signed(self.folder, self.name).files
        answer = self.register(old, new)
        # The old one is good for tokens until its end, too.
        token = self.session(old).token["access_token"]
        self.files = new
        say(rotated=True, answer=answer)
        threading.Thread(target=self.watch, args=(old, token, answer), daemon=True).start()

    def register(self, old, new):
        answer = requests.post(
            self.metadata["portcullis_key_endpoint"],
            data={"client_id": self.name, "next_key": self.next_key(old, new)},
            cert=old,
            verify=self.ca,
            timeout=30,
        )
        if answer.status_code != 200:
            raise RuntimeError(f"{answer.status_code} {answer.text}")
        return answer.json()

    def next_key(self, old, new):
        """Signed by the next certificate's key: that whoever registers it holds it."""
        now = int(time.time())
        header = {"typ": "portcullis-next-key+jwt", "alg": "ES256", "x5c": [b64encode(der(new[0])).decode()]}
        claims = {
            "iss": self.name,
            "sub": self.name,
            "aud": self.metadata["issuer"],
            "iat": now,
            "exp": now + 60,
            "jti": str(uuid.uuid4()),
            "cur": thumbprint(old[0]),
        }
        return jwt.encode(header, claims, ECKey.import_key(Path(new[1]).read_text()), registry=None)

    def watch(self, old, token, answer):
        """Asks with the old certificate's token over and over, until it is refused; Authlib itself would not send it."""
        session = requests.Session()
        session.trust_env, session.verify, session.cert = False, self.ca, old
        session.headers["Authorization"] = f"Bearer {token}"
        last = 0.0
        while True:
            sent = time.time()
            try:
                reply = session.get(self.url, timeout=30)
            except requests.RequestException:
                # What is under way at the end of a key is reset: no answer, and no acceptance.
                continue
            if reply.status_code == 200:
                last = sent
                self.stopping.wait(0.02)
                continue
            refused = time.time()
            asked = {"grant_type": "client_credentials", "client_id": self.name}
            again = session.post(self.metadata["token_endpoint"], data=asked, headers={"Authorization": None}, timeout=30)
            say(
                ended={
                    "ends_at": answer["replaces_until"],
                    "last_accepted_sent": last * 1_000,
                    "first_refused": refused * 1_000,
                    "reasons": reply.json().get("reasons"),
                    "token_endpoint": [again.status_code, again.json().get("reasons")],
                }
            )
            return

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        say(stopped=True, passed=self.passed, tokens=self.tokens, failed=len(self.failures), failures=self.failures[:20])


def der(file):
    return x509.load_pem_x509_certificate(Path(file).read_bytes()).public_bytes(Encoding.DER)


def thumbprint(file):
    return urlsafe_b64encode(hashlib.sha256(der(file)).digest()).rstrip(b"=").decode()


worker = None
for line in sys.stdin:
    command = json.loads(line)
    try:
        if "start" in command:
            worker = Worker(**command["start"])
            worker.start()
        elif "rotate" in command:
            worker.rotate()
        elif "stop" in command:
            worker.stop()
            break
    except Exception as error:
        say(broken=repr(error))
