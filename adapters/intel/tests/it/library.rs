//! Files that are replaced, damaged and gone, while everything is asked.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use portcullis_domain::spec::{FeedFormat, Holds};
use portcullis_intel::{FeedStatus, Library, Limits, Source};
use portcullis_risk::{Known, Listed, Missing, OriginSource as _};

struct World {
    folder: tempfile::TempDir,
    library: Library,
    now: Timestamp,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::new(folder.path().join("kept"), Limits::default());
        Self { folder, library, now: "2030-01-01T00:00:00Z".parse().unwrap() }
    }

    /// The same folder, and another process.
    fn restart(&mut self) {
        self.library = Library::new(self.folder.path().join("kept"), Limits::default());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// By a new file in the place of the old one, as installers do.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let new = self.path("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, self.path(name)).unwrap();
    }

    fn source(&self, name: &str, holds: Holds) -> Source {
        let path = self.path(name);
        Source { name: name.to_owned(), holds, format: FeedFormat::Auto, path, accept: 0 }
    }

    /// Names of what was read, with errors.
    fn look(&self, sources: &[Source]) -> Vec<(String, Option<String>)> {
        let told = self.library.look(sources, self.now);
        told.into_iter()
            .map(|told| (told.name, told.error.map(|error| error.lines().next().unwrap().to_owned())))
            .collect()
    }

    fn status(&self, name: &str) -> FeedStatus {
        self.library.status().into_iter().find(|status| status.source.name == name).unwrap()
    }

    fn listed(&self, address: &str) -> Known<Listed> {
        self.library.origin(ip(address)).listed
    }
}

fn says(listed: Known<Listed>, kind: Listed) -> Known<bool> {
    listed.value().map_or(Known::NoData(Missing::NoDatabase), |listed| listed.says(kind))
}

#[test]
fn without_anything_all_is_no_data() {
    let world = World::new();
    assert_eq!(world.look(&[]), []);
    assert_eq!(world.library.origin(ip("192.0.2.1")), portcullis_risk::Origin::UNKNOWN);
    assert_eq!(world.library.ja4("t13d1516h2_8daaf6152771_b0da82dd1658"), Known::NoData(Missing::NoDatabase));
}

#[test]
fn kinds_of_lists_answer_for_themselves_only() {
    let world = World::new();
    world.write("bad", "192.0.2.1\n");
    world.write("exits", "192.0.2.1\n192.0.2.2\n");
    world.write("clients", "t13d1516h2_8daaf6152771_b0da82dd1658\n");
    let sources = [
        world.source("bad", Holds::Reputation),
        world.source("exits", Holds::Tor),
        world.source("clients", Holds::Reputation),
    ];
    assert_eq!(world.look(&sources).len(), 3);
    assert_eq!(world.look(&sources), [], "nothing has changed");
    let check =
        |address: &str, kind, expect| assert_eq!(says(world.listed(address), kind), expect, "{address}");
    check("192.0.2.1", Listed::REPUTATION, Known::Is(true));
    check("192.0.2.1", Listed::TOR, Known::Is(true));
    check("192.0.2.2", Listed::REPUTATION, Known::Is(false));
    check("192.0.2.2", Listed::TOR, Known::Is(true));
    check("192.0.2.3", Listed::TOR, Known::Is(false));
    check("192.0.2.3", Listed::HOSTING, Known::NoData(Missing::NoDatabase));
    let ja4 = world.library.ja4("t13d1516h2_8daaf6152771_b0da82dd1658");
    assert_eq!(says(ja4, Listed::REPUTATION), Known::Is(true));
    assert_eq!(says(world.library.ja4("other"), Listed::REPUTATION), Known::Is(false));
    assert_eq!(says(world.library.ja4("other"), Listed::TOR), Known::NoData(Missing::NoDatabase));
    let by: Vec<_> = world.library.about(ip("192.0.2.1")).by.into_iter().map(|(name, ..)| name).collect();
    assert_eq!(by, ["bad", "exits"]);
}

#[test]
fn a_list_of_networks_numbers_says_nothing_where_the_number_is_unknown() {
    let world = World::new();
    world.write("rented", "AS64500\n");
    let mut sources = vec![world.source("rented", Holds::Hosting)];
    world.look(&sources);
    assert_eq!(world.listed("192.0.2.1"), Known::NoData(Missing::NoDatabase));
    world.write(
        "numbers",
        "192.0.2.0,192.0.2.255,64500,\"Example, Inc.\"\n198.51.100.0,198.51.100.255,64501,B\n",
    );
    sources.push(world.source("numbers", Holds::Asn));
    world.look(&sources);
    assert_eq!(says(world.listed("192.0.2.1"), Listed::HOSTING), Known::Is(true));
    assert_eq!(says(world.listed("198.51.100.1"), Listed::HOSTING), Known::Is(false));
    assert_eq!(world.listed("203.0.113.1"), Known::NoData(Missing::NoDatabase));
    let origin = world.library.origin(ip("203.0.113.1"));
    assert_eq!(
        (origin.asn, origin.country),
        (Known::NoData(Missing::NotInDatabase), Known::NoData(Missing::NoDatabase))
    );
    assert_eq!(world.library.about(ip("192.0.2.1")).network_name.as_deref(), Some("Example, Inc."));
}

#[test]
fn what_cannot_be_used_leaves_the_last_good_one_in_use_over_a_restart_too() {
    let mut world = World::new();
    world.write("bad", "192.0.2.1\n");
    let sources = [world.source("bad", Holds::Reputation)];
    assert_eq!(world.look(&sources), [("bad".to_owned(), None)]);
    let good = world.status("bad").in_use.unwrap();
    let still_good = |world: &World| {
        assert_eq!(says(world.listed("192.0.2.1"), Listed::REPUTATION), Known::Is(true));
        let status = world.status("bad");
        let in_use = status.in_use.unwrap();
        assert_eq!(in_use.as_of, good.as_of, "its age is that of the good content");
        assert!(in_use.is_kept_copy);
        status.error.unwrap()
    };
    world.write("bad", "<html>down for maintenance</html>");
    world.now += SignedDuration::from_hours(1);
    let since = world.now;
    let told = world.look(&sources);
    assert_eq!(told, [("bad".to_owned(), Some("it is a web page, and not a list".to_owned()))]);
    assert_eq!(still_good(&world).1, since);
    world.restart();
    world.now += SignedDuration::from_hours(1);
    world.look(&sources);
    assert!(still_good(&world).0.contains("a web page"));
    world.restart();
    fs::remove_file(world.path("bad")).unwrap();
    world.look(&sources);
    assert!(still_good(&world).0.contains("can't be read"));
    world.write("bad", "192.0.2.2\n");
    world.look(&sources);
    assert_eq!(says(world.listed("192.0.2.1"), Listed::REPUTATION), Known::Is(false));
    assert_eq!(world.status("bad").error, None);
    assert!(!world.status("bad").in_use.unwrap().is_kept_copy);
}

#[test]
fn a_feed_that_is_no_longer_declared_is_forgotten_with_its_copy() {
    let mut world = World::new();
    world.write("bad", "192.0.2.1\n");
    world.look(&[world.source("bad", Holds::Reputation)]);
    assert!(world.path("kept").join("bad").exists());
    world.look(&[]);
    assert_eq!(world.listed("192.0.2.1"), Known::NoData(Missing::NoDatabase));
    world.restart();
    fs::remove_file(world.path("bad")).unwrap();
    world.look(&[world.source("bad", Holds::Reputation)]);
    assert_eq!(world.listed("192.0.2.1"), Known::NoData(Missing::NoDatabase));
}

#[test]
fn a_list_that_lost_almost_everything_waits_for_a_word() {
    let world = World::new();
    let lines = |count: u32| -> String {
        (0..count).map(|number| format!("{}\n", std::net::Ipv4Addr::from(0x0101_0000 + 2 * number))).collect()
    };
    let mut source = world.source("bad", Holds::Reputation);
    let look = |world: &World, source: &Source| world.look(std::slice::from_ref(source)).pop().unwrap().1;
    world.write("bad", lines(2_000));
    assert_eq!(look(&world, &source), None);
    world.write("bad", lines(199));
    assert_eq!(look(&world, &source).unwrap(), "it has 199 entries, and the copy in use has 2000");
    world.write("bad", lines(999).trim_end());
    assert!(look(&world, &source).unwrap().contains("it has 999 entries"), "its last line doesn't end");
    world.write("bad", lines(201));
    assert_eq!(look(&world, &source), None, "lists may become shorter");
    world.write("bad", lines(2_000));
    look(&world, &source);
    world.write("bad", lines(3));
    assert!(look(&world, &source).is_some());
    source.accept = 7;
    assert_eq!(look(&world, &source), None);
    assert_eq!(world.status("bad").in_use.unwrap().report.entries, 3);
}

/// Test data of MaxMind, if it is there.
fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PORTCULLIS_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join("data/geo").join(name);
    if !path.exists() {
        println!("skipped: `{}` is not there", path.display());
    }
    path.exists().then_some(path)
}

#[test]
fn a_database_is_replaced_while_it_is_asked_and_a_damaged_one_is_refused() {
    let Some(country) = shared("GeoLite2-Country-Test.mmdb") else { return };
    let mut world = World::new();
    let good = fs::read(&country).unwrap();
    world.write("countries", &good);
    let sources = [world.source("countries", Holds::Country)];
    assert_eq!(world.look(&sources), [("countries".to_owned(), None)]);
    let asked = |world: &World| {
        let origin = world.library.origin(ip("2.125.160.216"));
        assert_eq!(origin.country, Known::Is(*b"GB"));
        assert_eq!(origin.place, Known::Is((5_400, -200)), "its middle");
        assert_eq!(world.library.origin(ip("::ffff:2.125.160.216")).country, Known::Is(*b"GB"));
        assert_eq!(world.library.origin(ip("10.0.0.1")).country, Known::NoData(Missing::NotInDatabase));
    };
    asked(&world);
    let mut damaged = good.clone();
    damaged[200..260].fill(0xff);
    for content in [&good[..good.len() / 2], &damaged[..], b"", b"\0\0\0", b"<html>"] {
        world.write("countries", content);
        let told = world.look(&sources);
        assert!(told[0].1.is_some(), "{} bytes", content.len());
        asked(&world);
    }
    // Where it is, half of it is overwritten: what is in memory doesn't notice.
    fs::write(world.path("countries"), &good[..100]).unwrap();
    asked(&world);
    world.look(&sources);
    asked(&world);
    world.restart();
    world.look(&sources);
    asked(&world);
    world.write("countries", &good);
    assert_eq!(world.look(&sources), [("countries".to_owned(), None)]);
    asked(&world);
}

#[test]
fn databases_of_each_kind_are_read_and_a_mistaken_kind_is_told() {
    let files = ["GeoLite2-Country-Test.mmdb", "GeoLite2-ASN-Test.mmdb", "GeoLite2-City-Test.mmdb"];
    let [Some(country), Some(asn), Some(city)] = files.map(shared) else { return };
    let world = World::new();
    let source = |name: &str, holds, path: &Path| Source {
        name: name.to_owned(),
        holds,
        format: FeedFormat::Auto,
        path: path.to_owned(),
        accept: 0,
    };
    let told = world.look(&[
        source("a", Holds::Asn, &asn),
        source("c", Holds::Place, &city),
        source("d", Holds::Asn, &country),
        source("e", Holds::Country, &asn),
        source("f", Holds::Place, &asn),
        source("g", Holds::Reputation, &asn),
    ]);
    let errors: Vec<_> = told.iter().map(|(_, error)| error.as_deref()).collect();
    assert_eq!(
        errors,
        [
            None,
            None,
            Some("the database holds no numbers of networks (it is of type `GeoLite2-Country`)"),
            Some("the database holds no countries (it is of type `GeoLite2-ASN`)"),
            Some("the database holds no places (it is of type `GeoLite2-ASN`)"),
            Some("it is binary, and not a list"),
        ]
    );
    let origin = world.library.origin(ip("2.125.160.216"));
    assert_eq!((origin.country, origin.place), (Known::Is(*b"GB"), Known::Is((5_175, -125))));
    assert_eq!(world.library.origin(ip("1.128.0.0")).asn, Known::Is(1_221));
    assert_eq!(world.library.about(ip("1.128.0.0")).network_name.as_deref(), Some("Telstra Pty Ltd"));
}
