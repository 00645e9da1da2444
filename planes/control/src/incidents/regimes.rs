//! The texts whose clocks run: those that come with the program, and the installation's own files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use portcullis_api::incidents::{RegimeView, RegimesView};
use portcullis_incident::regime::{SHIPPED, Taken, in_force, read};
use portcullis_proof::digest;
use serde::{Deserialize, Serialize};

/// Files of an installation.
/// What the vendor owes us by its contract.
const VENDOR_NOTICE: &str = "vendor-notice";
const FILES_MAX: usize = 200;
/// More than any file may have: what is longer isn't read whole.
const BYTES_READ_MAX: u64 = 128 * 1024;

/// `incidents` of the settings.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentSettings {
    /// Ids of the texts whose clocks run in every incident; all of them without any.
    pub regimes: Vec<String>,
    /// Where days are counted that no text names a zone for; UTC without one.
    pub zone: Option<String>,
}

/// There is no text of this id in force.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no text `{0}` is in force\nhint: `portcullis incident clocks` lists them")]
pub struct UnknownRegime(pub String);

/// What is in use, replaced whole by each reload.
pub struct Regimes {
    set: ArcSwap<Set>,
    place: Mutex<Option<(PathBuf, IncidentSettings)>>,
}

struct Set {
    loaded: Vec<Loaded>,
    faults: Vec<String>,
    zone: String,
    chosen: BTreeSet<String>,
}

struct Loaded {
    taken: Taken,
    file: String,
    shipped: bool,
}

impl Default for Regimes {
    fn default() -> Self {
        let set = Set::of(Vec::new(), Vec::new(), &IncidentSettings::default());
        Self { set: ArcSwap::from_pointee(set), place: Mutex::default() }
    }
}

impl Regimes {
    pub(super) fn place(&self, folder: PathBuf, settings: IncidentSettings) -> Vec<String> {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some((folder, settings));
        self.reload()
    }

    pub(super) fn reload(&self) -> Vec<String> {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((folder, settings)) = place else { return Vec::new() };
        let (own, faults) = own_files(&folder);
        let set = Set::of(own, faults, &settings);
        let faults = set.faults.clone();
        self.set.store(set.into());
        faults
    }

    pub(crate) fn zone(&self) -> String {
        self.set.load().zone.clone()
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.set.load().faults.clone()
    }

    /// Those whose clocks run in every incident.
    pub(crate) fn chosen(&self, day: Date) -> Vec<Taken> {
        let set = self.set.load();
        let mut all = set.in_force(day);
        all.retain(|taken| set.is_chosen(&taken.regime.id));
        all
    }

    /// Those of these ids, and the vendor's own duty; without any, those of every incident.
    pub(super) fn taken(&self, ids: &[String], day: Date) -> Result<Vec<Taken>, UnknownRegime> {
        if ids.is_empty() {
            return Ok(self.chosen(day));
        }
        let all = self.set.load().in_force(day);
        let of = |id: &String| all.iter().find(|taken| taken.regime.id == *id).cloned();
        let unknown = |id: &String| UnknownRegime(id.chars().take(60).collect());
        let mut taken =
            ids.iter().map(|id| of(id).ok_or_else(|| unknown(id))).collect::<Result<Vec<_>, _>>()?;
        let named = taken.iter().any(|taken| taken.regime.id == VENDOR_NOTICE);
        taken.extend(all.iter().filter(|taken| !named && taken.regime.id == VENDOR_NOTICE).cloned());
        Ok(taken)
    }

    pub(super) fn view(&self, day: Date) -> RegimesView {
        let set = self.set.load();
        let used = set.in_force(day);
        let regimes =
            set.loaded.iter().filter(|loaded| used.contains(&loaded.taken)).map(|loaded| RegimeView {
                regime: loaded.taken.regime.clone(),
                sha256: loaded.taken.sha256.clone(),
                file: loaded.file.clone(),
                shipped: loaded.shipped,
                chosen: set.is_chosen(&loaded.taken.regime.id),
            });
        RegimesView { zone: set.zone.clone(), regimes: regimes.collect(), faults: set.faults.clone() }
    }
}

impl Set {
    fn of(own: Vec<Loaded>, mut faults: Vec<String>, settings: &IncidentSettings) -> Self {
        let mut loaded = Vec::new();
        for (file, text) in SHIPPED {
            match read(file, text) {
                Ok(regime) => loaded.push(Loaded {
                    taken: Taken { regime, sha256: digest(text.as_bytes()) },
                    file: (*file).to_owned(),
                    shipped: true,
                }),
                Err(error) => faults.push(error.to_string()),
            }
        }
        // Behind those that are shipped: of two of one day the installation's own counts.
        loaded.extend(own);
        let zone = settings.zone.clone().unwrap_or_else(|| "UTC".to_owned());
        let zone = if TimeZone::get(&zone).is_ok() {
            zone
        } else {
            faults.push(format!(
                "`incidents.zone` of the settings is `{zone}`, which is no time zone\nhint: use a name of the IANA database, such as `Europe/Berlin`"
            ));
            "UTC".to_owned()
        };
        for id in &settings.regimes {
            if loaded.iter().all(|loaded| loaded.taken.regime.id != *id) {
                faults.push(format!(
                    "`incidents.regimes` of the settings names `{id}`, which there isn't\nhint: `portcullis incident clocks` lists them"
                ));
            }
        }
        Self { loaded, faults, zone, chosen: settings.regimes.iter().cloned().collect() }
    }

    fn in_force(&self, day: Date) -> Vec<Taken> {
        let all: Vec<Taken> = self.loaded.iter().map(|loaded| loaded.taken.clone()).collect();
        in_force(&all, day)
    }

    /// What the vendor owes us runs in any case: hard stop 8 rests on it.
    fn is_chosen(&self, id: &str) -> bool {
        self.chosen.is_empty() || self.chosen.contains(id) || id == VENDOR_NOTICE
    }
}

/// The files of a folder that may not be there, by name. One that is wrong takes none of the others away.
fn own_files(folder: &Path) -> (Vec<Loaded>, Vec<String>) {
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (Vec::new(), Vec::new()),
        Err(error) => return (Vec::new(), vec![format!("`{}` can't be read: {error}", folder.display())]),
    };
    let is_clocks = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("yaml" | "yml" | "json"))
    };
    let mut paths: Vec<PathBuf> =
        listed.filter_map(|entry| Some(entry.ok()?.path())).filter(is_clocks).collect();
    paths.sort();
    let mut faults = Vec::new();
    if paths.len() > FILES_MAX {
        faults.push(format!(
            "`{}` has more than {FILES_MAX} files, and the rest isn't read\nhint: remove those that are over",
            folder.display()
        ));
        paths.truncate(FILES_MAX);
    }
    let mut loaded = Vec::new();
    for path in paths {
        let shown = path.display().to_string();
        match text_of(&path) {
            Ok(text) => match read(&shown, &text) {
                Ok(regime) => loaded.push(Loaded {
                    taken: Taken { regime, sha256: digest(text.as_bytes()) },
                    file: shown,
                    shipped: false,
                }),
                Err(error) => faults.push(error.to_string()),
            },
            Err(error) => faults.push(format!("{shown}:1: it can't be read: {error}")),
        }
    }
    (loaded, faults)
}

fn text_of(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(BYTES_READ_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "id: gdpr-33
title: Our stricter rule
basis: { kind: policy, citation: Handbook 4, source: Handbook }
in_force: 2026-01-01
applies_to: us
stages:
  - { id: authority, title: Tell, recipient: the board, starts: we_aware, within: { hours: 12 } }
";

    fn day() -> Date {
        "2026-11-22".parse().unwrap()
    }

    #[test]
    fn own_files_stand_before_shipped_ones_and_a_wrong_one_takes_none_away() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let regimes = Regimes::default();
        assert_eq!(regimes.chosen(day()).len(), 8);
        write("gdpr.yaml", OWN);
        write("wrong.yaml", &OWN.replace("hours: 12", "hours: none"));
        write("notes.txt", "no file of clocks");
        let faults = regimes.place(folder.path().to_owned(), IncidentSettings::default());
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("wrong.yaml:7:"), "{faults:?}");
        let gdpr = |regimes: &Regimes| {
            let all = regimes.chosen(day());
            all.into_iter().find(|taken| taken.regime.id == "gdpr-33").unwrap().regime.title
        };
        assert_eq!(gdpr(&regimes), "Our stricter rule");
        // What is wrong now was right before: the shipped one counts again, and the fault is told.
        write("gdpr.yaml", "id: [");
        assert_eq!(regimes.reload().len(), 2);
        assert!(gdpr(&regimes).starts_with("GDPR"));
    }

    #[test]
    fn settings_choose_and_never_leave_the_vendors_own_duty_out() {
        let folder = tempfile::tempdir().unwrap();
        let chosen = |settings: IncidentSettings| {
            let regimes = Regimes::default();
            let faults = regimes.place(folder.path().join("none"), settings);
            let ids = regimes.chosen(day()).into_iter().map(|taken| taken.regime.id).collect::<Vec<_>>();
            (ids, faults, regimes.zone())
        };
        let settings = |ids: &[&str], zone: Option<&str>| IncidentSettings {
            regimes: ids.iter().map(|id| (*id).to_owned()).collect(),
            zone: zone.map(str::to_owned),
        };
        let (ids, faults, zone) = chosen(settings(&["nis2-23"], Some("Europe/Berlin")));
        assert_eq!(
            (ids, faults, zone.as_str()),
            (vec!["nis2-23".into(), "vendor-notice".into()], vec![], "Europe/Berlin")
        );
        let (_, faults, zone) = chosen(settings(&["nis-3"], Some("Mars")));
        assert_eq!((faults.len(), zone.as_str()), (2, "UTC"));
        let regimes = Regimes::default();
        assert!(regimes.taken(&["nis-3".to_owned()], day()).is_err());
        let taken = regimes.taken(&["nis2-23".to_owned()], day()).unwrap();
        let ids: Vec<_> = taken.iter().map(|taken| taken.regime.id.as_str()).collect();
        assert_eq!(ids, ["nis2-23", VENDOR_NOTICE]);
        assert_eq!(regimes.taken(&[VENDOR_NOTICE.to_owned()], day()).unwrap().len(), 1);
    }
}
