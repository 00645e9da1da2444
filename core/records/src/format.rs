//! Which media types can be counted.

/// How a body is divided into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    Json,
    NdJson,
    /// RFC 4180. The first line is a header and no record, unless the parameter `header` says that
    /// there is none.
    Csv {
        has_header: bool,
    },
    Sse,
    /// Length-prefixed messages of gRPC, in any encoding.
    Grpc,
}

impl Format {
    /// The format of a `Content-Type` (RFC 9110, 8.3), `None` if it can't be counted. Parameters
    /// are ignored, but a `charset` other than `utf-8` and `us-ascii` can't be counted.
    #[must_use]
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        // What nearly all say, in so many words.
        if content_type == "application/json" {
            return Some(Self::Json);
        }
        // A quoted parameter may hold a `;`: splitting it anyway can only find more charsets.
        let mut parts = content_type.split(';').map(str::trim);
        let media_type = parts.next()?.to_ascii_lowercase();
        if !parts.clone().all(is_countable_parameter) {
            return None;
        }
        let (kind, subtype) = media_type.split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        match (kind, subtype) {
            ("application", "json") => Some(Self::Json),
            ("application", "x-ndjson" | "ndjson" | "jsonl" | "x-jsonlines") => Some(Self::NdJson),
            ("text", "event-stream") => Some(Self::Sse),
            ("text", "csv") => Some(Self::Csv { has_header: !parts.any(says_no_header) }),
            ("application", "grpc") => Some(Self::Grpc),
            // Messages of JSON have prefixes too; `application/grpc-web` has other frames.
            ("application", subtype) if subtype.starts_with("grpc+") => Some(Self::Grpc),
            _ if subtype.len() > "+json".len() && subtype.ends_with("+json") => Some(Self::Json),
            _ => None,
        }
    }
}

/// RFC 4180, section 3. Whoever says so both ways pays for the header.
fn says_no_header(parameter: &str) -> bool {
    let (name, value) = split(parameter);
    name == "header" && value.eq_ignore_ascii_case("absent")
}

fn is_countable_parameter(parameter: &str) -> bool {
    let (name, value) = split(parameter);
    if name != "charset" && !name.starts_with("charset*") {
        return true;
    }
    name == "charset" && (value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("us-ascii"))
}

/// The name in lower case, and the value without its quotes.
fn split(parameter: &str) -> (String, &str) {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    (name.trim().to_ascii_lowercase(), value)
}

/// RFC 9110, 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn content_types() {
        let check = |content_type: &str, expect: Option<Format>| {
            assert_eq!(Format::from_content_type(content_type), expect, "{content_type}");
        };
        check("application/json", Some(Format::Json));
        check(" Application/JSON ; Charset=\"UTF-8\"", Some(Format::Json));
        check("application/json;charset = us-ascii", Some(Format::Json));
        check("application/json; profile=\"a;b\"; charset=utf-8", Some(Format::Json));
        check("application/problem+json", Some(Format::Json));
        check("application/vnd.api+json; version=1", Some(Format::Json));
        check("model/gltf+json", Some(Format::Json));
        check("application/x-ndjson", Some(Format::NdJson));
        check("application/ndjson", Some(Format::NdJson));
        check("application/jsonl; charset=utf-8", Some(Format::NdJson));
        check("APPLICATION/X-JSONLINES", Some(Format::NdJson));
        check("text/event-stream;charset=UTF-8", Some(Format::Sse));
        check("application/json; charset=utf-16", None);
        check("application/json; charset=utf-8; charset=utf-16", None);
        check("application/json; x=\"\\\"; charset=utf-16", None);
        check("application/json; charset*=utf-16''x", None);
        check("application/json; charset", None);
        check("application/json; charset=\"utf-8", None);
        check("application/json-seq", None);
        check("application/geo+json-seq", None);
        check("application/+json", None);
        check("application/json, text/html", None);
        let csv = |has_header| Some(Format::Csv { has_header });
        check("text/csv", csv(true));
        check("Text/CSV; charset=utf-8; header=present", csv(true));
        check("text/csv; Header = \"Absent\"", csv(false));
        check("text/csv;header=present;header=absent", csv(false));
        check("text/csv; headers=absent", csv(true));
        check("text/csv; charset=iso-8859-1", None);
        check("text/csv-schema", None);
        check("application/grpc", Some(Format::Grpc));
        check("application/grpc+proto", Some(Format::Grpc));
        check("application/grpc+json", Some(Format::Grpc));
        check("Application/gRPC+thrift; x=y", Some(Format::Grpc));
        check("application/grpc-web", None);
        check("application/grpc-web+proto", None);
        check("text/grpc", None);
        check("json", None);
        check("/json", None);
        check("", None);
    }
}
