//! Our check of LEIs agrees with that of python-stdnum: `make test-lei` says where it is.
#![expect(clippy::indexing_slicing, reason = "helpers of tests")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use portcullis_assurance::lei::{Lei, check_digits};

const SCRIPT: &str = "
import sys, stdnum.lei
print('\\n'.join(str(int(stdnum.lei.is_valid(line.rstrip('\\n')))) for line in sys.stdin))
";

#[test]
fn leis_are_judged_as_another_implementation_judges_them() {
    let Some(python) = std::env::var_os("PORTCULLIS_STDNUM") else {
        println!("skipped: PORTCULLIS_STDNUM names no python with python-stdnum; run `make test-lei`");
        return;
    };
    let candidates = candidates();
    let mut peer = Command::new(python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut input = peer.stdin.take().unwrap();
    let lines = candidates.join("\n");
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = peer.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let verdicts: Vec<bool> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line == "1").collect();
    assert_eq!(verdicts.len(), candidates.len());
    let (mut good, mut outside) = (0, 0);
    for (candidate, theirs) in candidates.iter().zip(verdicts) {
        let ours = Lei::parse(candidate);
        // Only the remainder is looked at there: 00, 01 and 99 are never given out, and no LEI.
        if theirs && ["00", "01", "99"].iter().any(|digits| candidate.ends_with(digits)) {
            assert!(ours.is_err(), "{candidate}");
            outside += 1;
            continue;
        }
        assert_eq!(ours.is_ok(), theirs, "{candidate}: {ours:?}");
        good += u32::from(theirs);
    }
    println!(
        "{} LEIs judged alike, {good} of them good; {outside} with digits that are never given out",
        candidates.len()
    );
    assert!(good > 5_000 && outside > 0);
}

/// Good ones, the same with one character changed or two swapped, with other check digits, and with those that the
/// changed one should have.
fn candidates() -> Vec<String> {
    const LETTERS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut state = 17_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut candidates = Vec::new();
    for _ in 0..4_000 {
        let body: String = (0..18).map(|_| char::from(LETTERS[random(36)])).collect();
        let good = format!("{body}{}", check_digits(&body));
        let mut changed: Vec<char> = good.chars().collect();
        changed[random(18)] = char::from(LETTERS[random(36)]);
        let changed: String = changed.into_iter().collect();
        let mut swapped: Vec<char> = good.chars().collect();
        swapped.swap(random(20), random(20));
        candidates.push(format!("{body}{:02}", random(100)));
        candidates.push(format!("{}{}", &changed[..18], check_digits(&changed[..18])));
        // The digits with the same remainder that are never given out.
        for (digits, twin) in [("97", "00"), ("98", "01"), ("02", "99")] {
            candidates.extend(good.ends_with(digits).then(|| format!("{body}{twin}")));
        }
        candidates.push(swapped.into_iter().collect());
        candidates.extend([good, changed]);
    }
    // A digit swapped into the end may be a letter: ours says so, theirs takes any character as a value.
    candidates.retain(|candidate| candidate[18..].bytes().all(|digit| digit.is_ascii_digit()));
    candidates
}
