"""Exchanges every key of an installation while unmodified clients are at work, and counts what fails.

    tests/clients/rotation/run.py [--rate 1000] [--seconds 40] [--short]

Half of the machines are oauth4webapi (`private_key_jwt`, DPoP), half Authlib (self-signed certificates). Meanwhile the
signing key is rotated, the gate's certificate is renewed, and each client registers its next key. Not one request may
fail; each old key must be refused from the second on that was told; a replayed rotation must be seen.
"""

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
NODE, PYTHON = HERE.parent / "node", HERE.parent / "python"
sys.path.insert(0, str(PYTHON))

OVERLAP_SECONDS = 8
# The clients' clocks are the gate's own; this is for the way there and back.
LATE_MS_MAX = 1_000


def main():
    sys.stdout.reconfigure(line_buffering=True)
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rate", type=int, default=1_000, help="requests a second, over all machines")
    arguments.add_argument("--seconds", type=int, default=40, help="how long they work")
    arguments.add_argument("--short", action="store_true", help="100 requests a second, 20 seconds")
    options = arguments.parse_args()
    rate, seconds = (100, 20) if options.short else (options.rate, options.seconds)
    with tempfile.TemporaryDirectory(prefix="portcullis-rotation-") as folder:
        sys.exit(0 if Run(Path(folder), rate, seconds).run() else 1)


class Run:
    def __init__(self, folder, rate, seconds):
        self.folder, self.rate, self.seconds = folder, rate, seconds
        self.binary = Path(os.environ["PORTCULLIS_BIN"]).resolve()
        self.data = folder / "data"
        self.faults = []
        self.machines = []

    def run(self):
        upstream = Process(["node", NODE / "rotation_upstream.mjs"])
        try:
            self.manifests = self.file("manifests.yaml", manifests(upstream.line()))
            self.start()
            try:
                self.work()
            finally:
                for machine in self.machines:
                    machine.end()
                self.process.send_signal(signal.SIGTERM)
                self.process.wait(30)
        finally:
            upstream.end()
        for fault in self.faults:
            print("FAILED:", fault)
        print(f"{'failed' if self.faults else 'passed'}: rotation, {len(self.faults)} faults")
        return not self.faults

    def start(self):
        listen = ["--listen-gate", "127.0.0.1:0", "--listen-control", "127.0.0.1:0", "--stops", "observe"]
        log = open(self.folder / "stderr.log", "wb")
        command = [self.binary, "up", "--dir", self.data, *listen, "-f", self.manifests]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, env=environment()
        )
        for _ in self.process.stdout:
            if (self.data / "endpoints.json").exists():
                break
        else:
            raise RuntimeError((self.folder / "stderr.log").read_text())
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self.endpoints = json.loads((self.data / "endpoints.json").read_text())

    def work(self):
        # oauth4webapi signs a proof for each request; Authlib's HTTP client is the slower one.
        machines = [self.node("quillmere-node-1", self.rate * 0.35), self.node("quillmere-node-2", self.rate * 0.35)]
        machines += [self.authlib("quillmere-authlib-1", self.rate * 0.15), self.authlib("quillmere-authlib-2", self.rate * 0.15)]
        started = time.monotonic()
        rotations = threading.Thread(target=self.rotate_ours, args=(started,))
        rotations.start()
        pause_until(started + self.seconds * 0.25)
        for machine in machines:
            machine.tell(rotate=True)
            told = machine.expect("rotated")
            print(f"{machine.name}: rotated, the old key ends at {told['answer']['replaces_until']}")
        for machine in machines:
            self.judge_end(machine, machine.expect("ended")["ended"])
        rotations.join()
        pause_until(started + self.seconds)
        passed = failed = tokens = 0
        for machine in machines:
            machine.tell(stop=True)
            stopped = machine.expect("stopped")
            passed, failed, tokens = passed + stopped["passed"], failed + stopped["failed"], tokens + stopped["tokens"]
            for failure in stopped["failures"]:
                self.faults.append(f"{machine.name}: {failure}")
        took = time.monotonic() - started
        print(f"{passed} requests passed in {took:.1f} s, {passed / took:.0f} a second; {tokens} tokens; {failed} failed")
        if passed < 0.8 * self.rate * self.seconds:
            self.faults.append(f"only {passed} of {self.rate * self.seconds} requests were made")
        self.theft()

    def rotate_ours(self, started):
        """Three rounds of a new signing key and a new certificate of the gate."""
        for round in range(1, 4):
            pause_until(started + self.seconds * 0.2 * round)
            try:
                print("signing key:", self.command("keys", "rotate", "--now").strip().splitlines()[0])
                print("gate's certificate:", self.command("certificate", "renew", "gate").strip().splitlines()[-1])
            except Exception as error:
                self.faults.append(f"rotation {round}: {error}")

    def judge_end(self, machine, ended):
        ends = ended.get("ends_ms") or datetime.fromisoformat(ended["ends_at"].replace("Z", "+00:00")).timestamp() * 1_000
        last, refused = ended["last_accepted_sent"] - ends, ended["first_refused"] - ends
        print(f"{machine.name}: old key last accepted {last:+.0f} ms, first refused {refused:+.0f} ms, {ended.get('reasons')}; token endpoint {ended['token_endpoint']}")
        status, reasons = ended["token_endpoint"]
        if status != 401 or reasons != ["client_key_ended"]:
            self.faults.append(f"{machine.name}: the old key was answered {status} {reasons} at the token endpoint")
        if last > 0:
            self.faults.append(f"{machine.name}: the old key was accepted {last:.0f} ms after its end")
        if refused < 0 or refused > LATE_MS_MAX:
            self.faults.append(f"{machine.name}: the old key was first refused {refused:.0f} ms after its end")

    def theft(self):
        """A machine whose old key turns up again after its rotation was taken."""
        machine = self.node("quillmere-node-3", 10)
        machine.tell(rotate=True)
        machine.expect("rotated")
        machine.tell(replay=True)
        repeated = machine.expect("repeated")["repeated"]
        if repeated["status"] != 200:
            self.faults.append(f"a lost answer can't be had again: {repeated}")
        machine.tell(steal=True)
        stolen = machine.expect("stolen")["stolen"]
        print(f"another next key by the old key: {stolen['status']}")
        # The client is severed at that moment, so its connections may be reset before the answer is read.
        if stolen["status"] == 200:
            self.faults.append(f"an old key registered another next key: {stolen}")
        findings = self.command("findings", "-o", "json", statuses=(0, 1))
        if "client_key_theft" not in findings:
            self.faults.append(f"nobody is told of the theft: {findings}")

    def node(self, name, rate):
        private = json.loads(subprocess.check_output(["node", "-e", NEW_KEY], text=True))
        public = {member: private[member] for member in ("kty", "crv", "x")}
        jwks = self.file(f"{name}.jwks", json.dumps({"keys": [public]}))
        self.command("client", "enroll", name, "--integration", "quillmere-parcels", "--jwks", jwks)
        machine = self.machine(name, "node", NODE / "rotation_worker.mjs")
        common = {name: self.endpoints[name] for name in ("issuer", "gate", "ca")}
        machine.tell(start={**common, "name": name, "jwk": private, "rate": rate})
        machine.expect("started")
        return machine

    def authlib(self, name, rate):
        from certificates import self_signed

        certificate, key = self_signed(self.folder, name).files
        self.command("client", "enroll", name, "--integration", "quillmere-parcels", "--cert", certificate)
        machine = self.machine(name, sys.executable, PYTHON / "rotation_worker.py")
        common = {name: self.endpoints[name] for name in ("issuer", "gate", "ca")}
        start = {**common, "name": name, "certificate": certificate, "key": key, "rate": rate}
        machine.tell(start={**start, "folder": str(self.folder)})
        machine.expect("started")
        return machine

    def machine(self, name, *command):
        machine = Process(command, name)
        self.machines.append(machine)
        return machine

    def command(self, *words, statuses=(0,)):
        env = {**environment(), "PORTCULLIS_DIR": str(self.data)}
        done = subprocess.run([self.binary, *words], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode not in statuses:
            raise RuntimeError(f"{words}: {done.stderr}{done.stdout}")
        return done.stdout

    def file(self, name, text):
        place = self.folder / name
        place.write_text(text)
        return place


class Process:
    """A process that speaks lines of JSON."""

    def __init__(self, command, name=""):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def line(self):
        return self.lines.get(timeout=60).strip()

    def tell(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def expect(self, word):
        """The next message; it must be of this kind."""
        line = self.lines.get(timeout=120)
        message = json.loads(line or "{}")
        if word not in message:
            raise RuntimeError(f"{self.name}: `{word}` was expected, and `{line}` came")
        return message

    def end(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


NEW_KEY = "console.log(JSON.stringify(require('crypto').generateKeyPairSync('ed25519').privateKey.export({format:'jwk'})))"


def pause_until(moment):
    threading.Event().wait(max(0.0, moment - time.monotonic()))


def environment():
    """Ours without what would send the command line elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PORTCULLIS_")}


def manifests(port):
    year = date.today().year
    limits = {"requests": {"per_second": 10_000, "burst": 10_000}, "concurrency": 512}
    documents = [
        {"kind": "Vendor", "name": "quillmere", "spec": {"legal_name": "Quillmere Logistics GmbH"}},
        {
            "kind": "Contract",
            "name": "quillmere-paper",
            "spec": {"vendor": "quillmere", "starts": f"{year - 1}-01-01", "ends": f"{year + 1}-12-31", "time_zone": "UTC"},
        },
        {"kind": "Upstream", "name": "parcels", "spec": {"url": f"http://127.0.0.1:{port}"}},
        {
            "kind": "Route",
            "name": "parcels",
            "spec": {"upstream": "parcels", "methods": ["GET"], "path": "/parcels", "scope": "parcels.read", "records": "/parcels"},
        },
        {
            "kind": "Integration",
            "name": "quillmere-parcels",
            "spec": {
                "contract": "quillmere-paper",
                "purpose": "Reads where parcels are",
                "routes": ["parcels"],
                "scopes": ["parcels.read"],
                "limits": limits,
                "keys": {"overlap_seconds": OVERLAP_SECONDS},
            },
        },
    ]
    return "\n---\n".join(json.dumps(document) for document in documents)


if __name__ == "__main__":
    main()
