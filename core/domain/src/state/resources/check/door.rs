//! What must hold for doors: a port that can be listened at, and one integration's alone.

use std::collections::BTreeMap;

use super::{After, fault};
use crate::command::{Fault, Prepared};
use crate::spec::integration::DOORS_MAX;
use crate::spec::{Kind, Spec};

pub fn check_together(after: &After<'_>, resources: &[Prepared], faults: &mut Vec<Fault>) {
    let doors = after.range((Kind::Integration, "")..).map_while(|((_, name), spec)| match spec {
        Spec::Integration(spec) => Some((*name, spec.door)),
        _ => None,
    });
    let mut names: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (name, door) in doors {
        if let Some(door) = door {
            names.entry(door).or_default().push(name);
        }
    }
    let count: usize = names.values().map(Vec::len).sum();
    for Prepared { declaration, .. } in resources {
        let Spec::Integration(spec) = &declaration.spec else { continue };
        let Some(door) = spec.door else { continue };
        let mut wrong = |message: String, hint: &str| {
            faults.push(fault(declaration, "/spec/door", message, Some(hint)));
        };
        if door == 0 {
            wrong("`0` is no port".to_owned(), "use a free port of the gate's host, 1 to 65535");
            continue;
        }
        let others = names.get(&door).into_iter().flatten();
        if let Some(other) = others.copied().find(|other| *other != declaration.name) {
            let message = format!("door {door} is integration `{other}`'s");
            wrong(message, "give each integration a port of its own");
        }
        if count > DOORS_MAX {
            let message = format!("there would be {count} doors, more than {DOORS_MAX}");
            wrong(message, "leave `door` out where the common one will do");
        }
    }
}
