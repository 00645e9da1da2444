//! Where clients come from: drawn, since the logs don't say. One table for victims and thieves, so that they collide as often
//! as real machines would: most of a vendor's machines run in a few clouds with a few TLS stacks.

use crate::corpora::Place;
use crate::random::Random;

/// TLS stacks with their shares in a hundred.
pub const STACKS: [(&str, u32); 10] = [
    ("Python requests, OpenSSL 3.0", 22),
    ("Java 17, JSSE", 18),
    ("Go 1.22, crypto/tls", 16),
    ("Node 20, OpenSSL 3.0", 14),
    (".NET 8 on Windows, SChannel", 9),
    ("curl 8, OpenSSL 3.0", 6),
    ("Python aiohttp, OpenSSL 1.1", 5),
    ("Java 8, JSSE", 4),
    ("Rust, rustls", 3),
    ("PHP, GnuTLS", 3),
];

/// Networks with their shares in a hundred.
pub const NETWORKS: [(&str, u32); 12] = [
    ("AWS", 31),
    ("Azure", 22),
    ("Google Cloud", 12),
    ("OVH", 6),
    ("Hetzner", 6),
    ("DigitalOcean", 4),
    ("Oracle", 4),
    ("Deutsche Telekom", 3),
    ("Comcast", 3),
    ("Orange", 3),
    ("Linode", 3),
    ("a company's own", 3),
];

/// /24s of a network that a machine may get.
const PREFIXES: usize = 200;

pub fn draw(random: &mut Random) -> Place {
    let ja4 = weighted(&STACKS, random);
    let asn = weighted(&NETWORKS, random);
    Place { ja4, asn, prefix: prefix(asn, random) }
}

/// Somewhere else: at least another /24.
pub fn prefix(asn: u32, random: &mut Random) -> u32 {
    asn * PREFIXES as u32 + random.below(PREFIXES) as u32
}

fn weighted(table: &[(&str, u32)], random: &mut Random) -> u32 {
    let total: u32 = table.iter().map(|(_, share)| share).sum();
    let mut left = random.below(total as usize) as u32;
    for (place, (_, share)) in table.iter().enumerate() {
        if left < *share {
            return place as u32 + 1;
        }
        left -= share;
    }
    0
}
