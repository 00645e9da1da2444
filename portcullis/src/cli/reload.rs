//! `reload`: settings, certificates and identities anew.

use anyhow::Result;
use portcullis_api::reload::ReloadAnswer;

use super::output::Output;
use super::server::Server;
use super::{Outcome, Place};

pub(super) async fn reload(place: &Place, out: &Output) -> Result<Outcome> {
    let server = Server::find(place)?;
    let (_, answer): (_, ReloadAnswer) = server.post(&["v1", "reload"], &serde_json::json!({})).await?;
    out.show(&answer, |_| told(&answer))?;
    Ok(Outcome::Done)
}

pub(super) fn told(answer: &ReloadAnswer) -> String {
    let mut text = String::new();
    if answer.changed.is_empty() {
        text.push_str("nothing had changed\n");
    }
    for line in &answer.changed {
        text.push_str(&format!("changed  {line}\n"));
    }
    for line in &answer.notes {
        text.push_str(&format!("note     {line}\n"));
    }
    text
}
