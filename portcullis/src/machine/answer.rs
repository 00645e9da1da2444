//! An answer as it streams in: how much of it came, and whether it came whole.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use portcullis_records::{Counter, Format};

/// The head of an answer, and its body to read.
pub struct Answer {
    response: reqwest::Response,
    counter: Option<Counter>,
    taken: Taken,
}

/// How much of a body has come.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Taken {
    pub bytes: u64,
    /// Records that began in it; `None` where the media type has none to count.
    pub records: Option<u64>,
}

/// The body ended before its end.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off after {} bytes", .taken.bytes)]
pub struct BrokenOff {
    pub taken: Taken,
    /// What `explain` takes.
    pub decision: Option<String>,
    #[source]
    source: reqwest::Error,
}

impl Answer {
    pub(super) fn new(response: reqwest::Response) -> Self {
        let media = response.headers().get(http::header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
        let counter = media.and_then(Format::from_content_type).map(Counter::new);
        let taken = Taken { bytes: 0, records: counter.is_some().then_some(0) };
        Self { response, counter, taken }
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    #[must_use]
    pub fn version(&self) -> Version {
        self.response.version()
    }

    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The decision that let it pass or refused it.
    #[must_use]
    pub fn decision(&self) -> Option<&str> {
        self.headers().get("portcullis-decision").and_then(|id| id.to_str().ok())
    }

    /// What has come so far.
    #[must_use]
    pub fn taken(&self) -> Taken {
        self.taken
    }

    /// The next part of the body; `None` at its end.
    ///
    /// # Errors
    /// [`BrokenOff`] if the body ends before its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BrokenOff> {
        match self.response.chunk().await {
            Ok(Some(chunk)) => {
                self.count(&chunk);
                Ok(Some(chunk))
            }
            Ok(None) => Ok(None),
            Err(source) => {
                Err(BrokenOff { taken: self.taken, decision: self.decision().map(str::to_owned), source })
            }
        }
    }

    /// The connection itself, once the answer has changed its protocol (RFC 9110 §7.8).
    ///
    /// # Errors
    /// The answer has changed none.
    pub async fn upgraded(self) -> Result<reqwest::Upgraded, reqwest::Error> {
        self.response.upgrade().await
    }

    /// The whole body, of which at most `bytes_max` are kept.
    ///
    /// # Errors
    /// [`BrokenOff`] if the body ends before its end.
    pub async fn body(&mut self, bytes_max: usize) -> Result<Vec<u8>, BrokenOff> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            let room = bytes_max.saturating_sub(body.len()).min(chunk.len());
            body.extend_from_slice(chunk.get(..room).unwrap_or_default());
        }
        Ok(body)
    }

    fn count(&mut self, chunk: &[u8]) {
        self.taken.bytes = self.taken.bytes.saturating_add(chunk.len() as u64);
        let (Some(counter), Some(records)) = (&mut self.counter, self.taken.records) else { return };
        // What can't be counted is no reason to withhold it here.
        self.taken.records =
            counter.push(chunk, u64::MAX).ok().map(|progress| records.saturating_add(progress.records));
    }
}
