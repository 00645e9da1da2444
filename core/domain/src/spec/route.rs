//! Kind `Route`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place at our side that requests go to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    /// Name of the upstream.
    pub upstream: String,
    /// Such as `GET`.
    pub methods: Vec<String>,
    /// A template such as `/parcels/{id}`; `{*rest}` takes what is left.
    pub path: String,
    /// The scope that a token needs.
    pub scope: String,
    /// What a misuse would cost.
    #[serde(default)]
    pub impact: Impact,
    /// Whether records are counted and limited. Uncountable responses are refused on metered routes.
    #[serde(default = "yes")]
    pub metered: bool,
    /// RFC 6901 pointer to the array whose elements are the records; without one, every outermost array counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<String>,
    /// Records that one response may have at most; reserved up front, so that an honest pager sees 429 and not a cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_max: Option<u64>,
    /// Bytes of a response that stand for one record where records can't be told apart: with it, bodies of
    /// any media type and encoding pass, and those without records count by their size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub record_bytes: Option<u64>,
    /// Whether clients may open WebSocket connections here (RFC 6455, over HTTP/1.1); each message that
    /// leaves is a record.
    #[serde(default, skip_serializing_if = "is_no")]
    pub websocket: bool,
    /// Whether tokens that are bound to no key or certificate open it, of issuers that may have such.
    /// Only where the impact is low.
    #[serde(default, skip_serializing_if = "UnboundTokens::is_refuse")]
    pub unbound: UnboundTokens,
    /// Longest wait for the first byte of the response, in seconds.
    #[serde(default = "timeout_seconds")]
    #[schemars(range(min = 1, max = 3_600))]
    pub timeout_seconds: u32,
    #[serde(default = "request_bytes_max")]
    pub request_bytes_max: u64,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_no(value: &bool) -> bool {
    !*value
}

fn timeout_seconds() -> u32 {
    30
}

fn request_bytes_max() -> u64 {
    10 * 1024 * 1024
}

/// The cost of a misuse, by order of magnitude of money.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    Low,
    #[default]
    Moderate,
    High,
    Critical,
}

/// What a route makes of tokens that whoever holds them can use.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnboundTokens {
    #[default]
    Refuse,
    Allow,
}

impl UnboundTokens {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    fn is_refuse(&self) -> bool {
        *self == Self::Refuse
    }
}

/// Whether `path` is a template that the router takes: literal segments, `{name}` segments, and
/// `{*name}` as the last one.
///
/// # Errors
/// What is wrong with it.
pub fn check_template(path: &str) -> Result<(), String> {
    let Some(rest) = path.strip_prefix('/') else { return Err(format!("`{path}` does not begin with `/`")) };
    if path.len() > 1_024 {
        return Err("it is longer than 1024 characters".into());
    }
    let segments: Vec<&str> = rest.split('/').collect();
    for (place, segment) in segments.iter().enumerate() {
        let last = place + 1 == segments.len();
        let name = segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
        let good = match name {
            Some(name) => {
                let (name, rest_of_path) = name.strip_prefix('*').map_or((name, false), |name| (name, true));
                !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                    && (last || !rest_of_path)
            }
            None => {
                (!segment.is_empty() || (segments.len() == 1))
                    && !matches!(*segment, "." | "..")
                    && segment
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte))
            }
        };
        if !good {
            return Err(format!("`{segment}` is not a segment of a path template"));
        }
    }
    Ok(())
}
