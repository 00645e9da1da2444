"""One running installation for one test: `portcullis up` in a folder of its own, and the upstream behind it."""

import json
import os
import signal
import subprocess
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

START_SECONDS_MAX = 60
PARCELS = [{"id": "p-1", "status": "sorted"}, {"id": "p-2", "status": "delivered"}]


class Installation:
    """Use as a context: it starts with it and is stopped with it."""

    def __init__(self, folder: Path):
        self.binary = Path(os.environ["PORTCULLIS_BIN"]).resolve()
        self.folder = folder
        self.data = folder / "data"
        self.upstream = ThreadingHTTPServer(("127.0.0.1", 0), _Parcels)
        self.upstream.seen = []

    def __enter__(self):
        threading.Thread(target=self.upstream.serve_forever, daemon=True).start()
        manifests = self.file("manifests.yaml", _manifests(self.upstream.server_port))
        listen = ["--listen-gate", "127.0.0.1:0", "--listen-control", "127.0.0.1:0", "--stops", "observe"]
        log = open(self.folder / "stderr.log", "wb")
        self.process = subprocess.Popen(
            [self.binary, "up", "--dir", self.data, *listen, "-f", manifests],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=_environment(),
        )
        log.close()
        self.endpoints = self._ready()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.upstream.shutdown()
        self.upstream.server_close()

    def _ready(self) -> dict:
        """`up` prints its endpoints when it is ready, after it has written them."""
        late = threading.Timer(START_SECONDS_MAX, self.process.kill)
        late.start()
        try:
            for _ in self.process.stdout:
                file = self.data / "endpoints.json"
                if file.exists():
                    # Whatever it prints from now on is read away, so that it never waits for us.
                    threading.Thread(target=self.process.stdout.read, daemon=True).start()
                    return json.loads(file.read_text())
        finally:
            late.cancel()
        raise RuntimeError("`up` ended before it was ready:\n" + (self.folder / "stderr.log").read_text())

    def file(self, name: str, text: str) -> Path:
        place = self.folder / name
        place.write_text(text)
        return place

    def command(self, *words) -> str:
        env = {**_environment(), "PORTCULLIS_DIR": str(self.data)}
        done = subprocess.run([self.binary, *words], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def declare(self, kind: str, name: str, spec: dict):
        manifest = {"kind": kind, "name": name, "spec": spec}
        self.command("apply", "-f", self.file(f"{name}.json", json.dumps(manifest)))

    def declare_client(self, name: str, **spec):
        self.declare("Client", name, {"integration": "quillmere-parcels", **spec})


class _Parcels(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append({name.lower(): value for name, value in self.headers.items()})
        body = json.dumps({"parcels": PARCELS}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def _environment() -> dict:
    """Ours without what would send the command line elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PORTCULLIS_")}


def _manifests(port: int) -> str:
    year = date.today().year
    contract = {"vendor": "quillmere", "starts": f"{year - 1}-01-01", "ends": f"{year + 1}-12-31", "time_zone": "UTC"}
    route = {"upstream": "parcels", "methods": ["GET"], "path": "/parcels", "scope": "parcels.read", "records": "/parcels"}
    integration = {
        "contract": "quillmere-paper",
        "purpose": "Reads where parcels are",
        "routes": ["parcels"],
        "scopes": ["parcels.read"],
    }
    documents = [
        {"kind": "Vendor", "name": "quillmere", "spec": {"legal_name": "Quillmere Logistics GmbH"}},
        {"kind": "Contract", "name": "quillmere-paper", "spec": contract},
        {"kind": "Upstream", "name": "parcels", "spec": {"url": f"http://127.0.0.1:{port}"}},
        {"kind": "Route", "name": "parcels", "spec": route},
        {"kind": "Integration", "name": "quillmere-parcels", "spec": integration},
    ]
    # JSON is YAML, and YAML may hold many documents.
    return "\n---\n".join(json.dumps(document) for document in documents)
