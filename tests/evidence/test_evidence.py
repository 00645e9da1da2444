"""`portcullis evidence verify` and pyHanko judge the same documents, made anew for each run."""

import asyncio
import json
import os
import subprocess

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from asn1crypto import pem as asn1_pem
from asn1crypto import x509 as asn1_x509

import make

AT = "2027-01-01T00:00:00Z"
# pyHanko doesn't ask what a certificate's extended purposes are.
STRICTER = {"for_servers.pdf"}


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documents")
    return folder, make.make(folder)


def verify(*arguments):
    run = subprocess.run(
        [os.environ["PORTCULLIS_BIN"], "evidence", "verify", "--at", AT, "-o", "json", *map(str, arguments)],
        capture_output=True, text=True, timeout=60)
    return run.returncode, json.loads(run.stdout) if run.stdout else None, run.stderr


def outcome(*arguments):
    code, answer, errors = verify(*arguments)
    if answer is None:
        assert code == 1 and errors.startswith("error: "), errors
        return "encrypted" if "encrypted" in errors else "unsigned" if "isn't signed" in errors else errors
    assert code == (0 if answer["outcome"] == "valid" else 1)
    return answer["outcome"]


def test_documents(made):
    folder, expected = made
    found = {name: outcome(folder / name, "--roots", folder / "root.pem")
             for name in expected if name.endswith(".pdf")}
    assert found == {name: wanted for name, wanted in expected.items() if name.endswith(".pdf")}


def test_detached(made):
    folder, expected = made
    for name, wanted in expected.items():
        if not name.endswith(".jws"):
            continue
        key = folder / f"{name.split('.')[0].split('_')[0]}.jwk"
        trust = ["--key", key] if key.exists() else ["--roots", folder / "root.pem"]
        arguments = ["--signature", folder / name, *trust]
        assert outcome(folder / "summary.txt", *arguments) == wanted, name
        (folder / "tampered.txt").write_bytes((folder / "summary.txt").read_bytes().replace(b"no critical", b"no criticaI"))
        assert outcome(folder / "tampered.txt", *arguments) == "invalid", name


def test_pyhanko_agrees(made):
    """What is valid here pyHanko takes, too; what it calls broken isn't valid here."""
    folder, expected = made
    _, _, der = asn1_pem.unarmor((folder / "root.pem").read_bytes())
    root = asn1_x509.Certificate.load(der)
    for name, wanted in expected.items():
        if not name.endswith(".pdf") or wanted in ("unsigned", "encrypted"):
            continue
        with open(folder / name, "rb") as file:
            last = PdfFileReader(file).embedded_signatures[-1]
            context = ValidationContext(trust_roots=[root], moment=make.NOW + 200 * make.DAY, allow_fetching=False)
            status = asyncio.run(async_validate_pdf_signature(last, context))
        covers = status.coverage.name == "ENTIRE_FILE"
        theirs = "valid" if status.intact and status.valid and status.trusted and covers else "not"
        assert (wanted == "valid" or name in STRICTER) == (theirs == "valid"), (name, status.summary(), covers)


def test_changed_bytes(made):
    folder, _ = made
    document = (folder / "rsa.pdf").read_bytes()
    value = document.index(b"/Contents <")
    for place in [*range(0, value, 97), *range(len(document) - 400, len(document), 37)]:
        changed = bytearray(document)
        changed[place] ^= 1
        (folder / "changed.pdf").write_bytes(changed)
        code, _, _ = verify(folder / "changed.pdf", "--roots", folder / "root.pem")
        assert code == 1, place


def test_usage(made):
    folder, _ = made
    for arguments in [["nowhere.pdf"], [folder / "rsa.pdf", "--roots", folder / "rsa.pdf"],
                      [folder / "summary.txt", "--signature", folder / "es256.jws", "--key", folder / "root.pem"],
                      [folder / "rsa.pdf", "--key", folder / "es256.jwk"]]:
        code, answer, errors = verify(*arguments)
        assert code == 2 and answer is None, (arguments, errors)
