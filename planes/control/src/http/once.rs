//! `Idempotency-Key`: a command that is sent twice under the same key is carried out once.
//!
//! Answers are kept in memory, at most [`ANSWERS_MAX`] of them and for a day. Refusals aren't kept:
//! they have changed nothing, and may be tried again. Every command runs to its end, also when the
//! one who asked has gone.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use portcullis_api::problem::Problem;

use super::authorize::Caller;
use super::read::whole;
use super::reply::{Refused, bad_request};
use crate::control::Control;

pub const ANSWERS_MAX: usize = 1_000;
pub const ANSWER_LIFE: SignedDuration = SignedDuration::from_hours(24);
const KEY_BYTES_MAX: usize = 255;
/// Longer answers are given, and not kept.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The operator, and the key that they chose.
type Key = (uuid::Uuid, String);

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

enum Entry {
    UnderWay { request: [u8; 32] },
    Answered { request: [u8; 32], answer: Answer },
}

#[derive(Default)]
struct Kept {
    entries: HashMap<Key, Entry>,
    /// Oldest first, with the time at which they may go.
    order: VecDeque<(Timestamp, Key)>,
}

/// The answers of the last day.
#[derive(Clone, Default)]
pub struct Answers(Arc<Mutex<Kept>>);

impl Answers {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer that was given already, or the right to carry the command out.
    fn begin(&self, key: Key, request: [u8; 32], now: Timestamp) -> Result<Begun, Refused> {
        let mut kept = self.kept();
        kept.forget_old(now);
        match kept.entries.get(&key) {
            Some(Entry::Answered { request: known, answer }) if *known == request => {
                return Ok(Begun::Answered(answer.clone()));
            }
            Some(Entry::UnderWay { request: known }) if *known == request => {
                let problem = Problem::new(409, "under way", "the same command is being carried out");
                return Err(problem.hint("send it again in a moment, under the same key").into());
            }
            Some(_) => {
                let detail = "the `Idempotency-Key` was used for another request";
                let problem = Problem::new(422, "the key is taken", detail);
                return Err(problem.hint("choose a new key for each command").into());
            }
            None => {}
        }
        kept.entries.insert(key.clone(), Entry::UnderWay { request });
        drop(kept);
        Ok(Begun::Yours(UnderWay { answers: self.clone(), key, request, done: false }))
    }
}

impl Kept {
    fn forget_old(&mut self, now: Timestamp) {
        while let Some((until, _)) = self.order.front()
            && (*until <= now || self.order.len() >= ANSWERS_MAX)
            && let Some((_, key)) = self.order.pop_front()
        {
            self.entries.remove(&key);
        }
    }
}

enum Begun {
    Answered(Answer),
    Yours(UnderWay),
}

/// Forgets the key, unless an answer was kept: also when the command panics.
struct UnderWay {
    answers: Answers,
    key: Key,
    request: [u8; 32],
    done: bool,
}

impl UnderWay {
    fn keep(mut self, answer: Answer, now: Timestamp) {
        let until = now.checked_add(ANSWER_LIFE).unwrap_or(now);
        let mut kept = self.answers.kept();
        kept.entries.insert(self.key.clone(), Entry::Answered { request: self.request, answer });
        kept.order.push_back((until, self.key.clone()));
        drop(kept);
        self.done = true;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.done {
            self.answers.kept().entries.remove(&self.key);
        }
    }
}

pub async fn once(
    State((control, answers)): State<(Control, Answers)>,
    request: Request,
    next: Next,
) -> Response {
    if !matches!(*request.method(), Method::POST | Method::DELETE) {
        return next.run(request).await;
    }
    match carry_out(control, answers, request, next).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    }
}

async fn carry_out(
    control: Control,
    answers: Answers,
    request: Request,
    next: Next,
) -> Result<Response, Refused> {
    let caller = request.extensions().get::<Caller>().map(|caller| caller.0.id.0);
    let key = match request.headers().get("idempotency-key") {
        Some(key) => Some(read_key(key)?),
        None => None,
    };
    let (Some(caller), Some(key)) = (caller, key) else {
        return finish(tokio::spawn(next.run(request))).await;
    };
    let (parts, body) = request.into_parts();
    let body = whole(body).await?;
    let mut asked = format!("{} {}\n", parts.method, parts.uri).into_bytes();
    asked.extend_from_slice(&body);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &asked).as_ref());
    let under_way = match answers.begin((caller, key), hash, control.clock().now())? {
        Begun::Answered(answer) => return Ok(answer.into_response()),
        Begun::Yours(under_way) => under_way,
    };
    let request = Request::from_parts(parts, Body::from(body));
    finish(tokio::spawn(async move {
        let response = next.run(request).await;
        if !response.status().is_success() {
            return response;
        }
        let (parts, body) = response.into_parts();
        // The body is in memory already: commands answer JSON.
        let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        if answer.body.len() <= ANSWER_BYTES_MAX {
            under_way.keep(answer.clone(), control.clock().now());
        }
        answer.into_response()
    }))
    .await
}

async fn finish(task: tokio::task::JoinHandle<Response>) -> Result<Response, Refused> {
    task.await.map_err(|error| {
        tracing::error!(%error, "a command broke off");
        Problem::new(500, "the command broke off", "a fault of ours; the log says more").into()
    })
}

fn read_key(key: &HeaderValue) -> Result<String, Refused> {
    let key = key.to_str().ok().filter(|key| {
        (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    });
    key.map(str::to_owned).ok_or_else(|| {
        bad_request("the `Idempotency-Key` can't be read", "send 1 to 255 visible characters, such as a UUID")
    })
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
