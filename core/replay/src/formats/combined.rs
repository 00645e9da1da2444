//! Access logs of nginx and Apache: `host ident user [time] "request" status bytes "referer" "user agent"`, the last two
//! of which "common" has not. What follows is of no interest.

use crate::call::{Broken, Call, Parsed, Source, TlsClient, sensible};
use crate::format::ClientBy;
use crate::{agent, template};

pub(crate) fn parse(line: &str, by: ClientBy) -> Result<Parsed, Broken> {
    let broken = |what: &str| Broken::new(format!("it has no {what} where an access log has one"));
    let (host, rest) = line.trim_start().split_once(' ').ok_or_else(|| broken("address"))?;
    let (_, rest) = rest.split_once(' ').ok_or_else(|| broken("user"))?;
    // A user may have spaces in the name, and no bracket.
    let (user, rest) = rest.split_once(" [").ok_or_else(|| broken("`[time]`"))?;
    let (time, rest) = rest.split_once("] \"").ok_or_else(|| broken("`[time]`"))?;
    let at_us = instant(time)?;
    let (request, rest) = quoted(rest).ok_or_else(|| broken("end of the quoted request"))?;
    let mut words = rest.trim_start().splitn(3, ' ');
    let status: u16 = words
        .next()
        .filter(|status| status.len() == 3)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| broken("status"))?;
    let response_bytes = match words.next() {
        Some("-") => 0,
        Some(bytes) => bytes.trim_end().parse().map_err(|_| broken("number of bytes"))?,
        None => return Err(broken("number of bytes")),
    };
    let agent = words.next().and_then(second_quoted).and_then(|agent| agent::products(&agent));
    let source = Source::of(host).ok_or_else(|| broken("address"))?;
    let (endpoint, object, request_bytes) = asked(&request);
    let user = match user.trim() {
        "" | "-" | "\"\"" => None,
        user => Some(user.to_owned()),
    };
    let client = match by {
        ClientBy::User => user.unwrap_or_else(|| source.to_string()),
        ClientBy::Address => source.to_string(),
        ClientBy::Agent => agent.as_ref().map_or("(no agent)", TlsClient::as_str).to_owned(),
    };
    Ok(Parsed::Call(Call {
        at_us,
        client,
        source: Some(source),
        tls: agent,
        endpoint,
        status,
        request_bytes,
        response_bytes,
        object,
        ..Call::default()
    }))
}

/// Endpoint, object and length of what was asked for. Scanners send what is no request.
fn asked(request: &str) -> (String, Option<u32>, u64) {
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_method = !method.is_empty()
        && method.len() <= 20
        && method.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'));
    if !is_method || target.is_empty() {
        return ("(no request)".to_owned(), None, request.len() as u64);
    }
    let (path, object) = template::of(target);
    (format!("{method} {path}"), object, target.len() as u64)
}

/// Up to the quote that is not escaped, and what is behind it. nginx writes `\x22`, Apache `\"`.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut inner = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((inner, text.get(at + 1..).unwrap_or_default())),
            '\\' => {
                inner.push(letter);
                if let Some((_, escaped)) = letters.next() {
                    inner.push(escaped);
                }
            }
            _ => inner.push(letter),
        }
    }
    None
}

/// The user agent stands behind the referer.
fn second_quoted(text: &str) -> Option<String> {
    let (_, rest) = quoted(text.trim_start().strip_prefix('"')?)?;
    let (agent, _) = quoted(rest.trim_start().strip_prefix('"')?)?;
    Some(agent)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `10/Oct/2000:13:55:36 -0700`, or RFC 3339 where somebody has set it so.
fn instant(text: &str) -> Result<i64, Broken> {
    let refused = || Broken::new(format!("`{}` is no time of an access log", crate::call::clipped(text)));
    if text.len() != 26 || !text.is_ascii() {
        return crate::call::instant(text).map_err(|_| refused());
    }
    let number = |from: usize, to: usize| -> Result<i64, Broken> {
        let digits = text.get(from..to).unwrap_or_default();
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refused());
        }
        digits.parse().map_err(|_| refused())
    };
    let marks = [(2, "/"), (6, "/"), (11, ":"), (14, ":"), (17, ":"), (20, " ")];
    if !marks.iter().all(|(at, mark)| text.get(*at..at + 1) == Some(mark)) {
        return Err(refused());
    }
    let month =
        text.get(3..6).and_then(|name| MONTHS.iter().position(|month| *month == name)).ok_or_else(refused)?;
    let zone = number(22, 24)? * 3_600 + number(24, 26)? * 60;
    let zone = match text.get(21..22) {
        Some("+") => zone,
        Some("-") => -zone,
        _ => return Err(refused()),
    };
    let small = |number: i64| i8::try_from(number).map_err(|_| refused());
    let time = jiff::civil::DateTime::new(
        i16::try_from(number(7, 11)?).map_err(|_| refused())?,
        small(month as i64 + 1)?,
        small(number(0, 2)?)?,
        small(number(12, 14)?)?,
        small(number(15, 17)?)?,
        // A leap second is the one after it.
        small(number(18, 20)?.min(59))?,
        0,
    )
    .map_err(|_| refused())?;
    let utc = time.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| refused())?.timestamp();
    sensible(utc.as_microsecond() - zone * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> Call {
        match parse(line, ClientBy::User) {
            Ok(Parsed::Call(call)) => call,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn common_and_combined_of_nginx_and_apache() {
        let common =
            call(r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#);
        assert_eq!((common.client.as_str(), common.endpoint.as_str()), ("frank", "GET /apache_pb.gif"));
        assert_eq!(common.at_us, 971_211_336_000_000);
        assert_eq!((common.status, common.response_bytes, common.tls), (200, 2_326, None));
        let combined = call(
            r#"2001:db8::7 - - [10/Oct/2023:13:55:36 +0530] "POST /orders/17?x=\"1 HTTP/1.1" 201 - "-" "curl/8.5.0 (\"x\")" 0.01"#,
        );
        assert_eq!(
            (combined.client.as_str(), combined.endpoint.as_str()),
            ("2001:db8::7", "POST /orders/{id}")
        );
        assert_eq!(combined.source.unwrap().prefix(), "2001:db8:0::/48");
        assert_eq!(combined.tls.unwrap().as_str(), "curl x");
        assert_eq!(
            call(r#"::ffff:192.0.2.1 - - [10/Oct/2023:13:55:36 +0000] "-" 400 0"#).client,
            "192.0.2.1"
        );
        assert_eq!(
            call(r#"192.0.2.1 - a b [2023-10-10T13:55:36+00:00] "\x16\x03\x01" 400 157 "-" "-""#).endpoint,
            "(no request)"
        );
    }

    #[test]
    fn who_is_the_client_is_said() {
        let line = r#"192.0.2.1 - u [10/Oct/2023:13:55:36 +0000] "GET / HTTP/1.1" 200 1 "-" "curl/8""#;
        for (by, expect) in
            [(ClientBy::User, "u"), (ClientBy::Address, "192.0.2.1"), (ClientBy::Agent, "curl")]
        {
            let Ok(Parsed::Call(call)) = parse(line, by) else { panic!("{by:?}") };
            assert_eq!(call.client, expect);
        }
    }

    #[test]
    fn what_is_broken_says_where() {
        for (line, expect) in [
            ("", "address"),
            ("hello world", "user"),
            ("a b c d", "`[time]`"),
            (r#"1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET /"#, "end of the quoted request"),
            (r#"1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET /" x 1"#, "status"),
            (r#"1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET /" 200 x"#, "number of bytes"),
            (
                r#"1.2.3.4 - - [31/Feb/2000:13:55:36 -0700] "GET /" 200 1"#,
                "`31/Feb/2000:13:55:36 -0700` is no time",
            ),
            (r#"1.2.3.4 - - [10/Oct/1066:13:55:36 -0700] "GET /" 200 1"#, "before 1990"),
        ] {
            let why = parse(line, ClientBy::User).unwrap_err().0;
            assert!(why.contains(expect), "{line}: {why}");
        }
    }
}
