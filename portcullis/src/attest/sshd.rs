//! Whether `sshd` lets root in (sshd_config(5)): the first word on it counts, and without one root may come with a key.

use std::fs;
use std::path::{Path, PathBuf};

use super::text;

const DEPTH_MAX: usize = 4;

/// Nothing where there is no configuration to be read.
pub fn root_login_off(root: &Path) -> Option<bool> {
    let main = text(&root.join("etc/ssh/sshd_config"))?;
    let mut said = Said::default();
    read(root, &main, &mut said, DEPTH_MAX);
    Some(said.globally.as_deref() == Some("no") && !said.opened_by_match)
}

#[derive(Default)]
struct Said {
    globally: Option<String>,
    /// Some block for certain users or addresses says something else than `no`.
    opened_by_match: bool,
}

fn read(root: &Path, config: &str, said: &mut Said, depth: usize) {
    let mut in_match = false;
    for line in config.lines() {
        let line = line.trim();
        let Some((name, value)) = line.split_once([' ', '\t', '=']) else { continue };
        let value = value.trim_matches([' ', '\t', '=', '"']);
        match name.to_ascii_lowercase().as_str() {
            "match" => in_match = !value.eq_ignore_ascii_case("all"),
            "permitrootlogin" if in_match => said.opened_by_match |= !value.eq_ignore_ascii_case("no"),
            "permitrootlogin" => {
                said.globally.get_or_insert_with(|| value.to_ascii_lowercase());
            }
            "include" if depth > 0 => {
                for pattern in value.split_whitespace() {
                    for path in included(root, pattern) {
                        read(root, &text(&path).unwrap_or_default(), said, depth - 1);
                    }
                }
            }
            _ => {}
        }
    }
}

/// A file, or `FOLDER/*.conf` in the order of names; other patterns are none that distributions write.
fn included(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let pattern = pattern.strip_prefix('/').map_or_else(|| format!("etc/ssh/{pattern}"), str::to_owned);
    let Some((folder, "*.conf")) = pattern.rsplit_once('/') else { return vec![root.join(pattern)] };
    let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "conf"))
        .collect();
    found.sort();
    found
}
