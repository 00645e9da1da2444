//! Documents from outside, for control: over HTTPS, bounded in bytes and time, without redirects.

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_control::feeds::{FetchFile, FetchedFile, Validator, WantedFile};
use portcullis_control::issuers::{Fetch, Wanted};
use reqwest::{Certificate, Client, Response, StatusCode, header, redirect};
use tokio::io::AsyncWriteExt as _;

use crate::machine::identity::http_builder;

const CONNECT: Duration = Duration::from_secs(5);
/// From the first byte that is sent to the last one that is read.
const WHOLE: Duration = Duration::from_secs(10);
/// Files may be large, and their servers slow.
const WHOLE_FILE: Duration = Duration::from_secs(600);
/// Between two pieces of an answer.
const SILENCE: Duration = Duration::from_secs(30);
const VALIDATOR_BYTES_MAX: usize = 256;

/// How this process fetches.
pub fn fetch() -> Fetch {
    Arc::new(|wanted| Box::pin(async move { document(wanted).await }))
}

/// How this process fetches files.
pub fn fetch_file() -> FetchFile {
    Arc::new(|wanted| Box::pin(async move { file(wanted, SILENCE).await }))
}

async fn document(wanted: Wanted) -> Result<Vec<u8>, String> {
    let http = client(wanted.certificate_authority.as_deref(), WHOLE, SILENCE)?;
    let sent = http.get(&wanted.url).header("accept", "application/json").send().await;
    let response = sent.map_err(|error| said(&error))?;
    match response.status() {
        StatusCode::OK => body(response, wanted.bytes_max).await,
        status => Err(refused(status)),
    }
}

fn client(certificate_authority: Option<&str>, whole: Duration, silence: Duration) -> Result<Client, String> {
    let authorities = match certificate_authority {
        None => Vec::new(),
        Some(pem) => {
            vec![
                Certificate::from_pem(pem.as_bytes())
                    .map_err(|_| "the authority's PEM can't be read".to_owned())?,
            ]
        }
    };
    http_builder(&authorities, None)
        .https_only(true)
        .connect_timeout(CONNECT)
        .read_timeout(silence)
        .timeout(whole)
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|error| said(&error))
}

fn refused(status: StatusCode) -> String {
    if status.is_redirection() {
        format!("it answered {status}, and redirects aren't followed")
    } else {
        format!("it answered {status}")
    }
}

/// Lays a file down beside its place first: nobody ever sees half of it.
async fn file(wanted: WantedFile, silence: Duration) -> Result<FetchedFile, String> {
    let http = client(wanted.certificate_authority.as_deref(), WHOLE_FILE, silence)?;
    let mut request = http.get(&wanted.url).header("accept", "*/*");
    request = match &wanted.known {
        Some(Validator::Etag(etag)) => request.header(header::IF_NONE_MATCH, etag),
        Some(Validator::Modified(date)) => request.header(header::IF_MODIFIED_SINCE, date),
        None => request,
    };
    for (name, path) in &wanted.header_files {
        request = request.header(name, secret(path).await?);
    }
    let response = request.send().await.map_err(|error| said(&error))?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED if wanted.known.is_some() => return Ok(FetchedFile::Unchanged),
        status => return Err(refused(status)),
    }
    let validator = validator(&response);
    let part = wanted.to.with_extension("part");
    let laid = lay_down(response, &part, wanted.bytes_max).await;
    let laid = match laid {
        Ok(()) => tokio::fs::rename(&part, &wanted.to).await.map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    if let Err(error) = laid {
        let _ = tokio::fs::remove_file(&part).await;
        return Err(error);
    }
    Ok(FetchedFile::Written { validator })
}

/// The file's text, which no log shows.
async fn secret(path: &Path) -> Result<header::HeaderValue, String> {
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|error| format!("`{}` can't be read: {error}", path.display()))?;
    let value = header::HeaderValue::from_str(text.trim());
    let mut value = value.map_err(|_| format!("`{}` holds no value of a header", path.display()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn validator(response: &Response) -> Option<Validator> {
    let field = |name| {
        let value = response.headers().get(name)?.to_str().ok()?;
        (value.len() <= VALIDATOR_BYTES_MAX).then(|| value.to_owned())
    };
    let modified = || field(header::LAST_MODIFIED).map(Validator::Modified);
    field(header::ETAG).map(Validator::Etag).or_else(modified)
}

async fn lay_down(mut response: Response, part: &Path, bytes_max: u64) -> Result<(), String> {
    let too_long = || format!("it is longer than {bytes_max} bytes");
    if response.content_length().is_some_and(|length| length > bytes_max) {
        return Err(too_long());
    }
    let on_disk = |error: std::io::Error| format!("`{}` can't be written: {error}", part.display());
    if let Some(folder) = part.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(on_disk)?;
    }
    let mut file = tokio::fs::File::create(part).await.map_err(on_disk)?;
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await.map_err(|error| said(&error))? {
        bytes += chunk.len() as u64;
        if bytes > bytes_max {
            return Err(too_long());
        }
        file.write_all(&chunk).await.map_err(on_disk)?;
    }
    file.sync_all().await.map_err(on_disk)
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

#[cfg(test)]
mod tests;
