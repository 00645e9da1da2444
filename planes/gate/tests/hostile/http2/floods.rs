//! Floods on one connection: it ends or waits, memory stays, and others are served meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame,
};
use super::{End, Wire, fields, good};
use crate::line::Stage;
use crate::recorder::marker;
use crate::support::client::{BOTH, With, get};
use crate::support::identity::who;

/// Of the whole process: gate, clients and upstream.
const GROWTH_BYTES_MAX: u64 = 64 << 20;
/// What a flood may bring before the gate has had enough.
const FLOOD_BYTES_MAX: usize = 48 << 20;

/// How a flood came to its end.
#[derive(Debug)]
enum Flooded {
    Ended(#[expect(dead_code, reason = "shown with the figures")] End),
    /// The gate reads no more until its own answers are read.
    Waits,
    /// All of it was taken.
    Taken,
}

/// Another vendor on the same gate, who must not notice anything.
struct Bystander {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<u64>>,
}

impl Bystander {
    async fn start(stage: &Stage) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for protocol in BOTH {
            let (mut connection, token, _) = stage.world.client(who(5, 1), protocol).await;
            let stop = Arc::clone(&stop);
            tasks.push(tokio::spawn(async move {
                let mut served = 0;
                while !stop.load(Ordering::SeqCst) {
                    let path = format!("/free/bystander-{served}");
                    let answer = connection.ask(get(&path).bearer(&token)).await.unwrap();
                    assert_eq!((answer.status, answer.body.as_slice()), (200, marker(&path).as_bytes()));
                    served += 1;
                }
                served
            }));
        }
        Self { stop, tasks }
    }

    async fn served(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        let mut served = 0;
        for task in self.tasks {
            served += task.await.unwrap();
        }
        assert!(served > 0);
        served
    }
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// Says `first`, and then `wave` after `wave`, without reading what is answered.
async fn flood(
    name: &str,
    stage: &Stage,
    first: &[u8],
    times: usize,
    wave: impl Fn(usize) -> Vec<u8>,
) -> Flooded {
    let before = resident_bytes();
    let mut wire = Wire::open(stage).await;
    wire.say(first).await;
    let mut sent = 0;
    let mut flooded = Flooded::Taken;
    for number in 0..times {
        let bytes = wave(number);
        sent += bytes.len();
        match tokio::time::timeout(Duration::from_secs(2), wire.say(&bytes)).await {
            Ok(true) if sent <= FLOOD_BYTES_MAX => {}
            Ok(true) => break,
            Ok(false) => {
                flooded =
                    Flooded::Ended(wire.end(Duration::from_secs(10)).await.expect("the connection's end"));
                break;
            }
            Err(_) => {
                flooded = Flooded::Waits;
                break;
            }
        }
    }
    if matches!(flooded, Flooded::Taken)
        && let Some(end) = wire.end(Duration::from_millis(500)).await
    {
        flooded = Flooded::Ended(end);
    }
    let grown = resident_bytes().saturating_sub(before);
    println!("{name}: {flooded:?} after {sent} bytes, {} KiB grown", grown / 1_024);
    assert!(grown < GROWTH_BYTES_MAX, "{name}: {grown} bytes grown");
    flooded
}

#[tokio::test]
async fn floods_hurt_nobody_else() {
    let mut stage = Stage::new().await;
    // What is asked on each connection is good, so that no refusal does the work.
    let request = block(&good(&stage, "/free/x"));
    let begun = frame(HEADERS, END_STREAM, 1, &request);
    let opened = frame(HEADERS, END_HEADERS, 1, &block(&fields(&stage, "POST", "/free/x")));
    let stream = |number: usize| u32::try_from(number * 2 + 1).unwrap();
    let bystander = Bystander::start(&stage).await;

    let rapid = flood("rapid reset", &stage, &[], 10_000, |number| {
        let headers = frame(HEADERS, END_STREAM | END_HEADERS, stream(number), &request);
        [headers, frame(RST_STREAM, 0, stream(number), &[0, 0, 0, 8])].concat()
    });
    assert!(matches!(rapid.await, Flooded::Ended(_)), "10,000 resets must end a connection");

    // CVE-2025-8671: the peer makes the gate reset, by windows that can't be.
    let made_you = flood("made-you-reset", &stage, &[], 10_000, |number| {
        let headers = frame(HEADERS, END_STREAM | END_HEADERS, stream(number), &request);
        [headers, frame(WINDOW_UPDATE, 0, stream(number), &[0; 4])].concat()
    });
    assert!(!matches!(made_you.await, Flooded::Taken), "10,000 provoked resets must end a connection");

    let continuation = flood("CONTINUATION", &stage, &begun, 5_000, |_| {
        frame(CONTINUATION, 0, 1, &block(&[("x-a", "y".repeat(1_000))]))
    });
    assert!(matches!(continuation.await, Flooded::Ended(_)), "a head without an end must end a connection");

    let empty =
        flood("empty CONTINUATION", &stage, &begun, 2_000, |_| frame(CONTINUATION, 0, 1, &[]).repeat(50));
    assert!(matches!(empty.await, Flooded::Ended(_)), "a head of nothing must end a connection");

    flood("SETTINGS", &stage, &[], 4_000, |_| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]).repeat(50)).await;
    flood("PING", &stage, &[], 4_000, |_| frame(PING, 0, 0, &[7; 8]).repeat(50)).await;
    flood("PRIORITY", &stage, &[], 4_000, |number| {
        frame(PRIORITY, 0, stream(number), &[0, 0, 0, 0, 1]).repeat(50)
    })
    .await;
    flood("windows", &stage, &[], 4_000, |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).repeat(50)).await;
    flood("empty DATA", &stage, &opened, 4_000, |_| frame(DATA, 0, 1, &[]).repeat(50)).await;
    flood("unknown frames", &stage, &[], 4_000, |_| frame(0xbe, 0, 0, &[0; 8]).repeat(50)).await;

    println!("others were served {} times", bystander.served().await);
    let mut upstream = Vec::new();
    stage.victims_are_served(&mut upstream).await.unwrap();
    assert_eq!(stage.recorder.take_faults(), Vec::<String>::new());
}

/// Streams that are opened and left are bounded, whoever opens them.
#[tokio::test]
async fn streams_that_stand_are_bounded() {
    let stage = Stage::new().await;
    let mut wire = Wire::open(&stage).await;
    let head = block(&fields(&stage, "POST", "/free/x"));
    let mut refused = 0;
    for number in 0..1_000_u32 {
        if !wire.say(&frame(HEADERS, END_HEADERS, number * 2 + 1, &head)).await {
            break;
        }
    }
    let counted = async {
        while let Some(came) = wire.next().await {
            refused += u32::from(came.kind == RST_STREAM || came.kind == super::frames::GOAWAY);
            if refused >= 500 || came.kind == super::frames::GOAWAY {
                break;
            }
        }
    };
    crate::support::soon("refusals of streams", counted).await;
    assert!(refused > 0);
}
