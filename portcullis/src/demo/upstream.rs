//! The sample service behind the gate: it knows nothing of vendors and gives whatever is asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::paced::Paced;

/// Serves on a free loopback port for as long as the runtime lives.
pub async fn start() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                // A gate that hangs up is no news.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(tcp), service_fn(answer))
                    .await;
            });
        }
    });
    Ok(address)
}

/// Records that are at hand: a whole table is put together while it is sent.
const LIST_MAX: u64 = 100;

async fn answer(request: Request<Incoming>) -> Result<Response<Paced>, Infallible> {
    let count = asked(request.uri().query());
    let table = (count > LIST_MAX).then_some(Duration::from_millis(80));
    let (kind, pace) = match request.uri().path() {
        "/parcels" => ("parcel", None),
        "/shipments/live" => ("shipment", Some(Duration::from_millis(20))),
        "/customers/export" => ("customer", None),
        "/payslips" => ("payslip", None),
        "/card-payments" => ("payment", None),
        "/plans" => ("plan", table),
        "/absences" => ("absence", table),
        path if path.starts_with("/employees/") => ("employee", table),
        _ => {
            let mut response = Response::new(Paced::empty());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    let mut response = Response::new(records(kind, count, pace));
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

/// `?records=N`, 20 without a word.
fn asked(query: Option<&str>) -> u64 {
    let number = query.and_then(|query| query.split('&').find_map(|part| part.strip_prefix("records=")));
    number.and_then(|number| number.parse().ok()).unwrap_or(20)
}

/// Invented records, a line each, 200 at a time, or 5 at each tick of a pace.
fn records(kind: &'static str, count: u64, pace: Option<Duration>) -> Paced {
    let many = if pace.is_some() { 5 } else { 200 };
    let mut next = 0;
    Paced::new(pace, move || {
        let until = (next + many).min(count);
        let lines: String = (next..until)
            .map(|number| {
                format!(
                    "{{\"kind\":\"{kind}\",\"number\":{number},\"name\":\"Example {number}\",\"city\":\"Anytown\"}}\n"
                )
            })
            .collect();
        next = until;
        (!lines.is_empty()).then(|| lines.into())
    })
}
