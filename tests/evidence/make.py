"""Signed documents of invented firms, by pyHanko and jwcrypto: `make.py FOLDER` writes them.

Everything that verifies them was written by others than those who wrote what is verified here.
"""

import datetime
import io
import json
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from jwcrypto import jwk, jws
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import PdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko_certvalidator.registry import SimpleCertificateStore

NOW = datetime.datetime(2026, 6, 1, 12, 0, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


class Party:
    """Somebody with a key and a certificate."""

    def __init__(self, name, issuer=None, key=None, days=(-3000, 3650), authority=False, usage=None, purposes=None):
        self.name = name
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.issuer = issuer
        subject = x509.Name([
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + days[0] * DAY)
            .not_valid_after(NOW + days[1] * DAY)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
        )
        bits = dict.fromkeys(
            ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"], False)
        wanted = usage or (["key_cert_sign", "crl_sign"] if authority else ["digital_signature", "content_commitment"])
        bits.update(dict.fromkeys(wanted, True))
        builder = builder.add_extension(x509.KeyUsage(**bits), critical=True)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        signer = issuer.key if issuer else self.key
        digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        self.certificate = builder.sign(signer, digest)

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def above(self):
        """Certificates between this party's and the root's."""
        found, party = [], self.issuer
        while party and party.issuer:
            found.append(party)
            party = party.issuer
        return found

    def signer(self, pss=False):
        store = SimpleCertificateStore()
        for party in self.above():
            store.register(asn1_x509.Certificate.load(party.der))
        private = self.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return signers.SimpleSigner(
            signing_cert=asn1_x509.Certificate.load(self.der),
            signing_key=asn1_keys.PrivateKeyInfo.load(private),
            cert_registry=store,
            prefer_pss=pss,
        )


def page(text):
    """A document of one page, with nothing in it that hides: every object lies open."""
    writer = PdfFileWriter(stream_xrefs=False)
    font = writer.add_object(generic.DictionaryObject({
        pdf_name("/Type"): pdf_name("/Font"), pdf_name("/Subtype"): pdf_name("/Type1"),
        pdf_name("/BaseFont"): pdf_name("/Helvetica"),
    }))
    content = writer.add_object(generic.StreamObject(stream_data=f"BT /F1 18 Tf 72 700 Td ({text}) Tj ET".encode()))
    from pyhanko.pdf_utils.writer import PageObject
    writer.insert_page(PageObject(
        contents=content, media_box=(0, 0, 595, 842),
        resources=generic.DictionaryObject({pdf_name("/Font"): generic.DictionaryObject({pdf_name("/F1"): font})})))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def sign(document, party, field="Signature1", pss=False, cades=False, digest="sha256"):
    writer = IncrementalPdfFileWriter(io.BytesIO(document))
    form = fields.SigSeedSubFilter.PADES if cades else fields.SigSeedSubFilter.ADOBE_PKCS7_DETACHED
    metadata = signers.PdfSignatureMetadata(field_name=field, md_algorithm=digest, subfilter=form)
    return signers.sign_pdf(writer, metadata, signer=party.signer(pss), bytes_reserved=6144).getvalue()


def update(document, text):
    """Changes the page after the signature, as an incremental update."""
    writer = IncrementalPdfFileWriter(io.BytesIO(document))
    reference = writer.root["/Pages"]["/Kids"][0]
    content = writer.add_object(generic.StreamObject(stream_data=f"BT /F1 18 Tf 72 700 Td ({text}) Tj ET".encode()))
    reference[pdf_name("/Contents")] = content
    writer.update_container(reference)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def encrypt(document):
    reader = PdfFileReader(io.BytesIO(document))
    from pyhanko.pdf_utils.writer import copy_into_new_writer
    writer = copy_into_new_writer(reader)
    writer.encrypt(owner_pass="owner", user_pass="user")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def parties():
    root = Party("Vellacott Trust Services Root", authority=True)
    between = Party("Vellacott Document Signing", root, authority=True, usage=["key_cert_sign", "crl_sign"])
    stranger_root = Party("Marrow and Finch Root", authority=True)
    rsa_key = lambda: rsa.generate_private_key(65537, 2048)
    return {
        "root": root,
        "between": between,
        "stranger_root": stranger_root,
        "rsa": Party("Thistlewood Audit LLP", between, rsa_key()),
        "p256": Party("Harcastle Assurance GmbH", between),
        "p384": Party("Penhallow Testing Ltd", between, ec.generate_private_key(ec.SECP384R1())),
        "expired": Party("Oldacre Auditors", between, days=(-1000, -10)),
        "for_servers": Party("Wrong Purpose Ltd", between, purposes=[ExtendedKeyUsageOID.SERVER_AUTH]),
        "for_keys": Party("Wrong Usage Ltd", between, rsa_key(), usage=["key_encipherment"]),
        "stranger": Party("Marrow and Finch", stranger_root),
    }


def documents(who):
    """Name -> (bytes, what must come out)."""
    plain = page("SOC 2 Type II report of Northgale Payroll Inc.")
    rsa_signed = sign(plain, who["rsa"])
    two = sign(rsa_signed, who["p256"], field="Signature2")
    further = sign(rsa_signed, who["stranger"], field="Signature2")
    changed_between = sign(update(rsa_signed, "No exceptions"), who["stranger"], field="Signature2")
    return {
        "rsa": (rsa_signed, "valid"),
        "pss": (sign(plain, who["rsa"], pss=True), "valid"),
        "pss_sha512": (sign(plain, who["rsa"], pss=True, digest="sha512"), "valid"),
        "ecdsa": (sign(plain, who["p256"]), "valid"),
        "ecdsa_p384": (sign(plain, who["p384"], digest="sha384"), "valid"),
        "cades": (sign(plain, who["p256"], cades=True), "valid"),
        "two": (two, "valid"),
        "further": (further, "unknown_signer"),
        "changed_between": (changed_between, "unknown_signer"),
        "updated": (update(rsa_signed, "No exceptions"), "invalid"),
        "stranger": (sign(plain, who["stranger"]), "unknown_signer"),
        "expired": (sign(plain, who["expired"]), "unknown_signer"),
        "for_servers": (sign(plain, who["for_servers"]), "unknown_signer"),
        "for_keys": (sign(plain, who["for_keys"]), "unknown_signer"),
        "unsigned": (plain, "unsigned"),
        "encrypted": (encrypt(plain), "encrypted"),
    }


def private_jwk(key, **members):
    made = jwk.JWK.from_pem(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return jwk.JWK(**{**made.export(as_dict=True), **members})


def detached(document, key, header, flattened=False):
    token = jws.JWS(document)
    if "crit" in header:
        token.header_registry = {**token.header_registry}
    token.add_signature(key, None, json.dumps(header))
    token.detach_payload()
    return token.serialize(compact=not flattened)


def signatures(who, document):
    """Name -> (signature, key or None, what must come out); without a key the roots count."""
    import base64
    keys = {
        "ES256": private_jwk(ec.generate_private_key(ec.SECP256R1()), kid="audit-2026"),
        "ES384": private_jwk(ec.generate_private_key(ec.SECP384R1())),
        "EdDSA": private_jwk(ed25519.Ed25519PrivateKey.generate()),
        "PS256": private_jwk(rsa.generate_private_key(65537, 2048)),
        "RS256": private_jwk(rsa.generate_private_key(65537, 2048)),
    }
    found = {}
    for name, key in keys.items():
        header = {"alg": name, **({"kid": "audit-2026"} if name == "ES256" else {})}
        found[name.lower()] = (detached(document, key, header), key, "valid")
        found[f"{name.lower()}_json"] = (detached(document, key, header, flattened=True), key, "valid")
        unencoded = {**header, "b64": False, "crit": ["b64"]}
        found[f"{name.lower()}_unencoded"] = (detached(document, key, unencoded), key, "valid")
    chain = lambda party: [base64.b64encode(one.der).decode() for one in [party, *party.above()]]
    for name, party, algorithm, outcome in [
        ("x5c_p256", "p256", "ES256", "valid"),
        ("x5c_p384", "p384", "ES384", "valid"),
        ("x5c_rsa", "rsa", "RS256", "valid"),
        ("x5c_pss", "rsa", "PS256", "valid"),
        ("x5c_stranger", "stranger", "ES256", "unknown_signer"),
        ("x5c_expired", "expired", "ES256", "unknown_signer"),
        ("x5c_for_keys", "for_keys", "RS256", "unknown_signer"),
    ]:
        header = {"alg": algorithm, "x5c": chain(who[party])}
        found[name] = (detached(document, private_jwk(who[party].key), header), None, outcome)
    return found


def make(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    who = parties()
    (folder / "root.pem").write_bytes(who["root"].pem)
    (folder / "stranger_root.pem").write_bytes(who["stranger_root"].pem)
    (folder / "leaf.pem").write_bytes(who["p256"].pem)
    expected = {}
    for name, (document, outcome) in documents(who).items():
        (folder / f"{name}.pdf").write_bytes(document)
        expected[f"{name}.pdf"] = outcome
    text = b"Penetration test of Northgale Payroll Inc.: no critical finding is open.\n"
    (folder / "summary.txt").write_bytes(text)
    for name, (signature, key, outcome) in signatures(who, text).items():
        (folder / f"{name}.jws").write_text(signature + "\n")
        if key is not None:
            public = key.export_public(as_dict=True)
            (folder / f"{name.split('_')[0]}.jwk").write_text(json.dumps(public))
        expected[f"{name}.jws"] = outcome
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    return expected


if __name__ == "__main__":
    make(sys.argv[1])
