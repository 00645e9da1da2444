use portcullis_pack::evidence::Section;

use crate::world::{World, at};

/// The member of this name, out of a pack.
fn member(pack: &[u8], name: &str) -> String {
    use std::io::Read as _;
    let mut tar = portcullis_replay::Tar::new(pack);
    while let Some(found) = tar.next_file().unwrap() {
        if found == name {
            let mut text = String::new();
            tar.read_to_string(&mut text).unwrap();
            return text;
        }
    }
    panic!("no {name}");
}

#[test]
fn the_report_is_one_file_and_nothing_in_it_is_markup_of_others() {
    let pack = World::new().pack();
    let page = member(&pack, "report.html");
    assert!(page.starts_with("<!DOCTYPE html>"));
    for never in ["<script", "http://", "src=", "<b>stock", "@import", "url("] {
        assert!(!page.contains(never), "{never}");
    }
    for always in [
        "leak &lt;script&gt;",
        "vendor/<wbr>acme",
        "&lt;b&gt;stock",
        "prefers-color-scheme:dark",
        "@media print",
        "class=\"cut\"",
        "There is no such section",
        "1 decisions were read from the decision log",
    ] {
        assert!(page.contains(always), "{always}");
    }
    let minutes = member(&pack, "minutes.csv");
    assert!(
        minutes.starts_with("minute,requests,records,response_bytes\n2026-11-18T09:00:00Z,"),
        "{minutes}"
    );
}

#[test]
fn an_empty_pack_is_a_pack() {
    let world = World { sealed_rows: crate::world::rows(1), unsealed_rows: Vec::new(), ..World::new() };
    let pack = world.pack();
    let verified =
        portcullis_pack::verify::verify(&mut || Ok(pack.as_slice()), pack.len() as u64, None).unwrap();
    assert!(verified.gaps.is_empty());
    assert!(member(&pack, "report.html").contains("Every number stands on"));
}

#[test]
fn what_was_read_before_the_window_is_said_to_be_in_no_number() {
    let told = |touch: fn(&mut portcullis_pack::evidence::Evidence), expect: &str, gap: Option<&str>| {
        let world = World { touch, rows_included: false, unsealed_rows: Vec::new(), ..World::new() };
        let pack = world.pack();
        let page = member(&pack, "report.html");
        assert!(page.contains(expect), "{expect}: {page}");
        let verified =
            portcullis_pack::verify::verify(&mut || Ok(pack.as_slice()), pack.len() as u64, None).unwrap();
        assert_eq!(verified.gaps.len(), usize::from(gap.is_some()), "{:?}", verified.gaps);
        if let Some(gap) = gap {
            assert!(verified.gaps[0].contains(gap), "{gap}: {:?}", verified.gaps);
        }
    };
    // The severance is at 3,550 seconds.
    told(|_| (), "In the 60 minutes before, and in that minute, ", None);
    told(|evidence| evidence.window.from = at(-50), "In the 60 minutes before, and in that minute, ", None);
    told(
        |evidence| evidence.window.from = at(-49),
        "In the 59 minutes of the window before, and in that minute, ",
        Some("of the 60 minutes before `vendor/acme` was severed, the window holds 59"),
    );
    told(
        |evidence| {
            evidence.window.from = at(2_000);
            if let Section::Severances { lines } = &mut evidence.sections[2] {
                lines.push(lines[0].clone());
            }
        },
        "In the 25 minutes of the window before, and in that minute, ",
        Some(
            "the window holds 25: what was read before, and by requests from before, is in no number; 1 more",
        ),
    );
}
