//! Tickets, and what the ClientHello tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, NamedGroup};

use crate::passing::{claims, nonce};
use crate::support::client::{Connection, Connector, Protocol, With, get};
use crate::support::identity::{Certificate, Claims, ProofKey, who};
use crate::support::soon;
use crate::support::world::World;

/// A client's tickets, counted.
#[derive(Debug)]
struct Tickets {
    inner: ClientSessionMemoryCache,
    came: AtomicU64,
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.inner.set_kx_hint(name, group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.inner.kx_hint(name)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.inner.set_tls12_session(name, value);
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.inner.tls12_session(name)
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.inner.remove_tls12_session(name);
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.came.fetch_add(1, Ordering::SeqCst);
        self.inner.insert_tls13_ticket(name, value);
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.inner.take_tls13_ticket(name)
    }
}

fn with_tickets(mut connector: Connector) -> (Connector, Arc<Tickets>) {
    let tickets = Arc::new(Tickets { inner: ClientSessionMemoryCache::new(8), came: AtomicU64::new(0) });
    let mut config = ClientConfig::clone(&connector.config);
    let store: Arc<dyn ClientSessionStore> = tickets.clone();
    config.resumption = rustls::client::Resumption::store(store);
    connector.config = Arc::new(config);
    (connector, tickets)
}

async fn open(connector: &Connector) -> (Connection, HandshakeKind) {
    let (stream, tap) = connector.tls(Protocol::H1).await.unwrap();
    let kind = stream.get_ref().1.handshake_kind().unwrap();
    (Connection::over(stream, tap, Protocol::H1).await.unwrap(), kind)
}

#[tokio::test]
async fn a_connection_with_a_certificate_gets_no_ticket() {
    let world = World::new().await;
    let certificate = Certificate::new();
    let (connector, tickets) = with_tickets(world.connector(Some(&certificate)));
    let token = world.token(who(1, 1), &certificate);
    for _ in 0..3 {
        let (mut connection, kind) = open(&connector).await;
        assert_eq!(kind, HandshakeKind::Full);
        assert_eq!(connection.ask(get("/records/1").bearer(&token)).await.unwrap().status, 200);
    }
    assert_eq!(tickets.came.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_resumed_connection_is_of_the_same_context() {
    let world = World::new().await;
    let (connector, tickets) = with_tickets(world.connector(None));
    let key = ProofKey::new();
    let token = world.dpop_token(who(1, 1), key.thumbprint());
    let mut seen = Vec::new();
    for number in 0..3 {
        let (mut connection, kind) = open(&connector).await;
        assert_eq!(kind, if number == 0 { HandshakeKind::Full } else { HandshakeKind::Resumed });
        let claims = claims(&world, "/records/1", &token);
        let nonce = nonce(&mut connection, &key, &claims).await;
        let fresh = Claims { nonce: Some(nonce), token_id: number.to_string(), ..claims };
        let asked = get("/records/1").with("authorization", &format!("DPoP {token}"));
        let answer = soon("an answer", connection.ask(asked.with("dpop", &key.proof(&fresh)))).await.unwrap();
        assert_eq!(answer.status, 200);
        seen.push(world.control.decision(answer.decision()).await);
    }
    assert_eq!(tickets.came.load(Ordering::SeqCst), 3, "one ticket for each connection");
    for decision in &seen {
        assert!(decision.ja4_context.is_some());
        assert_eq!(decision.ja4_context, seen[0].ja4_context);
        assert_eq!(decision.session, seen[0].session);
    }
    // The published fingerprint does differ: a resumption has an extension more.
    assert_ne!(seen[0].ja4, seen[1].ja4);
}
