use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;

/// What stands behind an answer's head.
#[derive(Clone, Copy, PartialEq)]
enum Behind {
    Nothing,
    /// A gigabyte, if anybody took it.
    Endless,
    /// The connection stays open.
    Silence,
}

/// An HTTPS server that answers every request with `head` and what stands behind it.
async fn serve(head: &'static str, behind: Behind) -> (String, String) {
    let (url, authority, _) = serve_to(head, behind).await;
    (url, authority)
}

/// The same, and the heads of the requests.
async fn serve_to(head: &'static str, behind: Behind) -> (String, String, Asked) {
    let asked = Asked::default();
    let heads = Arc::clone(&asked);
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
            let (acceptor, heads) = (acceptor.clone(), Arc::clone(&heads));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(tcp).await else { return };
                let mut request = [0; 4_096];
                let length = stream.read(&mut request).await.unwrap_or_default();
                heads.lock().unwrap().push(String::from_utf8_lossy(&request[..length]).to_lowercase());
                let _ = stream.write_all(head.as_bytes()).await;
                for _ in 0..if behind == Behind::Endless { 16_384 } else { 0 } {
                    if stream.write_all(&[b' '; 65_536]).await.is_err() {
                        return;
                    }
                }
                if behind == Behind::Silence {
                    let _ = stream.read(&mut request).await;
                }
                let _ = stream.shutdown().await;
            });
        }
    });
    (format!("https://localhost:{port}/jwks"), made.cert.pem(), asked)
}

type Asked = Arc<Mutex<Vec<String>>>;

async fn get(url: &str, authority: &str) -> Result<Vec<u8>, String> {
    let certificate_authority = Some(authority.to_owned());
    fetch()(Wanted { url: url.to_owned(), certificate_authority, bytes_max: 512 * 1024 }).await
}

#[tokio::test]
async fn a_document_comes_whole_or_not_at_all() {
    let (url, authority) =
        serve("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"keys\":[]}", Behind::Nothing).await;
    assert_eq!(get(&url, &authority).await, Ok(b"{\"keys\":[]}".to_vec()));
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
    assert!(get(&url, &other).await.is_err(), "another authority is not trusted");
    let check = |answered: Result<Vec<u8>, String>, expect: &str| {
        let error = answered.unwrap_err();
        assert!(error.contains(expect), "{error}");
    };
    check(get(&url.replace("https:", "http:"), &authority).await, "");
    let (url, authority) =
        serve("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", Behind::Endless).await;
    check(get(&url, &authority).await, "it is longer than 524288 bytes");
    let (url, authority) = serve("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", Behind::Endless).await;
    check(get(&url, &authority).await, "it is longer than 524288 bytes");
    let head = "HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n";
    let (url, authority) = serve(head, Behind::Nothing).await;
    check(get(&url, &authority).await, "redirects aren't followed");
    let (url, authority) = serve("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", Behind::Nothing).await;
    check(get(&url, &authority).await, "it answered 500");
    let (url, authority) = serve("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", Behind::Nothing).await;
    assert!(get(&url, &authority).await.is_err(), "broken off");
    check(get("https://127.0.0.1:1/jwks", &authority).await, "");
}

/// A file of which `old` is there, fetched from a server that answers so; what came of it, and what is there then.
async fn fetched(
    head: &'static str,
    behind: Behind,
    known: Option<Validator>,
) -> (Result<FetchedFile, String>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("fetched").join("list");
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::write(&to, "old").unwrap();
    let (url, authority, asked) = serve_to(head, behind).await;
    let certificate_authority = Some(authority);
    let header_files = Default::default();
    let wanted =
        WantedFile { url, certificate_authority, header_files, known, to: to.clone(), bytes_max: 100_000 };
    let outcome = file(wanted, Duration::from_millis(300)).await;
    let names: Vec<_> =
        std::fs::read_dir(to.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["list"], "nothing half is left behind: {head}");
    let asked = asked.lock().unwrap().concat();
    (outcome, std::fs::read_to_string(&to).unwrap(), asked)
}

#[tokio::test]
async fn a_file_is_had_again_only_if_its_server_has_another_one() {
    let tag = || Some(Validator::Etag("\"7\"".to_owned()));
    let date = || Some(Validator::Modified("Wed, 18 Nov 2026 09:00:00 GMT".to_owned()));
    let new = "HTTP/1.1 200 OK\r\nETag: \"7\"\r\nLast-Modified: x\r\nContent-Length: 3\r\n\r\nnew";
    let (outcome, there, asked) = fetched(new, Behind::Nothing, None).await;
    assert_eq!((outcome, there.as_str()), (Ok(FetchedFile::Written { validator: tag() }), "new"));
    assert!(!asked.contains("if-"), "{asked}");
    let undated =
        "HTTP/1.1 200 OK\r\nLast-Modified: Wed, 18 Nov 2026 09:00:00 GMT\r\nContent-Length: 3\r\n\r\nnew";
    let (outcome, ..) = fetched(undated, Behind::Nothing, None).await;
    assert_eq!(outcome, Ok(FetchedFile::Written { validator: date() }));
    let same = "HTTP/1.1 304 Not Modified\r\nETag: \"7\"\r\n\r\n";
    let (outcome, there, asked) = fetched(same, Behind::Nothing, tag()).await;
    assert_eq!((outcome, there.as_str()), (Ok(FetchedFile::Unchanged), "old"));
    assert!(asked.contains("if-none-match: \"7\"\r\n"), "{asked}");
    let (outcome, there, asked) = fetched(same, Behind::Nothing, date()).await;
    assert_eq!((outcome, there.as_str()), (Ok(FetchedFile::Unchanged), "old"));
    assert!(asked.contains("if-modified-since: wed, 18 nov 2026 09:00:00 gmt\r\n"), "{asked}");
}

#[tokio::test]
async fn what_does_not_come_whole_leaves_what_is_there() {
    let table = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n192.0.2.1\n", Behind::Nothing, ""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n192.0.2.1\n\r\n", Behind::Nothing, ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n192.0.2.1\n", Behind::Silence, "it took too long"),
        ("", Behind::Silence, "it took too long"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n",
            Behind::Endless,
            "it is longer than 100000 bytes",
        ),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", Behind::Endless, "it is longer than 100000 bytes"),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n",
            Behind::Nothing,
            "redirects aren't followed",
        ),
        ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Behind::Nothing, "it answered 503"),
        // Nothing was said to be known.
        ("HTTP/1.1 304 Not Modified\r\n\r\n", Behind::Nothing, "it answered 304"),
        ("SSH-2.0-x\r\n", Behind::Nothing, ""),
    ];
    for (head, behind, expect) in table {
        let (outcome, there, _) = fetched(head, behind, None).await;
        let error = outcome.unwrap_err();
        assert!(error.contains(expect), "{head}: {error}");
        assert_eq!(there, "old", "{head}");
    }
}
