//! Upstreams that want to know who calls them: mutual TLS by choice.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::support::{Installation, Machine, vendor};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// An HTTPS server that takes only callers with a certificate of `authority`.
async fn strict_upstream(authority: &Authority) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(tcp).await else { return };
                let service = service_fn(|_| async {
                    let body = Full::new(Bytes::from_static(b"[{\"number\":1}]"));
                    Ok::<_, Infallible>(
                        http::Response::builder()
                            .header("content-type", "application/json")
                            .body(body)
                            .unwrap(),
                    )
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}

/// Puts an identity of `authority` where the gate looks for it.
fn write_identity(directory: &Path, name: &str, authority: &Authority) {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["gate.internal".to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let folder = directory.join("identities");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.crt")), certificate.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

fn manifests(address: SocketAddr, authority: &Authority, identity: Option<&str>) -> String {
    let mut tls = serde_json::json!({ "certificate_authority": authority.pem() });
    if let Some(identity) = identity {
        tls["identity"] = identity.into();
    }
    let spec = serde_json::json!({ "url": format!("https://{address}"), "tls": tls });
    let upstream = serde_json::json!({ "kind": "Upstream", "name": "service", "spec": spec });
    format!(
        "{upstream}\n---\nkind: Route\nname: records\n\
         spec: {{ upstream: service, methods: [GET], path: /records, scope: records.read }}\n"
    )
}

#[tokio::test]
async fn an_upstream_is_met_with_the_identity_that_its_manifest_names() {
    let folder = tempfile::tempdir().unwrap();
    let installation = Installation::start(&folder.path().join("data"));
    let operator = installation.operator();
    let machine = Machine::new(&installation, "machine");
    let authority = authority();
    let address = strict_upstream(&authority).await;
    write_identity(&installation.directory, "gate", &authority);

    let under = format!("{}---\n{}", vendor("acme", "2099-12-31"), machine.manifest("acme-read"));
    operator.must_apply(&format!("{}{under}", manifests(address, &authority, Some("gate")))).await;
    let token = machine.must_token().await;
    let answer = machine.get("/records", &token).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "[{\"number\":1}]");

    // Without the identity the upstream refuses; with one that isn't there, the gate does. Neither
    // keeps later snapshots from coming into use.
    for identity in [None, Some("missing")] {
        operator.must_apply(&manifests(address, &authority, identity)).await;
        let refused = machine.get("/records", &token).await.unwrap();
        assert_eq!(refused.status(), 502, "{identity:?}");
        let problem: serde_json::Value = refused.json().await.unwrap();
        assert!(problem["reasons"][0].as_str().unwrap().starts_with("upstream_"), "{problem}");
    }
    operator.must_apply(&manifests(address, &authority, Some("gate"))).await;
    assert_eq!(machine.get("/records", &token).await.unwrap().status(), 200);

    // An authority that did not sign the upstream's certificate is not talked to.
    operator.must_apply(&manifests(address, &self::authority(), Some("gate"))).await;
    assert_eq!(machine.get("/records", &token).await.unwrap().status(), 502);
}
