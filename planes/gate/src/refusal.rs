//! A refusal before the first byte: one problem document (RFC 9457) for each reason.

use std::rc::Rc;

use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use portcullis_domain::decision::{DecisionId, Verdict};
use portcullis_domain::reason::Reason;
use serde_json::json;

use crate::body::GateBody;
use crate::identify::Caller;

pub const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// draft-ietf-httpapi-ratelimit-headers.
pub const RATE_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub const RATE_LEFT: HeaderName = HeaderName::from_static("ratelimit");
/// When the caller's own key is over (RFC 3339), told in time to replace it.
pub const KEY_EXPIRES: HeaderName = HeaderName::from_static("portcullis-key-expires");
pub const BINDING: HeaderName = HeaderName::from_static("portcullis-binding");
pub const DECISION: HeaderName = HeaderName::from_static("portcullis-decision");

/// The algorithms that proofs may be signed with.
const ALGORITHMS: &str = "ES256 EdDSA";

/// Why a request doesn't pass, and what the answer carries beside the reason.
#[derive(Debug)]
pub struct Refusal {
    pub reason: Reason,
    /// What the decision is recorded as, where the caller is told less.
    pub recorded: Option<Reason>,
    /// Words about this very request.
    pub detail: Option<String>,
    pub challenge: Option<Challenge>,
    /// A fresh DPoP nonce.
    pub nonce: Option<String>,
    pub retry_after_seconds: Option<u64>,
    /// Values of `RateLimit-Policy` and `RateLimit`.
    pub rate: Option<Box<(String, String)>>,
    /// Value of `Allow`.
    pub allow: Option<String>,
    /// The connection is closed after the answer.
    pub close: bool,
    /// Public codes of signals that weighed, told after the reason.
    pub signals: Vec<&'static str>,
    /// Who answered a question wrongly; a refusal of its own then takes this one's place.
    pub culprit: Option<Rc<Caller>>,
}

/// Which scheme the caller should come with, and what was wrong (RFC 6750, RFC 9449).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Challenge {
    /// No credentials: both schemes are offered.
    Any,
    Dpop {
        error: &'static str,
    },
    Bearer {
        error: &'static str,
    },
    /// RFC 9470: the client must show anew that it is who it is; by a new token where `max_age` says so, else by a handshake.
    StepUp {
        max_age: bool,
    },
    /// `insufficient_scope` under the scheme that was used.
    Scope {
        dpop: bool,
        scope: String,
    },
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            recorded: None,
            detail: None,
            challenge: None,
            nonce: None,
            retry_after_seconds: None,
            rate: None,
            allow: None,
            close: false,
            signals: Vec::new(),
            culprit: None,
        }
    }
}

impl Refusal {
    pub fn with_detail(reason: Reason, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::from(reason) }
    }

    /// A head that can be read in two ways may hide another request: nothing more is read.
    pub fn and_close(mut self) -> Self {
        self.close = true;
        self
    }

    pub fn challenged(mut self, challenge: Challenge) -> Self {
        self.challenge = Some(challenge);
        self
    }

    pub fn with_nonce(mut self, nonce: String) -> Self {
        self.nonce = Some(nonce);
        self
    }

    pub fn retry_after_ms(mut self, milliseconds: u64) -> Self {
        self.retry_after_seconds = Some(milliseconds.div_ceil(1_000).max(1));
        self
    }

    /// A refusal that says what would satisfy it is a challenge.
    pub fn verdict(&self) -> Verdict {
        match self.reason {
            Reason::RiskSevered | Reason::ChallengeFailed => Verdict::Sever,
            _ if self.challenge.is_some() => Verdict::Challenge,
            _ => Verdict::Deny,
        }
    }

    /// The answer. `http2` has no `Connection` header.
    pub fn response(&self, decision: DecisionId, http2: bool) -> Response<GateBody> {
        let status = StatusCode::from_u16(self.reason.status()).unwrap_or(StatusCode::FORBIDDEN);
        let detail = self.detail.clone().unwrap_or_else(|| self.reason.how().to_owned());
        let problem = json!({
            "type": format!("urn:portcullis:reason:{}", self.reason.code()),
            "title": self.reason.title(),
            "status": status.as_u16(),
            "detail": detail,
            "instance": decision.to_string(),
            "reasons": std::iter::once(&self.reason.code()).chain(&self.signals).collect::<Vec<_>>(),
        });
        let mut response = Response::new(GateBody::of(problem.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        put(headers, DECISION, &decision.to_string());
        for value in self.challenge.iter().flat_map(challenge_values) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.append(WWW_AUTHENTICATE, value);
            }
        }
        if let Some(nonce) = &self.nonce {
            put(headers, DPOP_NONCE, nonce);
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some((policy, left)) = self.rate.as_deref() {
            put(headers, RATE_POLICY, policy);
            put(headers, RATE_LEFT, left);
        }
        if let Some(allow) = &self.allow {
            put(headers, ALLOW, allow);
        }
        if self.close && !http2 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Sets a header whose value is made of our own words; one that can't be written is left out.
pub fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn challenge_values(challenge: &Challenge) -> Vec<String> {
    match challenge {
        Challenge::Any => vec![format!("DPoP algs=\"{ALGORITHMS}\""), "Bearer".to_owned()],
        Challenge::Dpop { error } => vec![format!("DPoP error=\"{error}\", algs=\"{ALGORITHMS}\"")],
        Challenge::Bearer { error } => vec![format!("Bearer error=\"{error}\"")],
        Challenge::StepUp { max_age } => {
            let how = if *max_age {
                "error_description=\"a new token is wanted\", max_age=\"0\""
            } else {
                "error_description=\"a new connection with a full TLS handshake is wanted\""
            };
            vec![format!("Bearer error=\"insufficient_user_authentication\", {how}")]
        }
        Challenge::Scope { dpop, scope } => {
            let scheme = if *dpop { "DPoP" } else { "Bearer" };
            let algorithms = if *dpop { format!(", algs=\"{ALGORITHMS}\"") } else { String::new() };
            vec![format!("{scheme} error=\"insufficient_scope\", scope=\"{scope}\"{algorithms}")]
        }
    }
}
