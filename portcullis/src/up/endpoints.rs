//! `endpoints.json`: where everything is, for people, scripts and the command line.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::settings::write_whole;

/// Written when the installation is ready, removed when it stops.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Endpoints {
    pub control: String,
    pub gate: String,
    pub issuer: String,
    pub console: String,
    /// PEM of the authority that signed the servers' certificates.
    pub ca: PathBuf,
    /// File with the first operator's token.
    pub admin_token: PathBuf,
    pub pid: u32,
}

impl Endpoints {
    const NAME: &'static str = "endpoints.json";

    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(Self::NAME);
        let bytes = std::fs::read(&path).with_context(|| {
            format!("can't read `{}`\nhint: is `portcullis up` running on this directory?", path.display())
        })?;
        serde_json::from_slice(&bytes).with_context(|| format!("`{}` can't be read", path.display()))
    }

    pub fn write(&self, directory: &Path) -> Result<()> {
        write_whole(&directory.join(Self::NAME), &serde_json::to_vec_pretty(self)?, 0o600)
    }

    /// The file itself: it lies beside the administrator's token.
    pub fn path(&self) -> PathBuf {
        self.admin_token.with_file_name(Self::NAME)
    }

    /// Tells where everything is. Nobody may be reading: that stops nothing.
    pub fn print(&self) {
        use std::io::Write as _;
        let lines = [
            format!("gate         {}", self.gate),
            format!("issuer       {}", self.issuer),
            format!("control      {}", self.control),
            format!("ca           {}", self.ca.display()),
            format!("admin token  {}", self.admin_token.display()),
            "ready; stop with Ctrl-C".to_owned(),
        ];
        let _ = writeln!(std::io::stdout().lock(), "{}", lines.join("\n"));
    }
}
