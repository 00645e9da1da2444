//! A client with a DPoP key, which does as RFC 9449 has it.

use std::cell::Cell;
use std::rc::Rc;

use http::Request;

use super::client::{Answer, Body, Connection, With, get};
use super::identity::{Claims, ORIGIN, ProofKey, Who};
use super::world::World;

/// What it asks for, unless a test says something else.
pub const PATH: &str = "/records/1";

/// A client with a DPoP key.
pub struct Party {
    pub key: Rc<ProofKey>,
    pub token: String,
    used: Cell<u32>,
}

impl Party {
    pub fn new(world: &World, who: Who) -> Self {
        Self::with(world, who, Rc::new(ProofKey::new()), 0)
    }

    pub fn with(world: &World, who: Who, key: Rc<ProofKey>, used: u32) -> Self {
        let token = world.dpop_token(who, key.thumbprint());
        Self { key, token, used: Cell::new(used) }
    }

    pub fn claims(&self, world: &World, nonce: &str) -> Claims {
        self.used.set(self.used.get() + 1);
        Claims {
            method: "GET".to_owned(),
            url: format!("{ORIGIN}{PATH}"),
            issued_at: world.clock.wall().as_second(),
            token_id: self.used.get().to_string(),
            access_token: self.token.clone(),
            nonce: Some(nonce.to_owned()),
        }
    }

    /// A request with a proof by `key` over `nonce`.
    pub fn asked_by(&self, world: &World, key: &ProofKey, nonce: &str) -> Request<Body> {
        let proof = key.proof(&self.claims(world, nonce));
        get(PATH).with("authorization", &format!("DPoP {}", self.token)).with("dpop", &proof)
    }

    pub fn asked(&self, world: &World, nonce: &str) -> Request<Body> {
        self.asked_by(world, &self.key, nonce)
    }

    /// The same for another path, with a query or without.
    pub fn asked_for(&self, world: &World, path: &str, nonce: &str) -> Request<Body> {
        let (bare, _) = path.split_once('?').unwrap_or((path, ""));
        let claims = Claims { url: format!("{ORIGIN}{bare}"), ..self.claims(world, nonce) };
        let proof = self.key.proof(&claims);
        get(path).with("authorization", &format!("DPoP {}", self.token)).with("dpop", &proof)
    }

    /// As clients do that nobody has changed: it is sent once more where the answer has another nonce, and only once. The
    /// reasons of what was refused, and the answer that it is left with.
    pub async fn through(
        &self,
        world: &World,
        connection: &mut Connection,
        nonce: &str,
    ) -> (Vec<String>, Answer) {
        let first = connection.ask(self.asked(world, nonce)).await.unwrap();
        if first.status != 401 {
            return (Vec::new(), first);
        }
        assert!(first.header("www-authenticate").unwrap().contains("use_dpop_nonce"), "{first:?}");
        let nonce = first.header("dpop-nonce").unwrap().to_owned();
        (vec![first.reason()], connection.ask(self.asked(world, &nonce)).await.unwrap())
    }

    /// As clients do: what is answered with a nonce is sent once more.
    pub async fn ask(&self, world: &World, connection: &mut Connection) -> Answer {
        let first = connection.ask(self.asked(world, "AA")).await.unwrap();
        let nonce = first.header("dpop-nonce").expect("a nonce").to_owned();
        assert_eq!((first.status, first.reason().as_str()), (401, "proof_nonce"));
        connection.ask(self.asked(world, &nonce)).await.unwrap()
    }

    /// A nonce that answers nothing, given where the client is at home.
    pub async fn ordinary_nonce(&self, world: &World, home: &mut Connection) -> String {
        let answer = home.ask(self.asked(world, "AA")).await.unwrap();
        answer.header("dpop-nonce").unwrap().to_owned()
    }
}
