//! Base scores of CVSS 3.0 and 3.1 from their vectors, by the formulas of the specification (FIRST, section 7).

/// In tenths; none for other versions, and for vectors that lack a metric.
#[must_use]
pub fn score_tenths(vector: &str) -> Option<u8> {
    let metrics = vector.strip_prefix("CVSS:3.1/").or_else(|| vector.strip_prefix("CVSS:3.0/"))?;
    let metric = |name: &str| {
        metrics
            .split('/')
            .find_map(|metric| metric.split_once(':').filter(|(found, _)| *found == name))
            .map(|(_, value)| value)
    };
    let changed = match metric("S")? {
        "C" => true,
        "U" => false,
        _ => return None,
    };
    let vector = pick(metric("AV")?, &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?;
    let complexity = pick(metric("AC")?, &[("L", 0.77), ("H", 0.44)])?;
    let privileges = match (metric("PR")?, changed) {
        ("N", _) => 0.85,
        ("L", false) => 0.62,
        ("L", true) => 0.68,
        ("H", false) => 0.27,
        ("H", true) => 0.5,
        _ => return None,
    };
    let interaction = pick(metric("UI")?, &[("N", 0.85), ("R", 0.62)])?;
    let harm = |name| pick(metric(name)?, &[("H", 0.56), ("L", 0.22), ("N", 0.0)]);
    let base = 1.0 - (1.0 - harm("C")?) * (1.0 - harm("I")?) * (1.0 - harm("A")?);
    let impact = if changed { 7.52 * (base - 0.029) - 3.25 * power(base - 0.02, 15) } else { 6.42 * base };
    let exploitability = 8.22 * vector * complexity * privileges * interaction;
    if impact <= 0.0 {
        return Some(0);
    }
    let sum = if changed { 1.08 * (impact + exploitability) } else { impact + exploitability };
    Some(rounded_up(sum.min(10.0)))
}

/// For a source that says only a word: the lowest score that it stands for.
#[must_use]
pub fn of_word(word: &str) -> Option<u8> {
    Some(match word.to_ascii_lowercase().as_str() {
        "critical" => 90,
        "high" => 70,
        "medium" | "moderate" => 40,
        "low" => 1,
        "none" | "info" => 0,
        _ => return None,
    })
}

fn pick(value: &str, values: &[(&str, f64)]) -> Option<f64> {
    values.iter().find(|(name, _)| *name == value).map(|(_, figure)| *figure)
}

/// By multiplication: the same on every machine.
fn power(base: f64, times: u32) -> f64 {
    (0..times).fold(1.0, |product, _| product * base)
}

/// The smallest tenth that isn't less, as appendix A of CVSS 3.1 computes it. The score lies between 0 and 10.
fn rounded_up(score: f64) -> u8 {
    let whole = (score * 100_000.0).round() as u64;
    let tenths = whole.div_ceil(10_000);
    u8::try_from(tenths).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::score_tenths;

    #[test]
    fn published_scores_come_out() {
        for (vector, expected) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", Some(100)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(98)),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", Some(61)),
            ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", Some(78)),
            ("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:N/A:N", Some(59)),
            ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", Some(0)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H", None),
            ("CVSS:4.0/AV:N", None),
            ("", None),
        ] {
            assert_eq!(score_tenths(vector), expected, "{vector}");
        }
    }
}
