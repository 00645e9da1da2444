//! The reference page of control's API lists what its description does.

use std::path::Path;

use serde_json::Value;

use crate::report::Outcome;
use crate::tree::Tree;

const DESCRIPTION: &str = "api/openapi.json";
const PAGE: &str = "docs/reference/api.md";

/// # Errors
/// When the page or the description is missing or can't be read.
pub fn check(tree: &Tree) -> Result<Outcome, String> {
    let endpoints = endpoints(tree.text(DESCRIPTION)?)?;
    let old = tree.text(PAGE)? != page(&endpoints);
    let faults = old.then(|| format!("`{PAGE}` is old; hint: run `cargo run -p xtask -- endpoints`"));
    Ok(Outcome::of(faults.into_iter().collect(), format!("{} endpoints are described", endpoints.len())))
}

/// Writes the page.
///
/// # Errors
/// When the description can't be read or the page not be written.
pub fn write(root: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(root.join(DESCRIPTION))
        .map_err(|error| format!("`{DESCRIPTION}`: {error}"))?;
    std::fs::write(root.join(PAGE), page(&endpoints(&text)?)).map_err(|error| format!("`{PAGE}`: {error}"))
}

#[derive(Debug, PartialEq, Eq)]
struct Endpoint {
    method: String,
    path: String,
    summary: String,
}

/// By path, then as the description has them.
fn endpoints(description: &str) -> Result<Vec<Endpoint>, String> {
    let broken = |what: &str| format!("`{DESCRIPTION}` can't be read: {what}");
    let description: Value = serde_json::from_str(description).map_err(|error| broken(&error.to_string()))?;
    let paths = description.get("paths").and_then(Value::as_object).ok_or_else(|| broken("no paths"))?;
    let mut endpoints = Vec::new();
    for (path, methods) in paths {
        let methods = methods.as_object().ok_or_else(|| broken(path))?;
        for (method, endpoint) in methods {
            let summary = endpoint.get("summary").and_then(Value::as_str).ok_or_else(|| broken(path))?;
            let (method, path, summary) = (method.to_uppercase(), path.clone(), summary.to_owned());
            endpoints.push(Endpoint { method, path, summary });
        }
    }
    endpoints.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(endpoints)
}

fn page(endpoints: &[Endpoint]) -> String {
    let mut page = String::from(
        "# Control's API\n\n\
         What operators and their tools ask of control, over TLS, with an operator's token as `Bearer`: see\n\
         [operations](operations.md#controls-api). Requests, answers and errors of each endpoint are in `/openapi.json`\n\
         (OpenAPI 3.1). What vendors' machines see of the gate is [another page](http.md).\n\n\
         This page is written from `api/openapi.json` by `cargo run -p xtask -- endpoints`.\n\n\
         | endpoint | what it does |\n| --- | --- |\n",
    );
    for Endpoint { method, path, summary } in endpoints {
        page.push_str(&format!("| `{method} {path}` | {summary} |\n"));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_every_path_is_a_row() {
        let description =
            r#"{"paths": {"/b": {"get": {"summary": "Read b"}}, "/a": {"put": {"summary": "Set a"}}}}"#;
        let endpoints = endpoints(description).unwrap();
        let page = page(&endpoints);
        assert!(page.ends_with("| --- | --- |\n| `PUT /a` | Set a |\n| `GET /b` | Read b |\n"), "{page}");
        assert!(super::endpoints(r#"{"paths": {"/a": {"put": {}}}}"#).is_err());
        assert!(super::endpoints("{}").is_err());
    }
}
