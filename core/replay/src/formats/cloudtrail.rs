//! Events of AWS CloudTrail.
//!
//! Source: "CloudTrail record contents" and "CloudTrail userIdentity element" of AWS's user guide.

use serde_json::Value;

use crate::agent;
use crate::call::{Broken, Call, Parsed, Passed, Source, instant};
use crate::hash;

pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, Broken> {
    let event: Value = serde_json::from_slice(bytes).map_err(|_| Broken::new("it is no JSON object"))?;
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let at_us = instant(text("eventTime").ok_or_else(|| Broken::new("it has no `eventTime`"))?)?;
    let service = text("eventSource").ok_or_else(|| Broken::new("it has no `eventSource`"))?;
    let name = text("eventName").ok_or_else(|| Broken::new("it has no `eventName`"))?;
    let Some(identity) = event.get("userIdentity").filter(|identity| identity.is_object()) else {
        return Ok(Parsed::Passed(Passed::Nobody));
    };
    let source = text("sourceIPAddress").unwrap_or_default();
    // A service that acts for somebody shows its own name and agent: that is no machine of theirs.
    let by_service = identity.get("invokedBy").is_some()
        || source == "AWS Internal"
        || source.ends_with(".amazonaws.com")
        || text("eventType").is_some_and(|kind| kind == "AwsServiceEvent");
    if by_service {
        return Ok(Parsed::Passed(Passed::Provider));
    }
    let Some((client, key)) = principal(identity) else { return Ok(Parsed::Passed(Passed::Nobody)) };
    let parameters = event.get("requestParameters").filter(|parameters| !parameters.is_null());
    let transferred = |name: &str| event.pointer(&format!("/additionalEventData/{name}")).and_then(count);
    let request_bytes = transferred("bytesTransferredIn")
        .unwrap_or_else(|| parameters.map_or(0, |parameters| parameters.to_string().len() as u64));
    Ok(Parsed::Call(Call {
        at_us,
        client,
        key,
        source: Source::of(source),
        tls: text("userAgent").and_then(agent::products),
        endpoint: format!("{} {name}", service.strip_suffix(".amazonaws.com").unwrap_or(service)),
        status: text("errorCode").map_or(200, status_of),
        request_bytes,
        response_bytes: transferred("bytesTransferredOut").unwrap_or(0),
        records: None,
        object: event
            .pointer("/resources/0/ARN")
            .and_then(Value::as_str)
            .map(|resource| hash::short(resource.as_bytes())),
        token_age_seconds: token_age(identity, at_us),
    }))
}

/// Who it is, and which of its keys it used. A role is one client, whoever has assumed it under whatever session name: so a
/// stolen session is the role's own, from elsewhere.
fn principal(identity: &Value) -> Option<(String, Option<String>)> {
    let text =
        |pointer: &str| identity.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let arn = text("/arn");
    match text("/type") {
        Some("AssumedRole") => {
            let role = text("/sessionContext/sessionIssuer/arn").map(str::to_owned);
            // Keys of a role's sessions are new each time, by design.
            Some((
                role.or_else(|| arn.map(role_of)).or_else(|| text("/principalId").map(without_session))?,
                None,
            ))
        }
        Some("WebIdentityUser" | "SAMLUser" | "IdentityCenterUser" | "Unknown" | "Directory") => {
            let who = arn.or_else(|| text("/principalId")).or_else(|| text("/userName"))?;
            Some((who.to_owned(), None))
        }
        _ => {
            let who = arn.or_else(|| text("/principalId")).or_else(|| text("/userName"))?;
            // Keys that last begin with AKIA; others belong to one session.
            let key = text("/accessKeyId").filter(|key| key.starts_with("AKIA"));
            Some((who.to_owned(), key.map(str::to_owned)))
        }
    }
}

/// `arn:aws:sts::1:assumed-role/NAME/SESSION` is of `arn:aws:iam::1:role/NAME`.
fn role_of(arn: &str) -> String {
    let Some((before, role)) = arn.split_once(":assumed-role/") else { return arn.to_owned() };
    let role = role.rsplit_once('/').map_or(role, |(role, _)| role);
    format!("{}:role/{role}", before.replacen(":sts:", ":iam:", 1))
}

/// `AROA…:SESSION`.
fn without_session(principal: &str) -> String {
    principal.split(':').next().unwrap_or(principal).to_owned()
}

fn token_age(identity: &Value, at_us: i64) -> Option<u32> {
    let begun = identity.pointer("/sessionContext/attributes/creationDate").and_then(Value::as_str)?;
    u32::try_from((at_us - instant(begun).ok()?) / 1_000_000).ok()
}

/// Error codes are each service's own: what is alike in them says the class.
fn status_of(code: &str) -> u16 {
    let has = |words: &[&str]| words.iter().any(|word| code.contains(word));
    if has(&["AccessDenied", "Unauthorized", "Forbidden", "NotAuthorized", "OptInRequired", "AuthFailure"]) {
        403
    } else if has(&["Throttl", "RequestLimit", "TooManyRequests", "SlowDown", "LimitExceeded"]) {
        429
    } else if has(&["NotFound", "NoSuch", "NotExist"]) {
        404
    } else if has(&["AlreadyExists", "Conflict", "Duplicate", "InUse"]) {
        409
    } else if has(&["Internal", "ServiceUnavailable", "ServiceFailure"]) {
        500
    } else {
        400
    }
}

/// A number, which may be written as 1.0.
fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (0.0..1e15).contains(&number).then_some(number as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event() -> Value {
        json!({
            "eventTime": "2023-07-10T11:57:22Z",
            "eventSource": "ec2.amazonaws.com",
            "eventName": "DescribeInstances",
            "sourceIPAddress": "192.168.10.20",
            "userAgent": "aws-sdk-go-v2/1.17.0 os/linux",
            "requestParameters": {"a": 1},
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": "AROA1:i-1",
                "arn": "arn:aws:sts::1:assumed-role/web/i-1",
                "accessKeyId": "ASIA1",
                "sessionContext": {"attributes": {"creationDate": "2023-07-10T11:55:22Z"}}
            }
        })
    }

    fn read(event: &Value) -> Result<Parsed, Broken> {
        parse(event.to_string().as_bytes())
    }

    #[test]
    fn a_session_is_its_roles() {
        let Ok(Parsed::Call(call)) = read(&event()) else { panic!("no call") };
        assert_eq!(call.client, "arn:aws:iam::1:role/web");
        assert_eq!((call.key, call.token_age_seconds, call.status), (None, Some(120), 200));
        assert_eq!(call.endpoint, "ec2 DescribeInstances");
        assert_eq!(call.request_bytes, 7);
        assert_eq!(role_of("arn:aws:sts::1:assumed-role/path/web/i-1"), "arn:aws:iam::1:role/path/web");
    }

    #[test]
    fn users_have_keys_and_services_are_passed_over() {
        let mut user = event();
        user["userIdentity"] =
            json!({"type": "IAMUser", "arn": "arn:aws:iam::1:user/b", "accessKeyId": "AKIA1"});
        user["errorCode"] = "Client.UnauthorizedOperation".into();
        let Ok(Parsed::Call(call)) = read(&user) else { panic!("no call") };
        assert_eq!(
            (call.client.as_str(), call.key.as_deref(), call.status),
            ("arn:aws:iam::1:user/b", Some("AKIA1"), 403)
        );
        for (pointer, value, expect) in [
            ("/sourceIPAddress", json!("rds.amazonaws.com"), Passed::Provider),
            ("/userIdentity", json!({"invokedBy": "rds.amazonaws.com"}), Passed::Provider),
            ("/userIdentity", json!({"type": "IAMUser"}), Passed::Nobody),
            ("/userIdentity", json!(null), Passed::Nobody),
        ] {
            let mut event = event();
            *event.pointer_mut(pointer).unwrap() = value;
            assert_eq!(read(&event), Ok(Parsed::Passed(expect)), "{pointer}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (field, expect) in
            [("eventTime", "`eventTime`"), ("eventSource", "`eventSource`"), ("eventName", "`eventName`")]
        {
            let mut event = event();
            event.as_object_mut().unwrap().remove(field);
            assert!(read(&event).unwrap_err().0.contains(expect));
        }
        let mut event = event();
        event["eventTime"] = "yesterday".into();
        assert_eq!(read(&event).unwrap_err().0, "`yesterday` is no RFC 3339 time");
    }

    #[test]
    fn errors_have_a_class() {
        for (code, expect) in [
            ("AccessDenied", 403),
            ("Client.RequestLimitExceeded", 429),
            ("ThrottlingException", 429),
            ("NoSuchBucket", 404),
            ("ResourceNotFoundException", 404),
            ("EntityAlreadyExists", 409),
            ("InternalFailure", 500),
            ("ValidationException", 400),
        ] {
            assert_eq!(status_of(code), expect, "{code}");
        }
    }
}
