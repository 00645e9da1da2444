//! A signed note and the receipt in it, as a file that anybody gives: verified or refused, never a panic, and never good with
//! anything changed that is signed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_api::severing::Receipt;
use portcullis_ledger::note::{NOTE_BYTES_MAX, NoteSigner, NoteVerifier};

const TEXT: &str = "portcullis severance receipt v1\n{\"target\":\"vendor/acme\"}\n";

static SIGNER: LazyLock<NoteSigner> =
    LazyLock::new(|| NoteSigner::from_seed("gate.example/ledger", &[7; 32]).unwrap());
static VERIFIER: LazyLock<NoteVerifier> = LazyLock::new(|| SIGNER.verifier());
static GOOD: LazyLock<String> = LazyLock::new(|| {
    let note = SIGNER.sign_statement(TEXT).unwrap();
    assert_eq!(VERIFIER.open(&note).unwrap(), TEXT);
    note
});

fuzz_target!(|text: &str| {
    let good = GOOD.as_str();
    let (_, signature) = good.split_once("\n\n").unwrap();
    for note in [
        text.to_owned(),
        format!("{text}\n\n{signature}"),
        format!("{TEXT}\n{text}"),
        // A witness's line does no harm, and adds nothing.
        format!("{good}{text}"),
    ] {
        if let Ok(opened) = VERIFIER.open(&note) {
            assert!(note.len() <= NOTE_BYTES_MAX);
            assert_eq!(opened, TEXT, "nobody has signed this");
        }
        assert!(VERIFIER.verify(&note).is_err(), "no statement passes for a checkpoint");
    }
    // The name of a key, and a receipt, as they are read.
    if let Ok(verifier) = text.parse::<NoteVerifier>() {
        assert_eq!(verifier.to_string().parse::<NoteVerifier>().unwrap().to_string(), verifier.to_string());
    }
    if let Ok(receipt) = serde_json::from_str::<Receipt>(text) {
        let again = serde_json::to_string(&receipt).unwrap();
        assert_eq!(serde_json::from_str::<Receipt>(&again).unwrap(), receipt);
    }
});
