//! The sample service behind the gate: it knows nothing of vendors and gives whatever is asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::Interval;

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

async fn answer(request: Request<Incoming>) -> Result<Response<Records>, Infallible> {
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
            let mut response = Response::new(Records::none());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    let mut response = Response::new(Records::new(kind, count, pace));
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

/// Invented records, a line each, 200 at a time.
struct Records {
    kind: &'static str,
    next: u64,
    count: u64,
    pace: Option<Pin<Box<Interval>>>,
}

impl Records {
    fn new(kind: &'static str, count: u64, pace: Option<Duration>) -> Self {
        Self { kind, next: 0, count, pace: pace.map(|pace| Box::pin(tokio::time::interval(pace))) }
    }

    fn none() -> Self {
        Self::new("", 0, None)
    }
}

impl Body for Records {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(pace) = &mut self.pace
            && pace.poll_tick(context).is_pending()
        {
            return Poll::Pending;
        }
        if self.next >= self.count {
            return Poll::Ready(None);
        }
        let until = (self.next + if self.pace.is_some() { 5 } else { 200 }).min(self.count);
        let lines: String = (self.next..until)
            .map(|number| {
                format!(
                    "{{\"kind\":\"{}\",\"number\":{number},\"name\":\"Example {number}\",\"city\":\"Anytown\"}}\n",
                    self.kind
                )
            })
            .collect();
        self.next = until;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(lines)))))
    }
}
