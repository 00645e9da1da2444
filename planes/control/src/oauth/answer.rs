//! Answers: JSON that nobody stores, and errors in the form of RFC 6749, section 5.2.

use portcullis_domain::reason::Reason;
use portcullis_policy::link::{RelayAbout, RelayAnswer, RelayRequest};
use serde_json::{Value, json};

/// The longest description that is sent.
const DESCRIPTION_CHARACTERS_MAX: usize = 400;
/// What a client is told to wait when we can't serve it now.
const RETRY_SECONDS: u32 = 5;

/// An answer before it is serialised.
pub(super) struct Answer {
    status: u16,
    cache_control: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
    page: Option<String>,
    reason: Reason,
    about: Option<Box<RelayAbout>>,
}

/// Why a request isn't served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    pub status: u16,
    /// A code of the OAuth registry.
    pub error: &'static str,
    pub description: String,
    pub hint: Option<String>,
    pub reasons: Vec<Reason>,
    /// What the decision log keeps where the client is told less.
    recorded: Option<Reason>,
    headers: Vec<(&'static str, String)>,
    about: Option<RelayAbout>,
}

impl Answer {
    pub(super) fn json(body: Value) -> Self {
        Self {
            status: 200,
            cache_control: "no-store",
            headers: Vec::new(),
            body: Some(body),
            page: None,
            reason: Reason::Allowed,
            about: None,
        }
    }

    pub(super) fn about(self, about: RelayAbout) -> Self {
        Self { about: Some(Box::new(about)), ..self }
    }

    /// Public, and the same for everybody.
    pub(super) fn public(body: Value) -> Self {
        Self { cache_control: "public, max-age=300", ..Self::json(body) }
    }

    pub(super) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A page for people: nothing in it runs, comes from elsewhere or tells where it was.
    pub(super) fn html(status: u16, page: String) -> Self {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
        Self { status, page: Some(page), ..Self::empty() }
            .header("content-type", "text/html; charset=utf-8".to_owned())
            .header("content-security-policy", policy.to_owned())
            .header("referrer-policy", "no-referrer".to_owned())
            .header("x-content-type-options", "nosniff".to_owned())
    }

    pub(super) fn because(self, reason: Reason) -> Self {
        Self { reason, ..self }
    }

    pub(super) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(super) fn empty() -> Self {
        Self { body: None, ..Self::json(Value::Null) }
    }

    pub(super) fn relayed(mut self, request: &RelayRequest) -> RelayAnswer {
        let mut headers = vec![("cache-control".to_owned(), self.cache_control.to_owned())];
        if self.cache_control == "no-store" {
            // RFC 6749, section 5.1 asks for both.
            headers.push(("pragma".to_owned(), "no-cache".to_owned()));
        }
        if self.body.is_some() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        headers.extend(
            std::mem::take(&mut self.headers).into_iter().map(|(name, value)| (name.to_owned(), value)),
        );
        let body = match (self.body.take(), self.page.take()) {
            _ if request.method == "HEAD" => Vec::new(),
            (_, Some(page)) => page.into_bytes(),
            (Some(body), None) => body.to_string().into_bytes(),
            (None, None) => Vec::new(),
        };
        let Self { status, reason, about, .. } = self;
        RelayAnswer { relay: request.relay, status, headers, body, reason, about: about.map(|about| *about) }
    }
}

impl Failure {
    fn new(status: u16, error: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            error,
            description: description.into(),
            hint: None,
            reasons: Vec::new(),
            recorded: None,
            headers: Vec::new(),
            about: None,
        }
    }

    /// Said once the client has proved who it is.
    pub(super) fn about(self, about: RelayAbout) -> Self {
        Self { about: Some(about), ..self }
    }

    /// The one reason that the decision log keeps.
    fn reason(&self) -> Reason {
        let known = self.recorded.or_else(|| self.reasons.first().copied());
        known.unwrap_or(if self.error == "invalid_client" {
            Reason::ClientAuthentication
        } else {
            Reason::TokenRequest
        })
    }

    pub(super) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(400, "invalid_request", description)
    }

    pub(super) fn bad_request(error: &'static str, description: impl Into<String>) -> Self {
        Self::new(400, error, description)
    }

    pub(super) fn too_long(bytes: usize, most: usize) -> Self {
        Self::new(413, "invalid_request", format!("the body has {bytes} bytes"))
            .hint(format!("at most {most} are read"))
    }

    /// What is asked for can't be done yet.
    pub(super) fn conflict() -> Self {
        Self::new(409, "invalid_request", "")
    }

    pub(super) fn invalid_client(description: impl Into<String>) -> Self {
        Self::new(401, "invalid_client", description)
    }

    pub(super) fn said(self, description: impl Into<String>) -> Self {
        Self { description: description.into(), hint: None, ..self }
    }

    /// One answer for a client that doesn't exist and for one whose proof isn't good.
    pub(super) fn authentication_failed() -> Self {
        Self::invalid_client("client authentication failed")
            .hint("check `client_id`, and that this very key or certificate is registered for the client")
    }

    pub(super) fn unavailable(description: impl Into<String>) -> Self {
        Self::new(503, "temporarily_unavailable", description)
            .hint("try again in a few seconds")
            .header("retry-after", RETRY_SECONDS.to_string())
    }

    /// The client's vendor has had too many; `wait_ns` until there is one more.
    pub(super) fn too_many(wait_ns: u64) -> Self {
        let reason = Reason::RequestsLimit;
        Self::new(reason.status(), "temporarily_unavailable", reason.title())
            .hint("use a token until it expires, and wait as long as Retry-After says")
            .reasons(vec![reason])
            .header("retry-after", wait_ns.div_ceil(1_000_000_000).max(1).to_string())
    }

    /// Our fault; what it was is for our log.
    pub(super) fn server_error() -> Self {
        Self::new(500, "server_error", "the authorization server failed")
            .hint("try again later; our operators see it in the log")
    }

    pub(super) fn not_found(path: &str) -> Self {
        let not_found = Self::new(404, "invalid_request", "there is no such endpoint");
        if path == "/oauth/register" {
            return not_found
                .hint("clients do not register themselves here: ask our operators to enroll one");
        }
        not_found.hint("the endpoints are listed at /.well-known/oauth-authorization-server")
    }

    pub(super) fn method_not_allowed(allow: &str) -> Self {
        Self::new(405, "invalid_request", "the endpoint does not take this method")
            .hint(format!("use {allow}"))
            .header("allow", allow)
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(super) fn reasons(self, reasons: Vec<Reason>) -> Self {
        Self { reasons, ..self }
    }

    pub(super) fn recorded(self, recorded: Option<Reason>) -> Self {
        Self { recorded, ..self }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Takes a message of the form `what, hint: next step` apart.
    pub(super) fn explained(self, message: &str) -> Self {
        match message.split_once(", hint: ") {
            Some((description, hint)) => {
                Self { description: description.to_owned(), hint: Some(hint.to_owned()), ..self }
            }
            None => Self { description: message.to_owned(), ..self },
        }
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        let reason = failure.reason();
        let Failure { status, error, description, hint, reasons, headers, about, recorded: _ } = failure;
        let mut body = json!({ "error": error, "error_description": plain(&description) });
        if let Value::Object(members) = &mut body {
            if let Some(hint) = hint {
                members.insert("hint".to_owned(), Value::from(plain(&hint)));
            }
            if !reasons.is_empty() {
                let codes = reasons.into_iter().map(Reason::code).map(Value::from).collect();
                members.insert("reasons".to_owned(), Value::Array(codes));
            }
        }
        Self { status, headers, reason, about: about.map(Box::new), ..Self::json(body) }
    }
}

/// Only what RFC 6749, section 5.2 allows in `error_description`: ASCII without `"` and `\`.
fn plain(text: &str) -> String {
    let allowed = |character: char| match character {
        ' ' | '!' | '#'..='[' | ']'..='~' => character,
        '"' => '\'',
        _ => '?',
    };
    text.chars().take(DESCRIPTION_CHARACTERS_MAX).map(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_keep_to_the_characters_of_rfc_6749() {
        assert_eq!(plain("`aud` is \"a\\b\"\n\u{7f}…"), "`aud` is 'a?b'???");
        assert_eq!(plain(&"x".repeat(1_000)).len(), DESCRIPTION_CHARACTERS_MAX);
    }

    #[test]
    fn a_message_is_taken_apart_at_its_hint() {
        let failure = Failure::invalid_client("").explained("`exp` is missing, hint: add `exp`");
        assert_eq!(failure.description, "`exp` is missing");
        assert_eq!(failure.hint.as_deref(), Some("add `exp`"));
    }
}
