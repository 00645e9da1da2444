//! Header fields in any number: the rules answer, and two Hosts never pass.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_wire::http_rules::{Target, Version, check_request_head, forwarded_or_hop_by_hop, named_by_connection};

fuzz_target!(|data: &[u8]| {
    let fields: Vec<(&str, &[u8])> = data
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at(colon);
            Some((std::str::from_utf8(name).ok()?, value.get(1..)?))
        })
        .collect();
    let hosts = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count();
    let good = check_request_head(Version::Http11, Target::Origin, fields.iter().copied()).is_ok();
    assert!(!good || hosts == 1, "passed with {hosts} Hosts");
    for (name, value) in fields {
        let _ = forwarded_or_hop_by_hop(name);
        let _ = named_by_connection(value, name);
    }
});
