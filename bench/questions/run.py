"""What unmodified clients do with the gate's questions: a measurement, printed for people, and no test. `make questions`; docs/reference/clients.md has what came of it.

An old connection asks for a route of critical impact: its handshake says nothing about the moment by then. So it waits for eleven seconds.
"""
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tests" / "clients" / "python"))
import installation as inst
from certificates import self_signed
import requests, httpx

base = inst._manifests
def manifests(port):
    route = {"upstream": "parcels", "methods": ["GET"], "path": "/critical", "scope": "parcels.read", "records": "/parcels", "impact": "critical"}
    docs = base(port).split("\n---\n")
    out = []
    for d in docs:
        d = json.loads(d)
        if d["kind"] == "Integration":
            out.append({"kind": "Route", "name": "critical", "spec": route})
            d["spec"]["routes"].append("critical")
        out.append(d)
    return "\n---\n".join(json.dumps(d) for d in out)
inst._manifests = manifests
work = tempfile.TemporaryDirectory()
folder = Path(work.name)
subprocess.run(["go", "build", "-o", folder / "machine", HERE / "machine.go"], check=True)
with inst.Installation(folder) as i:
    gate, ca = i.endpoints["gate"].rstrip("/"), i.endpoints["ca"]
    meta = requests.get(i.endpoints["issuer"].rstrip("/") + "/.well-known/oauth-authorization-server", verify=ca).json()
    def machine(name):
        ident = self_signed(folder, name)
        i.command("client", "enroll", name, "--integration", "quillmere-parcels", "--cert", ident.files[0])
        t = requests.post(meta["token_endpoint"], data={"grant_type": "client_credentials", "client_id": name, "scope": "parcels.read"}, cert=ident.files, verify=ca).json()
        return ident, t["access_token"]
    def reason(body):
        try: return json.loads(body)["reasons"][0]
        except Exception: return "-"
    results, threads = {}, []
    def trial(name, fn):
        ident, token = machine(name)
        def go():
            try: results[name] = fn(ident, token)
            except Exception as e: results[name] = repr(e)
        th = threading.Thread(target=go); th.start(); threads.append(th)
    url = gate + "/critical"
    def req(ident, token):
        s = requests.Session(); s.trust_env = False; s.cert = ident.files; s.verify = ca; h = {"Authorization": f"Bearer {token}"}
        out = []
        for wait in (0, 11, 0):
            time.sleep(wait); r = s.get(url, headers=h); out.append((r.status_code, reason(r.text), r.headers.get("connection")))
        return out
    def roauth(ident, token):
        from requests_oauthlib import OAuth2Session
        s = OAuth2Session(token={"access_token": token, "token_type": "Bearer"}); s.trust_env = False; s.cert = ident.files; s.verify = ca
        out = []
        for wait in (0, 11, 0):
            time.sleep(wait); r = s.get(url); out.append((r.status_code, reason(r.text)))
        return out
    def hx(http2):
        def f(ident, token):
            import ssl
            c = ssl.create_default_context(cafile=ca); c.load_cert_chain(*ident.files)
            s = httpx.Client(trust_env=False, limits=httpx.Limits(keepalive_expiry=60), verify=c, http2=http2, headers={"Authorization": f"Bearer {token}"}); out = []
            for wait in (0, 11, 0):
                time.sleep(wait); r = s.get(url); out.append((r.http_version, r.status_code, reason(r.text)))
            return out
        return f
    def curl(version):
        def f(ident, token):
            # One process, three transfers; --rate spaces them by 11 seconds.
            p = subprocess.run(["curl", "-s", version, "--cert", ident.files[0], "--key", ident.files[1], "--cacert", ca, "-H", f"Authorization: Bearer {token}",
                "--rate", "5/m", "-w", "\n@%{http_version} %{http_code} connects=%{num_connects}\n", url, url], capture_output=True, text=True)
            return [l if l.startswith("@") else reason(l) for l in p.stdout.splitlines() if l.startswith("@") or reason(l) != "-"] + p.stderr.splitlines()[:3]
        return f
    def curl_retry(ident, token):
        p = subprocess.run(["curl", "-s", "--http1.1", "--cert", ident.files[0], "--key", ident.files[1], "--cacert", ca, "-H", f"Authorization: Bearer {token}",
            "-w", "\n@%{http_version} %{http_code} connects=%{num_connects}\n", url, url], capture_output=True, text=True)
        return [l for l in p.stdout.splitlines() if l.startswith("@")]
    def ext(cmd):
        def f(ident, token):
            p = subprocess.run(cmd + [url, ca, ident.files[0], ident.files[1], token], capture_output=True, text=True, cwd=HERE)
            return p.stdout.splitlines() + p.stderr.splitlines()[-3:]
        return f
    trial("requests", req); trial("requests-oauthlib", roauth); trial("httpx-h1", hx(False)); trial("httpx-h2", hx(True))
    trial("curl-h1", curl("--http1.1")); trial("curl-h2", curl("--http2")); trial("curl-fresh", curl_retry)
    trial("go-h1", ext([str(folder / "machine"), "h1"])); trial("go-h2", ext([str(folder / "machine"), "h2"]))
    trial("node-undici", ext(["node", "certificate.mjs"]))
    for t in threads: t.join()
    # DPoP
    def dpop(name, cmd):
        p = subprocess.run(cmd, capture_output=True, text=True, cwd=HERE)
        results[name] = p.stdout.splitlines() + p.stderr.splitlines()[-4:]
    from joserfc.jwk import ECKey
    for name, cmd in (("oauth4webapi", ["node", "dpop.mjs", "oauth4webapi"]), ("openid-client", ["node", "dpop.mjs", "openid-client"])):
        key = ECKey.generate_key("P-256")
        i.declare_client(name, jwks={"keys": [key.as_dict(private=False)]})
        path = folder / (name + ".jwk"); path.write_text(json.dumps(key.as_dict(private=True)))
        dpop(name, cmd + [i.endpoints["issuer"], gate, ca, str(path), name])
    for k, v in results.items(): print(k, json.dumps(v))
