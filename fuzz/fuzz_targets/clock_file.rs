//! A file of clocks: refused with a line, or read, kept and computed with; never a panic.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use portcullis_incident::due::{Calendar, due};
use portcullis_incident::regime::{Regime, read};

fuzz_target!(|text: &str| {
    match read("clocks.yaml", text) {
        Err(error) => {
            assert!(error.line >= 1 && !error.message.is_empty() && !error.hint.is_empty(), "{error}");
        }
        Ok(regime) => {
            let kept = serde_json::to_value(&regime).unwrap();
            assert_eq!(serde_json::from_value::<Regime>(kept).unwrap(), regime, "an incident keeps it as it is");
            for second in [0, 1_774_760_399, 1_793_494_800, 253_402_207_200] {
                let from = Timestamp::from_second(second).unwrap();
                for stage in &regime.stages {
                    let (_, zone) = regime.zone("UTC");
                    let calendar = Calendar { zone, holidays: regime.holidays(), by: stage.by };
                    assert!(due(from, stage.within, &calendar) >= from, "{stage:?}");
                }
            }
        }
    }
});
