//! The folder where feeds and databases lie, and who writes what there.
//!
//! Whoever declares and fetches writes `feeds.json` and `fetched/`; whoever reads them writes `kept/` alone. So the two
//! can be different processes that share the folder.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use portcullis_domain::spec::{FeedFormat, Holds};

use crate::library::Source;

/// Files that `make geo` installs, by the name that they have as feeds: no declared feed has a dot in its name.
const INSTALLED: [(&str, &str, Holds); 5] = [
    ("country.mmdb", "geo.country", Holds::Country),
    ("country.csv", "geo.country-rows", Holds::Country),
    ("asn.mmdb", "geo.asn", Holds::Asn),
    ("asn.csv", "geo.asn-rows", Holds::Asn),
    ("place.mmdb", "geo.place", Holds::Place),
];
/// Of `feeds.json`.
const BYTES_MAX: u64 = 1024 * 1024;

/// A data directory's folder of feeds, and where else databases may be installed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folder {
    path: PathBuf,
    installed: Vec<PathBuf>,
}

impl Folder {
    /// `elsewhere` is asked for databases that aren't installed in the folder itself.
    pub fn new(path: PathBuf, elsewhere: Option<PathBuf>) -> Self {
        let installed = std::iter::once(path.join("geo")).chain(elsewhere).collect();
        Self { path, installed }
    }

    /// Where last good copies are kept.
    pub fn kept(&self) -> PathBuf {
        self.path.join("kept")
    }

    /// Where the newest content of a feed that is fetched lies.
    pub fn fetched(&self, name: &str) -> PathBuf {
        self.path.join("fetched").join(name)
    }

    /// Where databases are installed for this folder.
    pub fn geo(&self) -> PathBuf {
        self.path.join("geo")
    }

    /// Says which feeds there are, whole or not at all.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn declare(&self, sources: &[Source]) -> io::Result<()> {
        let path = self.path.join("feeds.json");
        let text = serde_json::to_vec_pretty(sources)?;
        if fs::read(&path).is_ok_and(|known| known == text) {
            return Ok(());
        }
        fs::create_dir_all(&self.path)?;
        let new = path.with_extension("new");
        let mut file = fs::File::create(&new)?;
        file.write_all(&text).and_then(|()| file.sync_all())?;
        fs::rename(new, path)
    }

    /// Everything that is declared, and what is installed.
    ///
    /// # Errors
    /// `feeds.json` is there and can't be read.
    pub fn sources(&self) -> io::Result<Vec<Source>> {
        let mut sources = self.declared()?;
        sources.extend(self.installed());
        Ok(sources)
    }

    /// Databases that are installed.
    pub fn installed(&self) -> Vec<Source> {
        let found = |(file, name, holds): &(&str, &str, Holds)| {
            let path = self.installed.iter().map(|folder| folder.join(file)).find(|path| path.is_file())?;
            let (name, holds) = ((*name).to_owned(), *holds);
            Some(Source { name, holds, format: FeedFormat::Auto, path, accept: 0 })
        };
        INSTALLED.iter().filter_map(found).collect()
    }

    fn declared(&self) -> io::Result<Vec<Source>> {
        match read_bounded(&self.path.join("feeds.json")) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > BYTES_MAX {
        return Err(io::Error::other("it is longer than a list of feeds can be"));
    }
    fs::read(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_is_read_again_with_what_is_installed() {
        let home = tempfile::tempdir().unwrap();
        let elsewhere = home.path().join("elsewhere");
        let folder = Folder::new(home.path().join("intel"), Some(elsewhere.clone()));
        assert_eq!(folder.sources().unwrap(), []);
        let source = Source {
            name: "exits".to_owned(),
            holds: Holds::Tor,
            format: FeedFormat::Auto,
            path: folder.fetched("exits"),
            accept: 3,
        };
        folder.declare(std::slice::from_ref(&source)).unwrap();
        fs::create_dir_all(&elsewhere).unwrap();
        fs::write(elsewhere.join("asn.csv"), "x").unwrap();
        fs::write(elsewhere.join("country.mmdb"), "x").unwrap();
        fs::create_dir_all(folder.geo()).unwrap();
        fs::write(folder.geo().join("country.mmdb"), "x").unwrap();
        let sources = folder.sources().unwrap();
        assert_eq!(sources[0], source);
        let paths: Vec<_> = sources[1..].iter().map(|source| source.path.clone()).collect();
        assert_eq!(paths, [folder.geo().join("country.mmdb"), elsewhere.join("asn.csv")]);
        fs::write(home.path().join("intel/feeds.json"), "[").unwrap();
        assert!(folder.sources().is_err());
    }
}
