//! JSON objects of our own, one in a line, or anybody's by a mapping.

use serde_json::Value;

use crate::call::{Broken, Call, Parsed, Passed, Source, TlsClient, instant, sensible};
use crate::mapping::Mapping;
use crate::{agent, hash, template};

pub(crate) fn parse(bytes: &[u8], mapping: &Mapping) -> Result<Parsed, Broken> {
    let line: Value = serde_json::from_slice(bytes).map_err(|_| Broken::new("it is no JSON object"))?;
    let value = |field: &str| mapping.value(&line, field);
    let text = |field: &str| value(field).and_then(|value| written(value, field).transpose()).transpose();
    let time = value("time").ok_or_else(|| missing(mapping, "time"))?;
    let at_us = time_of(time)?;
    let Some(client) = text("client")?.filter(|client| !client.is_empty()) else {
        return match value("client") {
            Some(_) => Ok(Parsed::Passed(Passed::Nobody)),
            None => Err(missing(mapping, "client")),
        };
    };
    let method = text("method")?;
    let (named, mut object) = match (text("endpoint")?, text("path")?) {
        (Some(endpoint), _) => (Some(endpoint), None),
        (None, Some(path)) => {
            let (template, object) = template::of(&path);
            (Some(template), object)
        }
        (None, None) => (None, None),
    };
    if let Some(named) = text("object")? {
        object = Some(hash::short(named.as_bytes()));
    }
    let endpoint = match (method, named) {
        (Some(method), Some(named)) => format!("{method} {named}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return Err(missing(mapping, "endpoint")),
    };
    let tls = match text("ja4")? {
        Some(ja4) if !ja4.is_empty() => Some(TlsClient::Ja4(context_of(&ja4))),
        _ => text("user_agent")?.as_deref().and_then(agent::products),
    };
    let status = count(value("status"), "status")?.unwrap_or(0);
    Ok(Parsed::Call(Call {
        at_us,
        client,
        key: text("key")?,
        source: text("address")?.as_deref().and_then(Source::of),
        tls,
        endpoint,
        status: u16::try_from(status).map_err(|_| Broken::new("`status` is no status"))?,
        request_bytes: count(value("request_bytes"), "request_bytes")?.unwrap_or(0),
        response_bytes: count(value("bytes"), "bytes")?.unwrap_or(0),
        records: count(value("records"), "records")?,
        object,
        token_age_seconds: None,
    }))
}

fn missing(mapping: &Mapping, field: &str) -> Broken {
    Broken::new(format!("it has no `{}`", crate::call::clipped(mapping.leaf(field))))
}

/// A text, or what is written like one.
fn written(value: &Value, field: &str) -> Result<Option<String>, Broken> {
    match value {
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(truth) => Ok(Some(truth.to_string())),
        Value::Null => Ok(None),
        Value::Array(_) | Value::Object(_) => Err(Broken::new(format!("`{field}` is no text"))),
    }
}

/// RFC 3339, or a number since the Unix epoch: of seconds, milliseconds or microseconds, as its size says.
fn time_of(value: &Value) -> Result<i64, Broken> {
    if let Some(text) = value.as_str() {
        return instant(text);
    }
    let number = value.as_f64().ok_or_else(|| Broken::new("`time` is no time"))?;
    let micros = match number.abs() {
        size if size < 1e11 => number * 1e6,
        size if size < 1e14 => number * 1e3,
        _ => number,
    };
    sensible(micros.clamp(-1e18, 1e18).round() as i64)
}

/// A number without sign; of a negative one its size.
fn count(value: Option<&Value>, field: &str) -> Result<Option<u64>, Broken> {
    let Some(value) = value else { return Ok(None) };
    let refused = || Broken::new(format!("`{field}` is no number"));
    if let Some(number) = value.as_u64().or_else(|| value.as_i64().map(i64::unsigned_abs)) {
        return Ok(Some(number));
    }
    let number = match value {
        Value::String(text) if text == "-" || text.is_empty() => return Ok(None),
        Value::String(text) => text.trim().parse::<f64>().ok(),
        value => value.as_f64(),
    };
    let number = number.filter(|number| number.is_finite()).ok_or_else(refused)?;
    Ok(Some(number.abs().min(1e15) as u64))
}

/// What of a JA4 stays when a session is resumed: version, ciphers and ALPN, and not the count and hash of the extensions.
fn context_of(ja4: &str) -> String {
    let mut parts = ja4.splitn(3, '_');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(head), Some(ciphers), Some(_)) if head.len() == 10 && head.is_ascii() => {
            let (before, after) = (head.get(..6).unwrap_or_default(), head.get(8..).unwrap_or_default());
            format!("{before}{after}_{ciphers}")
        }
        _ => ja4.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, mapping: &[&str]) -> Result<Call, String> {
        let mut map = Mapping::default();
        for entry in mapping {
            map.add(entry).unwrap();
        }
        match parse(line.as_bytes(), &map) {
            Ok(Parsed::Call(call)) => Ok(call),
            Ok(Parsed::Passed(passed)) => Err(format!("{passed:?}")),
            Err(broken) => Err(broken.0),
        }
    }

    #[test]
    fn our_own_fields() {
        let call = read(
            r#"{"time":"2026-11-21T10:00:00.5Z","client":"acme-1","key":"k","address":"192.0.2.7",
                "ja4":"t13d1516h2_8daaf6152771_b186095e22b6","method":"GET","path":"/parcels/17?a=1","status":200,
                "request_bytes":10,"bytes":20,"records":3}"#,
            &[],
        )
        .unwrap();
        assert_eq!((call.endpoint.as_str(), call.records, call.status), ("GET /parcels/{id}", Some(3), 200));
        assert_eq!(call.tls, Some(TlsClient::Ja4("t13d15h2_8daaf6152771".into())));
        assert!(call.object.is_some());
        for (time, expect) in [
            ("1795255200", 1_795_255_200_000_000),
            ("1795255200.25", 1_795_255_200_250_000),
            ("1795255200000", 1_795_255_200_000_000),
        ] {
            let line = format!(r#"{{"time":{time},"client":"c","endpoint":"e"}}"#);
            assert_eq!(read(&line, &[]).unwrap().at_us, expect, "{time}");
        }
    }

    #[test]
    fn anybodys_by_a_mapping() {
        let line = r#"{"at":"2015-09-12T00:47:00.496Z","who":{"name":"PereBot"},"channel":"ca","delta":-17}"#;
        let call =
            read(line, &["time=at", "client=who.name", "endpoint=channel", "request_bytes=delta"]).unwrap();
        assert_eq!((call.client.as_str(), call.endpoint.as_str(), call.request_bytes), ("PereBot", "ca", 17));
        let mut mapping = Mapping::default();
        for wrong in ["time", "time=", "tmie=a"] {
            assert!(mapping.add(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_broken_says_why() {
        for (line, expect) in [
            ("{}", "it has no `time`"),
            (r#"{"time":"2026-11-21T10:00:00Z"}"#, "it has no `client`"),
            (r#"{"time":"2026-11-21T10:00:00Z","client":""}"#, "Nobody"),
            (r#"{"time":"2026-11-21T10:00:00Z","client":"c"}"#, "it has no `endpoint`"),
            (r#"{"time":true,"client":"c","path":"/"}"#, "`time` is no time"),
            (r#"{"time":1,"client":"c","path":"/"}"#, "its time is before 1990 or after 2099"),
            (r#"{"time":1e300,"client":"c","path":"/"}"#, "its time is before 1990 or after 2099"),
            (r#"{"time":"2026-11-21T10:00:00Z","client":{},"path":"/"}"#, "`client` is no text"),
            (
                r#"{"time":"2026-11-21T10:00:00Z","client":"c","path":"/","status":70000}"#,
                "`status` is no status",
            ),
            (
                r#"{"time":"2026-11-21T10:00:00Z","client":"c","path":"/","records":"x"}"#,
                "`records` is no number",
            ),
        ] {
            assert_eq!(read(line, &[]).unwrap_err(), expect, "{line}");
        }
    }
}
