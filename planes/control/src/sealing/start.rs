//! What a start finds: files without their events, events without their files, and halves.

use portcullis_archive::FileName;
use portcullis_domain::command::Command;

use super::{SealError, Sealer};

impl Sealer {
    /// Brings files and ledger together, and says what can't be.
    ///
    /// # Errors
    /// The folder can't be read, or the ledger not be written.
    pub fn begin(&mut self) -> Result<(), SealError> {
        let listing = self.archive.list()?;
        self.archive.sweep(&listing)?;
        let state = self.control.state();
        for path in &listing.set_aside {
            tracing::warn!(path = %path.display(), "this was set aside, or is no file of the decision log: look at it");
        }
        for name in &listing.files {
            let file = name.to_string();
            if state.sealed.contains_key(&(name.hour.start(), file.clone())) {
                continue;
            }
            // Its rows were kept long enough, or stand in the file that it was to replace.
            if state.expired.contains(&file) || self.is_replacement_of_a_whole(*name, &listing.files) {
                self.archive.remove(&file)?;
                continue;
            }
            match self.archive.adopt(*name) {
                Ok(sealed) => {
                    tracing::info!(file, "a sealed file was not in the ledger, and is now");
                    self.execute(Command::RecordSealed(sealed))?;
                }
                Err(error) => {
                    let aside = self.archive.set_aside(*name)?;
                    tracing::error!(
                        error = &error as &(dyn std::error::Error + 'static),
                        path = %aside.display(),
                        "a file of decisions can't be used, and is set aside"
                    );
                }
            }
        }
        let missing = self
            .control
            .state()
            .sealed
            .values()
            .filter(|sealed| !sealed.file.parse().is_ok_and(|name: FileName| listing.files.contains(&name)))
            .count();
        if missing > 0 {
            tracing::error!(missing, "sealed files are missing; `portcullis decisions verify` names them");
        }
        Ok(())
    }

    /// Verifies and sums up every file once, the newest first, so that queries needn't. Ends early at a stop.
    pub fn look_at_all(&self) {
        for sealed in self.control.state().sealed.values().rev() {
            if self.stop.is_set() {
                return;
            }
            if let Err(error) = self.archive.vendors(sealed) {
                tracing::error!(
                    error = &error as &(dyn std::error::Error + 'static),
                    file = sealed.file,
                    "a sealed file can't be read"
                );
            }
        }
    }

    fn is_replacement_of_a_whole(&self, name: FileName, there: &[FileName]) -> bool {
        let Some(revision) = name.revision.checked_sub(1) else { return false };
        let before = FileName { revision, ..name };
        let recorded = (name.hour.start(), before.to_string());
        there.contains(&before) && self.control.state().sealed.contains_key(&recorded)
    }
}
