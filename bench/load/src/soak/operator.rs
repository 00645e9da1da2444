//! What operators do meanwhile: a manifest is applied, changed each time, and everything reloaded.

use std::path::PathBuf;

use anyhow::Result;
use portcullis_bench_load::portcullis::Portcullis;
use portcullis_bench_load::stand::Folder;
use serde_json::json;

pub struct Operator {
    manifests: [PathBuf; 2],
    deeds: usize,
}

impl Operator {
    pub fn new(folder: &Folder, portcullis: &Portcullis) -> Result<Self> {
        let manifest = |number: usize| {
            let manifest = json!({
                "kind": "Vendor", "name": "vendor-0",
                "spec": { "legal_name": format!("Vendor 0, name {number}, Ltd"), "records_max": 1_u64 << 40 },
            });
            folder.write(&format!("vendor-{number}.yaml"), &format!("{manifest}\n"))
        };
        let operator = Self { manifests: [manifest(0)?, manifest(1)?], deeds: 0 };
        portcullis.operate("reload", &[])?;
        Ok(operator)
    }

    pub fn act(&mut self, portcullis: &Portcullis) -> Result<()> {
        let manifest = &self.manifests[self.deeds % 2];
        self.deeds += 1;
        // The second time it changes nothing.
        for _ in 0..2 {
            portcullis.operate("apply", &["-f".as_ref(), manifest.as_os_str()])?;
        }
        portcullis.operate("reload", &[])
    }
}
