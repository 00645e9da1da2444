use crate::world::World;

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
