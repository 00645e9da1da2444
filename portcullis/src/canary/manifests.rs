//! What is declared of the canary.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use portcullis_api::problem::Problem;
use portcullis_wireguard::public_key;

use super::KeyPairs;
use super::tunnel::Course;

pub const MACHINE: &str = "canary-machine";
pub const SPARE: &str = "canary-spare";
/// Behind the tunnel.
pub const FAR: &str = "canary-far";

/// All of it: declared again, it changes the server's address and the keys.
/// `network` is where its machines come from, where they have addresses of their own; `course` where its tunnel runs.
pub fn text(
    upstream: SocketAddr,
    (network, course): (Option<&str>, Option<&Course>),
    now: Timestamp,
    keys: &KeyPairs,
) -> Result<String, Box<Problem>> {
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    // The first day of the year, so that declaring it again changes nothing.
    let starts = today.first_of_year();
    let ends = starts.saturating_add(20.years());
    let ceilings = network.map_or_else(
        || json!({}),
        |network| {
            let inside = course.map(|course| format!("{}/32", course.machine));
            let networks: Vec<String> = [network.to_owned()].into_iter().chain(inside).collect();
            json!({ "networks": networks })
        },
    );
    let mut documents = vec![
        json!({ "kind": "Vendor", "name": "canary", "spec": {
            "legal_name": "Canary of this installation", "canary": true,
            "purpose": "is nobody: exercises and the kill drill cut it" } }),
        json!({ "kind": "Policy", "name": "canary", "spec": {
            "vendors": ["canary"], "stops": { "default": "observe" } } }),
        json!({ "kind": "Contract", "name": "canary", "spec": {
            "vendor": "canary", "starts": starts, "ends": ends, "time_zone": "UTC" } }),
        json!({ "kind": "Upstream", "name": "canary", "spec": { "url": format!("http://{upstream}") } }),
        json!({ "kind": "Route", "name": "canary-read", "spec": {
            "upstream": "canary", "methods": ["GET"], "path": "/canary/{*rest}", "scope": "canary.read" } }),
        json!({ "kind": "Upstream", "name": "canary-http2", "spec": {
            "url": format!("http://{upstream}"), "protocol": "http2" } }),
        json!({ "kind": "Route", "name": "canary-socket", "spec": {
            "upstream": "canary", "methods": ["GET"], "path": "/canary/socket", "scope": "canary.read",
            "websocket": true } }),
        json!({ "kind": "Route", "name": "canary-stream", "spec": {
            "upstream": "canary-http2", "methods": ["POST"], "path": "/canary.Stream/{method}",
            "scope": "canary.read" } }),
        json!({ "kind": "Route", "name": "canary-write", "spec": {
            "upstream": "canary", "methods": ["PUT"], "path": "/canary/{*rest}", "scope": "canary.write",
            "metered": false } }),
        json!({ "kind": "Integration", "name": "canary", "spec": {
            "contract": "canary", "purpose": "exercises", "routes": ["canary-read", "canary-socket", "canary-stream", "canary-write"],
            "scopes": ["canary.read", "canary.write"],
            "ceilings": ceilings,
            "limits": { "records": { "per_client": 2000, "per_integration": 4000 } } } }),
        client(MACHINE, &keys.machine),
        client(SPARE, &keys.spare),
    ];
    if let Some(course) = course {
        let key = public_key(&keys.wireguard).map_err(|error| super::failed(&error))?;
        documents.push(course.manifest(&STANDARD.encode(key)));
        documents.push(client(FAR, &keys.far));
    }
    Ok(documents.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n---\n"))
}

fn client(name: &str, key: &portcullis_tokens::signing::SigningKey) -> serde_json::Value {
    json!({ "kind": "Client", "name": name, "spec": {
        "integration": "canary", "jwks": { "keys": [key.public_jwk()] } } })
}
