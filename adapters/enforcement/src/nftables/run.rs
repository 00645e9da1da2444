//! Running `nft`, bounded in time and in what is read of it.

use std::time::Duration;

use serde_json::Value;

use crate::ArmError;
use crate::program::{Said, run};
use crate::turn::Turn;

/// A table of ten thousand vendors is loaded within one second; what takes longer hangs.
const WAIT: Duration = Duration::from_secs(20);

/// The program that reads and lists rules.
#[derive(Clone, Debug)]
pub struct Nft {
    program: String,
}

impl Nft {
    /// It is looked for on the path where it has no directory.
    #[must_use]
    pub fn new(program: String) -> Self {
        Self { program }
    }

    /// Carries a script out: whole, or nothing of it.
    pub(crate) async fn load(&self, script: String, turn: Option<Turn>) -> Result<(), ArmError> {
        self.run("loading the packet filter", &["-f", "-"], script, turn).await.map(|_| ())
    }

    /// Every table of the family `inet`, as the kernel has it now.
    pub(crate) async fn tables(&self) -> Result<Vec<Value>, ArmError> {
        self.list(&["-j", "list", "ruleset", "inet"]).await
    }

    /// Every table, of every family.
    pub(crate) async fn ruleset(&self) -> Result<Vec<Value>, ArmError> {
        self.list(&["-j", "list", "ruleset"]).await
    }

    pub(crate) async fn probe(&self) -> Result<(), ArmError> {
        self.run("asking nft for its version", &["--version"], String::new(), None).await.map(|_| ())
    }

    async fn list(&self, arguments: &[&str]) -> Result<Vec<Value>, ArmError> {
        let doing = "listing the packet filter";
        let said = self.run(doing, arguments, String::new(), None).await?;
        // Some ten megabytes with thousands of vendors: cuts go on meanwhile.
        let mut read = aside(move || serde_json::from_slice::<Value>(&said.output))
            .await?
            .map_err(|error| ArmError::Failed { doing, why: format!("`nft` wrote no JSON: {error}") })?;
        match read.get_mut("nftables").map(Value::take) {
            Some(Value::Array(objects)) => Ok(objects),
            _ => Err(ArmError::Failed { doing, why: "`nft` wrote no list of objects".to_owned() }),
        }
    }

    async fn run(
        &self,
        doing: &'static str,
        arguments: &[&str],
        script: String,
        turn: Option<Turn>,
    ) -> Result<Said, ArmError> {
        let said = run(&self.program, arguments, script.into_bytes(), WAIT, turn).await;
        let said = said.map_err(|error| match error {
            ArmError::Absent(why) => ArmError::Absent(format!(
                "{why}\nhint: install the package `nftables`, and have `/usr/sbin` on the path"
            )),
            error => error,
        })?;
        if said.succeeded {
            return Ok(said);
        }
        let complaint = said.complaint;
        if complaint.contains("Operation not permitted") {
            return Err(ArmError::Absent(not_permitted()));
        }
        let hint = if complaint.contains("Message too long") {
            "\nhint: the kernel takes no transaction of this size from this user: raise `net.core.wmem_max`"
        } else {
            ""
        };
        Err(ArmError::Failed { doing, why: format!("{complaint}{hint}") })
    }
}

/// On a thread of its own: the enforcer has one for all that mustn't wait.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ArmError> {
    let failed = |error: tokio::task::JoinError| ArmError::Failed {
        doing: "working on the packet filter",
        why: error.to_string(),
    };
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

pub(crate) fn not_permitted() -> String {
    "this process may not change the packet filter\nhint: the enforcer needs CAP_NET_ADMIN in the network namespace of the gate"
        .to_owned()
}
