//! The server: where it is, and its HTTP API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use portcullis_api::page::{LIMIT_MAX, Page};
use portcullis_api::problem::{MEDIA_TYPE, Problem};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Place;
use super::failure::Refused;
use crate::clock::entropy;
use crate::machine::{authorities, http_builder};
use crate::up::Endpoints;

const DIRECTORY_VARIABLE: &str = "PORTCULLIS_DIR";
const DIRECTORY_DEFAULT: &str = "portcullis-data";
const TOKEN_VARIABLE: &str = "PORTCULLIS_TOKEN";
const TOKEN_HINT: &str = "set `PORTCULLIS_TOKEN` to an operator's token, or leave it unset where `DIR/admin.token` can be read; another operator makes tokens by `portcullis operator add NAME`";
const CONNECT: Duration = Duration::from_secs(5);
/// How long nothing may come. A verification of a long ledger takes its time.
const SILENCE: Duration = Duration::from_secs(120);
const NOWHERE: &str = "no server is known\nhint: give `--dir DIR` of a running `portcullis up`, or `--server URL`; in a folder with `portcullis-data` neither is needed";

/// Control, as the command line speaks with it.
pub(super) struct Server {
    http: reqwest::Client,
    base: Url,
    token: String,
}

impl Place {
    /// The data folder that was named, or the one that lies here: unless a server is named, for that
    /// one is not to get the token that happens to lie here.
    pub(super) fn directory(&self) -> Option<PathBuf> {
        let named =
            || std::env::var_os(DIRECTORY_VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
        let here = || {
            let directory = PathBuf::from(DIRECTORY_DEFAULT);
            (self.server.is_none() && directory.is_dir()).then_some(directory)
        };
        self.dir.clone().or_else(named).or_else(here)
    }

    /// Where everything of the running installation is.
    pub(super) fn endpoints(&self) -> Result<Endpoints> {
        let directory = self.directory().ok_or_else(|| anyhow!(NOWHERE))?;
        Endpoints::read(&directory)
    }

    /// The PEM text of the authority that signed the server's certificate, if one is known.
    pub(super) fn authority(&self) -> Result<Option<Vec<u8>>> {
        let from_directory = || {
            let path = self.directory()?.join("keys").join("ca.crt");
            path.exists().then_some(path)
        };
        self.ca.clone().or_else(from_directory).map(|path| read(&path)).transpose()
    }

    fn token(&self) -> Result<String> {
        if let Ok(token) = std::env::var(TOKEN_VARIABLE) {
            return Ok(token.trim().to_owned());
        }
        let directory = self.directory().ok_or_else(|| {
            anyhow!("no operator's token is known\nhint: set `{TOKEN_VARIABLE}`, or give `--dir DIR` with an `admin.token` in it")
        })?;
        let path = directory.join("admin.token");
        let text = read(&path).map_err(|error| {
            anyhow!("{error:#}\nhint: set `{TOKEN_VARIABLE}`, or run as the user who runs `portcullis up`")
        })?;
        Ok(String::from_utf8_lossy(&text).trim().to_owned())
    }
}

impl Server {
    pub(super) fn find(place: &Place) -> Result<Self> {
        let address = match &place.server {
            Some(server) => server.clone(),
            None => place.endpoints()?.control,
        };
        let base = Url::parse(&address).ok().filter(safe).ok_or_else(|| {
            anyhow!("`{address}` is no address of a server\nhint: write `https://HOST:PORT`; plain `http` only goes to this machine")
        })?;
        let trusted = match place.authority()? {
            Some(pem) => authorities(&pem)?,
            None => Vec::new(),
        };
        let http = http_builder(&trusted, None).connect_timeout(CONNECT).read_timeout(SILENCE).build()?;
        Ok(Self { http, base, token: place.token()? })
    }

    pub(super) fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T> {
        self.query(path, &[]).await
    }

    pub(super) async fn query<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T> {
        let request = self.request(Method::GET, path)?.query(query);
        Ok(self.answer(request).await?.1)
    }

    /// Every page of a list.
    pub(super) async fn all<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Vec<T>> {
        let mut items = Vec::new();
        let mut cursor = None;
        loop {
            let mut query = vec![("limit", LIMIT_MAX.to_string())];
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let page: Page<T> = self.query(path, &query).await?;
            items.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    /// With the status, for those commands that have more than one good end.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<(StatusCode, T)> {
        let request = self.request(Method::POST, path)?.header("idempotency-key", unique()).json(body);
        self.answer(request).await
    }

    /// A body that may be long, of a request that may be sent twice.
    pub(super) async fn post_long<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T> {
        Ok(self.answer(self.request(Method::POST, path)?.json(body)).await?.1)
    }

    /// An answer that is long, and comes while it is made; its head is checked, its body the caller's.
    pub(super) async fn post_for_stream(&self, path: &[&str], body: &impl Serialize) -> Result<Response> {
        checked(self.send(self.request(Method::POST, path)?.json(body)).await?).await
    }

    /// Only if what it is about still has this version.
    pub(super) async fn post_if<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
        version: Option<u64>,
    ) -> Result<T> {
        let mut request = self.request(Method::POST, path)?.header("idempotency-key", unique()).json(body);
        if let Some(version) = version {
            request = request.header("if-match", format!("\"{version}\""));
        }
        Ok(self.answer(request).await?.1)
    }

    /// Bytes as they are. The same ones again change nothing.
    pub(super) async fn post_bytes<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        bytes: Vec<u8>,
    ) -> Result<T> {
        let request = self.request(Method::POST, path)?.query(query);
        Ok(self.answer(request.header(CONTENT_TYPE, "application/octet-stream").body(bytes)).await?.1)
    }

    pub(super) async fn bytes(&self, path: &[&str]) -> Result<Vec<u8>> {
        let response = checked(self.look(path).await?).await?;
        Ok(response.bytes().await.context("the server's answer broke off")?.to_vec())
    }

    /// What may be sent twice.
    pub(super) async fn put<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<T> {
        Ok(self.answer(self.request(Method::PUT, path)?.json(body)).await?.1)
    }

    pub(super) async fn delete<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T> {
        let request = self.request(Method::DELETE, path)?.header("idempotency-key", unique()).query(query);
        Ok(self.answer(request).await?.1)
    }

    /// A stream of events; its head is checked, its body the caller's.
    pub(super) async fn stream(&self, path: &[&str], query: &[(&str, String)]) -> Result<Response> {
        let request = self.request(Method::GET, path)?.query(query).header("accept", "text/event-stream");
        checked(self.send(request).await?).await
    }

    /// An answer that is no JSON.
    pub(super) async fn text(&self, path: &[&str]) -> Result<String> {
        Ok(checked(self.look(path).await?).await?.text().await?)
    }

    /// Any answer, whatever its status.
    pub(super) async fn look(&self, path: &[&str]) -> Result<Response> {
        self.send(self.request(Method::GET, path)?).await
    }

    fn request(&self, method: Method, path: &[&str]) -> Result<RequestBuilder> {
        let mut url = self.base.clone();
        // Segment by segment: what a person typed may hold anything.
        url.path_segments_mut().map_err(|()| anyhow!(NOWHERE))?.pop_if_empty().extend(path);
        Ok(self.http.request(method, url).bearer_auth(&self.token))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        request.send().await.map_err(|error| {
            let error = anyhow::Error::new(error.without_url());
            // What is between says how this program is made; the last cause is what is wrong.
            let cause = anyhow!("{}", error.root_cause());
            let hint = if format!("{error:#}").contains("certificate") {
                "name the authority that signed its certificate by `--ca FILE`, or its data folder by `--dir DIR`"
            } else {
                "is it running? `portcullis up` starts it, `portcullis doctor` looks closer"
            };
            cause.context(format!("can't reach `{}`\nhint: {hint}", self.address()))
        })
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<(StatusCode, T)> {
        let response = checked(self.send(request).await?).await?;
        let status = response.status();
        let body = response.bytes().await.context("the server's answer broke off")?;
        let value = serde_json::from_slice(&body).context(
            "the server's answer can't be read\nhint: are server and command line of one version?",
        )?;
        Ok((status, value))
    }
}

/// An operator's token must not travel in the clear.
fn safe(base: &Url) -> bool {
    let here = matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    base.scheme() == "https" || (base.scheme() == "http" && here)
}

/// The response, if it is none of refusal.
async fn checked(response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let media = response.headers().get(CONTENT_TYPE).and_then(|media| media.to_str().ok());
    let is_problem = media.is_some_and(|media| media.starts_with(MEDIA_TYPE));
    let body = response.bytes().await.unwrap_or_default();
    if is_problem && let Ok(mut problem) = serde_json::from_slice::<Problem>(&body) {
        if status == StatusCode::UNAUTHORIZED {
            problem.hint = Some(TOKEN_HINT.to_owned());
        }
        return Err(Refused(Box::new(problem)).into());
    }
    bail!("the server answered {status}\nhint: is it the address of control, and not of something else?")
}

/// What a list of one kind's resources is found under.
pub(super) fn resources(kind: portcullis_domain::spec::Kind) -> [String; 3] {
    ["v1".to_owned(), "resources".to_owned(), kind.as_str().to_ascii_lowercase()]
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("can't read `{}`", path.display()))
}

/// For `Idempotency-Key`: a retry below us does nothing twice.
fn unique() -> String {
    let mut bytes = [0; 16];
    entropy()(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A member of a spec as text, empty if it isn't there.
pub(super) fn text_of<'a>(spec: &'a Value, name: &str) -> &'a str {
    spec.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A member of a spec as a list of texts.
pub(super) fn texts_of(spec: &Value, name: &str) -> Vec<String> {
    let items = spec.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_travel_in_the_clear() {
        for (address, expect) in [
            ("https://control.example:8444", true),
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://control.example", false),
            ("http://127.0.0.1.example", false),
            ("ftp://localhost", false),
        ] {
            assert_eq!(Url::parse(address).is_ok_and(|url| safe(&url)), expect, "{address}");
        }
    }
}
