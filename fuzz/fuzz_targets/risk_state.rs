//! A client's risk state as a broken disk may leave it: refused, or a state that can be worked with and written again. The
//! checksum is made to fit, so that what lies behind it is reached.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_risk::{
    After, Answered, Before, Binding, ClientRisk, Context, Endpoint, Identity, IssuedIn, Judgement, Known, Missing,
    Origin, PeerCounts, Peers, Posture, Rules, Stakes, Tls,
};

static WRITTEN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut risk = ClientRisk::new();
    (0..500).for_each(|at| exchange(&mut risk, 1_767_571_200_000_000 + at * 60_000_000, at as u32 % 7));
    risk.to_bytes()
});

fuzz_target!(|data: &[u8]| {
    let _ = ClientRisk::from_bytes(data);
    // Three of four bytes say where in a written state the fourth stands.
    let mut bytes = WRITTEN.clone();
    let end = bytes.len() - 8;
    for change in data.chunks_exact(4) {
        let place = u32::from_le_bytes([change[0], change[1], change[2], 0]) as usize % end;
        bytes[place] = change[3];
    }
    let Ok(mut risk) = ClientRisk::from_unsealed(&bytes[..end]) else { return };
    let now_us = 1_767_571_200_000_000 + 86_400_000_000;
    exchange(&mut risk, now_us, 3);
    risk.judge(u64::MAX, &context(), Judgement::Benign, false, now_us);
    exchange(&mut risk, i64::MAX, 900);
    let mut counts = PeerCounts::default();
    counts.add(&risk);
    let mut other = ClientRisk::from_bytes(&WRITTEN).expect("it was written so");
    other.merge(&risk);
    ClientRisk::from_bytes(&other.to_bytes()).expect("what is written is read");
});

fn context() -> Context {
    Context { key: 1, ja4: Known::Is(10), network: 100, prefix: 7 }
}

fn exchange(risk: &mut ClientRisk, at_us: i64, endpoint: u32) {
    let before = Before {
        at_us,
        sample: 0,
        context: context(),
        issued_in: IssuedIn::SameContext,
        endpoint: Endpoint(endpoint),
        request_bytes: 400,
        object: Known::Is(endpoint),
        identity: Identity {
            binding: Binding::Dpop,
            token_age_seconds: Known::Is(60),
            key_age_seconds: Known::Is(864_000),
            rotation_overdue: false,
        },
        origin: Origin { place: Known::Is((5_252, 1_340)), ..Origin::UNKNOWN },
        tls: Tls {
            listed: Known::NoData(Missing::NoDatabase),
            misfit: Known::NoData(Missing::NotAsked),
            alpn_odd: Known::Is(false),
            sni_odd: Known::Is(false),
        },
        posture: Known::Is(Posture::Good),
        vendor: Known::NoData(Missing::NotAssessed),
        outside: None,
        stakes: Stakes { money: 20_000, critical: false },
        fresh_nonce: false,
        answer: Answered::Ahead,
    };
    let assessed = risk.before(&before, &Peers::default(), &Rules::default());
    assert_eq!(assessed.parts.sum(true), assessed.score);
    let after =
        After { at_us, status: 200, request_bytes: 400, response_bytes: 2_000, records: Known::Is(20) };
    risk.after(assessed.ticket, &after, &Peers::default(), &Rules::default());
}
