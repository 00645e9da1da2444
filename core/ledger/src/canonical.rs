//! Canonical JSON by RFC 8785 (JCS): one value, one sequence of bytes.
//!
//! Members are sorted by UTF-16 code units, nothing is padded with white
//! space, numbers are written as ECMAScript does. Integers beyond ±(2^53 - 1)
//! are refused, because other readers would silently round them.

use serde_json::{Number, Value};

use crate::LedgerError;

/// The deepest nesting that is written. `serde_json` reads 128 levels; a
/// payload with more than this many is a mistake of its author.
pub const DEPTH_MAX: usize = 64;

/// The largest integer that every JSON reader keeps exact, 2^53 - 1.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// The canonical bytes of `value`.
///
/// # Errors
/// [`LedgerError::Depth`] and [`LedgerError::Number`].
pub fn to_bytes(value: &Value) -> Result<Vec<u8>, LedgerError> {
    let mut out = Vec::with_capacity(256);
    write_value(&mut out, value, DEPTH_MAX)?;
    Ok(out)
}

fn write_value(out: &mut Vec<u8>, value: &Value, depth_left: usize) -> Result<(), LedgerError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => out.extend_from_slice(number_text(number)?.as_bytes()),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            let depth_left = deeper(depth_left)?;
            out.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_value(out, item, depth_left)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let depth_left = deeper(depth_left)?;
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
            out.push(b'{');
            for (position, (name, member)) in sorted.into_iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_string(out, name);
                out.push(b':');
                write_value(out, member, depth_left)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn deeper(depth_left: usize) -> Result<usize, LedgerError> {
    depth_left.checked_sub(1).ok_or(LedgerError::Depth { max: DEPTH_MAX })
}

/// RFC 8785 §3.2.2.2: short escapes where JSON has them, `\u00xx` in lower
/// case for the other control characters, everything else as it is.
fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\r' => out.extend_from_slice(b"\\r"),
            control if control < ' ' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(control)).as_bytes());
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

fn number_text(number: &Number) -> Result<String, LedgerError> {
    let refused = || LedgerError::Number { number: number.to_string() };
    if let Some(integer) = number.as_i64() {
        return if integer.unsigned_abs() <= INTEGER_MAX { Ok(integer.to_string()) } else { Err(refused()) };
    }
    if number.is_u64() {
        return Err(refused()); // Beyond i64, so beyond 2^53.
    }
    let float = number.as_f64().filter(|float| float.is_finite()).ok_or_else(refused)?;
    ecmascript(float).ok_or_else(refused)
}

/// `Number::toString` of ECMA-262 §6.1.6.1.20. Rust's `{:e}` gives the same
/// shortest digits; only their arrangement differs.
fn ecmascript(float: f64) -> Option<String> {
    if float == 0.0 {
        return Some("0".to_owned()); // -0 as well.
    }
    let scientific = format!("{:e}", float.abs());
    let (mantissa, exponent) = scientific.split_once('e')?;
    let digits: String = mantissa.chars().filter(|&c| c != '.').collect();
    let count = i32::try_from(digits.len()).ok()?;
    // The decimal point stands after this many digits.
    let point = exponent.parse::<i32>().ok()? + 1;
    let body = if (count..=21).contains(&point) {
        digits.clone() + &"0".repeat(usize::try_from(point - count).ok()?)
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at_checked(usize::try_from(point).ok()?)?;
        format!("{whole}.{fraction}")
    } else if (-5..=0).contains(&point) {
        format!("0.{}{digits}", "0".repeat(usize::try_from(-point).ok()?))
    } else {
        let (first, rest) = digits.split_at_checked(1)?;
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{first}{dot}{rest}e{:+}", point - 1)
    };
    Some(if float < 0.0 { format!("-{body}") } else { body })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(value: &Value, expect: &str) {
        assert_eq!(String::from_utf8(to_bytes(value).unwrap()).unwrap(), expect);
    }

    #[test]
    fn members_are_sorted_by_utf16_and_strings_escaped_as_in_the_rfc() {
        // RFC 8785 §3.2.2 and §3.2.3, and a pair above the basic plane that
        // sorts before U+FB33 by UTF-16 but after it by code point.
        check(
            &json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7}),
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}",
        );
        check(&json!("\u{20ac}$\u{f}\u{a}A'\u{42}\u{22}\u{5c}\\\"/"), "\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"");
        check(&json!([null, true, false, {"b": [], "a": {}}]), r#"[null,true,false,{"a":{},"b":[]}]"#);
    }

    #[test]
    fn numbers_are_written_as_ecmascript_does() {
        // RFC 8785 appendix B.
        for (bits, expect) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        ] {
            assert_eq!(ecmascript(f64::from_bits(bits)).as_deref(), Some(expect), "{bits:016x}");
        }
        check(&json!([1.0, -1.5, 9_007_199_254_740_991_i64]), "[1,-1.5,9007199254740991]");
        for refused in [json!(9_007_199_254_740_992_u64), json!(-9_007_199_254_740_992_i64), json!(u64::MAX)]
        {
            assert!(matches!(to_bytes(&refused), Err(LedgerError::Number { .. })), "{refused}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nest = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(to_bytes(&nest(DEPTH_MAX)).is_ok());
        assert_eq!(to_bytes(&nest(DEPTH_MAX + 1)), Err(LedgerError::Depth { max: DEPTH_MAX }));
    }

    proptest! {
        #[test]
        fn floats_read_back_exactly(float in any::<f64>().prop_filter("finite", |f| f.is_finite())) {
            let text = ecmascript(float).unwrap();
            prop_assert_eq!(text.parse::<f64>().unwrap(), float);
        }

        #[test]
        fn strings_read_back_exactly(text in any::<String>()) {
            let bytes = to_bytes(&json!({ &text: &text })).unwrap();
            prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), json!({ &text: &text }));
        }
    }
}
