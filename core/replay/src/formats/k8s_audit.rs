//! Audit events of Kubernetes: objects of `audit.k8s.io/v1`, or rows of a table with the same fields.

use std::borrow::Cow;

use serde_json::Value;

use crate::call::{Broken, Call, Parsed, Passed, Source, instant};
use crate::{agent, hash, template};

/// What a call is made of, in either form.
#[derive(Default)]
struct Fields<'a> {
    time: &'a str,
    user: &'a str,
    verb: &'a str,
    resource: &'a str,
    subresource: &'a str,
    name: &'a str,
    namespace: &'a str,
    uri: &'a str,
    stage: &'a str,
    code: Option<u16>,
    address: &'a str,
    agent: &'a str,
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, Broken> {
    let event: Value = serde_json::from_slice(bytes).map_err(|_| Broken::new("it is no JSON object"))?;
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let first = |one: &'static str, other: &'static str| match text(one) {
        "" => text(other),
        found => found,
    };
    call(&Fields {
        // Old clusters wrote `timestamp`; when it came in is when it was asked.
        time: match first("/requestReceivedTimestamp", "/stageTimestamp") {
            "" => text("/timestamp"),
            time => time,
        },
        user: first("/impersonatedUser/username", "/user/username"),
        verb: text("/verb"),
        resource: text("/objectRef/resource"),
        subresource: text("/objectRef/subresource"),
        name: text("/objectRef/name"),
        namespace: text("/objectRef/namespace"),
        uri: text("/requestURI"),
        stage: text("/stage"),
        code: event
            .pointer("/responseStatus/code")
            .and_then(Value::as_u64)
            .and_then(|code| u16::try_from(code).ok()),
        address: text("/sourceIPs/0"),
        agent: text("/userAgent"),
    })
}

/// Where each field stands in a row.
#[derive(Debug)]
pub(crate) struct Columns {
    places: [Option<usize>; NAMES.len()],
    count: usize,
}

/// The names that columns go by; a table may have others beside them.
const NAMES: [&str; 12] = [
    "time",
    "user",
    "verb",
    "resource",
    "subresource",
    "name",
    "namespace",
    "uri",
    "stage",
    "code",
    "source_ip",
    "user_agent",
];
/// Without these it is no such table.
const NEEDED: [&str; 4] = ["time", "user", "verb", "uri"];

impl Columns {
    pub fn of(header: &str) -> Result<Self, Broken> {
        let header = row(header)?;
        let place = |name: &str| header.iter().position(|column| column == name);
        if let Some(missing) = NEEDED.into_iter().find(|name| place(name).is_none()) {
            return Err(Broken::new(format!("the table has no column `{missing}`")));
        }
        Ok(Self { places: NAMES.map(place), count: header.len() })
    }
}

pub(crate) fn parse_row(line: &str, columns: &Columns) -> Result<Parsed, Broken> {
    let row = row(line)?;
    if row.len() != columns.count {
        let (has, wants) = (row.len(), columns.count);
        return Err(Broken::new(format!("it has `{has}` fields, and the header has `{wants}`")));
    }
    let field = |place: usize| {
        let column = columns.places.get(place).copied().flatten();
        column.and_then(|column| row.get(column)).map(Cow::as_ref).unwrap_or_default()
    };
    call(&Fields {
        time: field(0),
        user: field(1),
        verb: field(2),
        resource: field(3),
        subresource: field(4),
        name: field(5),
        namespace: field(6),
        uri: field(7),
        stage: field(8),
        code: field(9).parse().ok(),
        address: field(10),
        agent: field(11),
    })
}

fn call(fields: &Fields<'_>) -> Result<Parsed, Broken> {
    if fields.verb.is_empty() {
        return Err(Broken::new("it has no verb"));
    }
    let at_us = instant(fields.time)?;
    // A watch is answered at its start, and its end comes minutes later; everything else counts at its end.
    let counts = match fields.stage {
        "ResponseStarted" => fields.verb == "watch",
        "ResponseComplete" => fields.verb != "watch",
        "RequestReceived" => false,
        _ => true,
    };
    if !counts {
        return Ok(Parsed::Passed(Passed::NoEnd));
    }
    if fields.user.is_empty() || fields.user == "system:anonymous" {
        return Ok(Parsed::Passed(Passed::Nobody));
    }
    let endpoint = match (fields.resource, fields.subresource) {
        ("", _) => format!("{} {}", fields.verb, template::of(fields.uri).0),
        (resource, "") => format!("{} {resource}", fields.verb),
        (resource, subresource) => format!("{} {resource}/{subresource}", fields.verb),
    };
    let object = (!fields.name.is_empty())
        .then(|| hash::short(format!("{}/{}", fields.namespace, fields.name).as_bytes()));
    Ok(Parsed::Call(Call {
        at_us,
        client: fields.user.to_owned(),
        source: Source::of(fields.address),
        tls: agent::products(fields.agent),
        endpoint,
        status: fields.code.unwrap_or(0),
        // The only size that it tells.
        request_bytes: fields.uri.len() as u64,
        object,
        ..Call::default()
    }))
}

/// The fields of a row (RFC 4180); no field holds a line's end.
fn row(line: &str) -> Result<Vec<Cow<'_, str>>, Broken> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                (Cow::Borrowed(field), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(Broken::new("something follows a quoted field")),
        }
    }
}

fn quoted_field(text: &str) -> Result<(Cow<'_, str>, &str), Broken> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"').ok_or_else(|| Broken::new("a quoted field does not end"))?;
        let (part, after) = rest.split_at(end);
        field.push_str(part);
        let after = after.get(1..).unwrap_or_default();
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Ok((Cow::Owned(field), after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_follow_their_header() {
        assert_eq!(row("a,\"b \"\"c\"\", d\",,e").unwrap(), ["a", "b \"c\", d", "", "e"]);
        assert!(row("\"a").is_err() && row("\"a\"b").is_err());
        let columns = Columns::of("x,uri,verb,user,time,code,stage,resource,name").unwrap();
        let line = "\"{\"\"a\"\":1}\",/api/v1/pods,list,scheduler,2023-01-27T18:28:08.129781Z,200,ResponseComplete,pods,";
        let Ok(Parsed::Call(call)) = parse_row(line, &columns) else { panic!("no call") };
        assert_eq!(
            (call.client.as_str(), call.endpoint.as_str(), call.status),
            ("scheduler", "list pods", 200)
        );
        assert_eq!(call.request_bytes, 12);
        assert!(parse_row("a,b", &columns).unwrap_err().0.contains("`2` fields"));
        assert!(Columns::of("time,user,verb").unwrap_err().0.contains("`uri`"));
    }

    #[test]
    fn an_event_counts_once() {
        let event = |stage: &str, verb: &str, user: &str| {
            let event = json!({
                "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "1", "stage": stage, "verb": verb,
                "requestURI": "/apis/apps/v1/namespaces/a/deployments/b/scale",
                "user": {"username": user}, "sourceIPs": ["10.0.0.1"], "userAgent": "kubectl/v1.28.2 (linux/amd64)",
                "objectRef": {"resource": "deployments", "namespace": "a", "name": "b", "subresource": "scale"},
                "responseStatus": {"code": 200}, "requestReceivedTimestamp": "2023-01-27T18:28:08.129781Z"
            });
            parse(event.to_string().as_bytes()).unwrap()
        };
        let Parsed::Call(call) = event("ResponseComplete", "update", "admin") else { panic!("no call") };
        assert_eq!((call.endpoint.as_str(), call.object.is_some()), ("update deployments/scale", true));
        assert_eq!(call.tls.unwrap().as_str(), "kubectl linux");
        for (stage, verb, user, expect) in [
            ("RequestReceived", "get", "a", Passed::NoEnd),
            ("ResponseComplete", "watch", "a", Passed::NoEnd),
            ("ResponseStarted", "get", "a", Passed::NoEnd),
            ("ResponseComplete", "get", "system:anonymous", Passed::Nobody),
        ] {
            assert_eq!(event(stage, verb, user), Parsed::Passed(expect), "{stage} {verb} {user}");
        }
        assert!(matches!(event("ResponseStarted", "watch", "a"), Parsed::Call(_)));
    }
}
