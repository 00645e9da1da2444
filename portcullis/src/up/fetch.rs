//! Documents from outside, for control: over HTTPS, bounded in bytes and time, without redirects.

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_control::feeds::{FetchFile, FetchedFile, WantedFile};
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
const ETAG_BYTES_MAX: usize = 256;

/// How this process fetches.
pub fn fetch() -> Fetch {
    Arc::new(|wanted| Box::pin(async move { document(wanted).await }))
}

/// How this process fetches files.
pub fn fetch_file() -> FetchFile {
    Arc::new(|wanted| Box::pin(async move { file(wanted).await }))
}

async fn document(wanted: Wanted) -> Result<Vec<u8>, String> {
    let http = client(wanted.certificate_authority.as_deref(), WHOLE)?;
    let sent = http.get(&wanted.url).header("accept", "application/json").send().await;
    let response = sent.map_err(|error| said(&error))?;
    match response.status() {
        StatusCode::OK => body(response, wanted.bytes_max).await,
        status => Err(refused(status)),
    }
}

fn client(certificate_authority: Option<&str>, whole: Duration) -> Result<Client, String> {
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
        .read_timeout(SILENCE)
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
async fn file(wanted: WantedFile) -> Result<FetchedFile, String> {
    let http = client(wanted.certificate_authority.as_deref(), WHOLE_FILE)?;
    let mut request = http.get(&wanted.url).header("accept", "*/*");
    if let Some(etag) = &wanted.etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    let response = request.send().await.map_err(|error| said(&error))?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED if wanted.etag.is_some() => return Ok(FetchedFile::Unchanged),
        status => return Err(refused(status)),
    }
    let etag = response.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok());
    let etag = etag.filter(|etag| etag.len() <= ETAG_BYTES_MAX).map(str::to_owned);
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
    Ok(FetchedFile::Written { etag })
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
mod tests {
    use std::sync::Arc;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// An HTTPS server that answers every request with `head`, and then with as much as anybody reads.
    async fn serve(head: &'static str, endless: bool) -> (String, String) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(tcp).await else { return };
                    let _ = stream.read(&mut [0; 4_096]).await;
                    let _ = stream.write_all(head.as_bytes()).await;
                    // A gigabyte, if anybody took it.
                    for _ in 0..if endless { 16_384 } else { 0 } {
                        if stream.write_all(&[b' '; 65_536]).await.is_err() {
                            return;
                        }
                    }
                    let _ = stream.shutdown().await;
                });
            }
        });
        (format!("https://localhost:{port}/jwks"), made.cert.pem())
    }

    async fn get(url: &str, authority: &str) -> Result<Vec<u8>, String> {
        let certificate_authority = Some(authority.to_owned());
        fetch()(Wanted { url: url.to_owned(), certificate_authority, bytes_max: 512 * 1024 }).await
    }

    #[tokio::test]
    async fn a_document_comes_whole_or_not_at_all() {
        let (url, authority) =
            serve("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"keys\":[]}", false).await;
        assert_eq!(get(&url, &authority).await, Ok(b"{\"keys\":[]}".to_vec()));
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
        assert!(get(&url, &other).await.is_err(), "another authority is not trusted");
        let check = |answered: Result<Vec<u8>, String>, expect: &str| {
            let error = answered.unwrap_err();
            assert!(error.contains(expect), "{error}");
        };
        check(get(&url.replace("https:", "http:"), &authority).await, "");
        let (url, authority) = serve("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", true).await;
        check(get(&url, &authority).await, "it is longer than 524288 bytes");
        let (url, authority) = serve("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", true).await;
        check(get(&url, &authority).await, "it is longer than 524288 bytes");
        let head = "HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n";
        let (url, authority) = serve(head, false).await;
        check(get(&url, &authority).await, "redirects aren't followed");
        let (url, authority) = serve("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", false).await;
        check(get(&url, &authority).await, "it answered 500");
        let (url, authority) = serve("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", false).await;
        assert!(get(&url, &authority).await.is_err(), "broken off");
        check(get("https://127.0.0.1:1/jwks", &authority).await, "");
    }
}
