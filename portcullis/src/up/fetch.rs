//! Documents from outside, for control: over HTTPS, bounded in bytes and time, without redirects.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use portcullis_control::issuers::{Fetch, Wanted};
use reqwest::{Certificate, Response, StatusCode, redirect};

use crate::machine::identity::http_builder;

const CONNECT: Duration = Duration::from_secs(5);
/// From the first byte that is sent to the last one that is read.
const WHOLE: Duration = Duration::from_secs(10);

/// How this process fetches.
pub fn fetch() -> Fetch {
    Arc::new(|wanted| Box::pin(async move { document(wanted).await }))
}

async fn document(wanted: Wanted) -> Result<Vec<u8>, String> {
    let authorities = match &wanted.certificate_authority {
        None => Vec::new(),
        Some(pem) => {
            vec![
                Certificate::from_pem(pem.as_bytes())
                    .map_err(|_| "the authority's PEM can't be read".to_owned())?,
            ]
        }
    };
    let http = http_builder(&authorities, None)
        .https_only(true)
        .connect_timeout(CONNECT)
        .timeout(WHOLE)
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|error| said(&error))?;
    let sent = http.get(&wanted.url).header("accept", "application/json").send().await;
    let response = sent.map_err(|error| said(&error))?;
    match response.status() {
        StatusCode::OK => body(response, wanted.bytes_max).await,
        status if status.is_redirection() => {
            Err(format!("it answered {status}, and redirects aren't followed"))
        }
        status => Err(format!("it answered {status}")),
    }
}

/// What is too long is cut off where that shows.
async fn body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, String> {
    let too_long = || format!("it is longer than {bytes_max} bytes");
    if response.content_length().is_some_and(|length| length > bytes_max as u64) {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| said(&error))? {
        if bytes.len() + chunk.len() > bytes_max {
            return Err(too_long());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The innermost cause says most.
fn said(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    let mut innermost = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        innermost = inner.to_string();
        cause = inner.source();
    }
    innermost
}
