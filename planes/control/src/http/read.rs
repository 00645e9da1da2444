//! What a request brings: bodies and query parameters, bounded and strict.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use portcullis_api::page::{LIMIT_DEFAULT, LIMIT_MAX};
use portcullis_api::problem::Problem;
use serde::de::DeserializeOwned;

use super::reply::{Refused, bad_request};

/// The longest body that is read.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Of a body with a list in it; in JSON it is somewhat longer than by itself.
pub const LONG_BODY_BYTES_MAX: usize = 96 * 1024 * 1024;

/// A JSON body.
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        check_media(&request)?;
        let body = whole(request.into_body()).await?;
        read(&body).map(Self)
    }
}

fn check_media(request: &Request) -> Result<(), Refused> {
    let media = request.headers().get(CONTENT_TYPE).and_then(|media| media.to_str().ok());
    let media = media.and_then(|media| media.split(';').next()).map(str::trim);
    if media.is_some_and(|media| media.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let problem = Problem::new(415, "the body's media type is not taken", "the body is not marked as JSON");
    Err(problem.hint("send `Content-Type: application/json`").into())
}

/// A JSON body that carries a whole list. Without an `Idempotency-Key`: with one, only short bodies are read.
pub struct LongJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for LongJson<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        check_media(&request)?;
        let body = bounded(request.into_body(), LONG_BODY_BYTES_MAX).await?;
        read(&body).map(Self)
    }
}

/// The whole body, if it is not too long.
pub async fn whole(body: Body) -> Result<Bytes, Refused> {
    bounded(body, BODY_BYTES_MAX).await
}

async fn bounded(body: Body, bytes_max: usize) -> Result<Bytes, Refused> {
    axum::body::to_bytes(body, bytes_max).await.map_err(|_| {
        let detail = format!("the body is longer than {bytes_max} bytes, or broke off");
        Problem::new(413, "the body is too long", detail).hint("send less at once").into()
    })
}

/// `body` as a JSON object. A list would be taken for its fields by position otherwise.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    if body.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Err(bad_request(
            "the body is not a JSON object",
            "`/openapi.json` tells what each body must hold",
        ));
    }
    serde_json::from_slice(body).map_err(|error| {
        bad_request(format!("the body: {error}"), "`/openapi.json` tells what each body must hold")
    })
}

/// The parameters behind the `?`, each taken once; what is left at the end is refused.
pub struct Parameters {
    left: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl Parameters {
    pub fn new(query: Option<&str>) -> Result<Self, Refused> {
        let uri = format!("/?{}", query.unwrap_or_default());
        let parsed = uri.parse().ok().and_then(|uri| {
            axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).ok().map(|query| query.0)
        });
        let left =
            parsed.ok_or_else(|| bad_request("the query can't be read", "write `?name=value&name=value`"))?;
        Ok(Self { left, known: Vec::new() })
    }

    pub fn take(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let place = self.left.iter().position(|(found, _)| found == name)?;
        Some(self.left.remove(place).1)
    }

    pub fn parsed<T: std::str::FromStr>(
        &mut self,
        name: &'static str,
        wanted: &str,
    ) -> Result<Option<T>, Refused> {
        let Some(text) = self.take(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let text: String = text.chars().take(60).collect();
            bad_request(format!("`{text}` can't be the query parameter `{name}`"), format!("write {wanted}"))
        })
    }

    /// As its word in JSON, such as `records_cut`.
    pub fn word<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        wanted: &str,
    ) -> Result<Option<T>, Refused> {
        let Some(text) = self.take(name) else { return Ok(None) };
        serde_json::from_value(serde_json::Value::String(text.clone())).map(Some).map_err(|_| {
            let text: String = text.chars().take(60).collect();
            bad_request(format!("`{text}` can't be the query parameter `{name}`"), format!("write {wanted}"))
        })
    }

    pub fn limit(&mut self) -> Result<u32, Refused> {
        let wanted = format!("a number from 1 to {LIMIT_MAX}");
        match self.parsed("limit", &wanted)? {
            None => Ok(LIMIT_DEFAULT),
            Some(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
            Some(limit) => Err(bad_request(
                format!("`{limit}` can't be the query parameter `limit`"),
                format!("write {wanted}"),
            )),
        }
    }

    /// Nothing may be left.
    pub fn finish(self) -> Result<(), Refused> {
        let Some((name, _)) = self.left.first() else { return Ok(()) };
        let name: String = name.chars().take(60).collect();
        if self.known.contains(&name.as_str()) {
            return Err(bad_request(format!("the query parameter `{name}` is there twice"), "send it once"));
        }
        let known: Vec<String> = self.known.iter().map(|known| format!("`{known}`")).collect();
        let hint = if known.is_empty() {
            "there is none here".to_owned()
        } else {
            format!("known here: {}", known.join(", "))
        };
        Err(bad_request(format!("unknown query parameter `{name}`"), hint))
    }
}
