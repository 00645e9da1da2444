//! A token without its key, and a token with some proofs that its key has made.

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use portcullis_tokens::dpop::{self, NewProof};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;

use super::cast::{Cast, THIEF_OF_PROOFS};
use super::scenes::{BODY_BYTES_MAX, get};
use super::stage::{Mark, Stage};
use super::workers::{Done, Workers};
use crate::machine::{authorities, http_builder};
use crate::up::Installation;

const PATH: &str = "/payslips";

/// Somebody has copied a token out of a log, without the key it is bound to.
pub async fn copied_token(stage: &Stage, installation: &Installation, cast: &Cast) -> Result<()> {
    stage.scene(5, "A copied token, without the key that it is bound to");
    let token = cast.northgale.token().await?;
    let url = format!("{}/payslips", installation.endpoints.gate);
    let roots = authorities(&std::fs::read(&installation.endpoints.ca)?)?;
    let thief = http_builder(&roots, None).build()?;
    let bare = thief.get(&url).bearer_auth(&token.access_token).send().await?;
    tell_theft(stage, "as a bearer token", bare).await?;
    let key = SigningKey::generate(Algorithm::EdDSA)?;
    let proof = dpop::create(
        &key,
        &NewProof {
            method: "GET",
            url: &url,
            issued_at: installation.control.clock().now().as_second(),
            token_id: "thief",
            access_token: Some(&token.access_token),
            nonce: None,
        },
    )?;
    let forged = thief
        .get(&url)
        .header("authorization", format!("DPoP {}", token.access_token))
        .header("dpop", proof)
        .send()
        .await?;
    tell_theft(stage, "with a proof by the thief's own key", forged).await
}

async fn tell_theft(stage: &Stage, how: &str, response: reqwest::Response) -> Result<()> {
    let decision =
        response.headers().get("portcullis-decision").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let status = response.status().as_u16();
    ensure!(status == 401, "the thief got {status}");
    let problem: serde_json::Value = response.json().await?;
    let reason = problem.pointer("/reasons/0").and_then(serde_json::Value::as_str).unwrap_or_default();
    stage.line(Mark::Refused, "thief", &format!("{how}: {status} {reason}"), decision.as_deref());
    Ok(())
}

/// The same token, and proofs that the key itself has made: caught on their way, before they were used. They are good, and
/// come from another network; what they can't do is answer a question.
pub async fn caught_proofs(stage: &Stage, installation: &Installation, cast: &Cast) -> Result<()> {
    stage.scene(6, "The same token, and three good proofs caught on their way, used from another network");
    // The next answer gives a nonce, so that what is signed over it is fresh.
    cast.northgale.request(&get(PATH)).await?.body(BODY_BYTES_MAX).await?;
    let token = cast.northgale.token().await?;
    let mut proofs = Vec::new();
    for _ in 0..3 {
        proofs.push(cast.northgale.proof_for(&get(PATH), &token)?.context("northgale has a key")?);
    }
    let at_work = Workers::busy(cast);
    at_work.wait_for(10).await;
    let before = at_work.done();
    let thief = Thief::new(installation, &token.access_token)?;
    let mut proofs = proofs.into_iter();
    let mut caught = move || proofs.next().context("a proof is left");
    let first = thief.send(&caught()?).await?;
    first.tell(stage, "caught proof 1");
    ensure!(first.reason == "challenge_new_context", "request 1 was not challenged: {first:?}");
    let nonce = first.nonce.clone().context("the question has a nonce")?;
    stage.note(
        "The gate asks: sign this nonce, made for this place and this moment. Northgale's machine could.",
    );
    let second = thief.send(&caught()?).await?;
    second.tell(stage, "caught proof 2 answers nothing");
    ensure!(second.reason == "challenge_open", "the question was not kept: {second:?}");
    let third = thief.send(&forged(&thief, &nonce, installation.control.clock().now())?).await?;
    third.tell(stage, "the nonce, by its own key");
    ensure!(third.reason == "challenge_failed", "a wrong answer severed nothing: {third:?}");
    let fourth = thief.send(&caught()?).await?;
    fourth.tell(stage, "caught proof 3");
    ensure!(fourth.reason == "session_severed", "the session is open: {fourth:?}");
    at_work.wait_for(10).await;
    let since = at_work.done() - before;
    let Done { errors, last, .. } = at_work.stop().await;
    let words = format!("with bluewick's: {since} answers, {errors} errors");
    stage.line(Mark::Passed, "northgale", &words, last.as_deref());
    ensure!(errors == 0, "rightful machines were disturbed");
    Ok(())
}

/// A proof by the thief's own key over the nonce of the question.
fn forged(thief: &Thief, nonce: &str, now: Timestamp) -> Result<String> {
    let key = SigningKey::generate(Algorithm::EdDSA)?;
    let proof = NewProof {
        method: "GET",
        url: &thief.url,
        issued_at: now.as_second(),
        token_id: "an answer",
        access_token: Some(&thief.token),
        nonce: Some(nonce),
    };
    Ok(dpop::create(&key, &proof)?)
}

/// Somebody in another network, with another TLS client.
struct Thief {
    http: reqwest::Client,
    url: String,
    token: String,
}

/// What the gate says to it.
#[derive(Debug)]
struct Said {
    status: u16,
    reason: String,
    decision: Option<String>,
    nonce: Option<String>,
}

impl Thief {
    fn new(installation: &Installation, token: &str) -> Result<Self> {
        let roots = authorities(&std::fs::read(&installation.endpoints.ca)?)?;
        let from = std::net::IpAddr::V4(THIEF_OF_PROOFS);
        Ok(Self {
            http: http_builder(&roots, None).http1_only().local_address(from).build()?,
            url: format!("{}{PATH}", installation.endpoints.gate),
            token: token.to_owned(),
        })
    }

    async fn send(&self, proof: &str) -> Result<Said> {
        let request = self.http.get(&self.url).header("authorization", format!("DPoP {}", self.token));
        Said::read(request.header("dpop", proof).send().await?).await
    }
}

impl Said {
    async fn read(response: reqwest::Response) -> Result<Self> {
        let field = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (decision, nonce) = (field("portcullis-decision"), field("dpop-nonce"));
        let status = response.status().as_u16();
        let problem: serde_json::Value = response.json().await.unwrap_or_default();
        let reason = problem.pointer("/reasons/0").and_then(serde_json::Value::as_str).unwrap_or_default();
        Ok(Self { status, reason: reason.to_owned(), decision, nonce })
    }

    fn tell(&self, stage: &Stage, what: &str) {
        let mark = match self.status {
            200..300 => Mark::Passed,
            401 => Mark::Asked,
            _ if self.reason == "challenge_failed" => Mark::Cut,
            _ => Mark::Refused,
        };
        stage.line(
            mark,
            "thief",
            &format!("{what}: {} {}", self.status, self.reason),
            self.decision.as_deref(),
        );
    }
}
