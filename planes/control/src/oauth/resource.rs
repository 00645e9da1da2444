//! Resource indicators (RFC 8707): for which of our addresses a token is good.

use std::borrow::Cow;
use std::num::NonZeroU16;

use portcullis_domain::state::Standing;
use portcullis_policy::doors::at_port;

use super::answer::Failure;
use super::form::shown;
use super::{Exchange, Server};

/// Resources in one request, and the length of one: so that a token stays short.
const RESOURCES_MAX: usize = 8;
const RESOURCE_BYTES_MAX: usize = 512;

/// The resources that were asked for, exactly as written, or the first public origin.
///
/// A resource is one of our origins, alone or with a path that at least one route of the integration
/// lies at or under.
pub(super) fn audience(
    exchange: &Exchange<'_>,
    standing: &Standing<'_>,
) -> Result<Vec<String>, Box<Failure>> {
    let server = exchange.server;
    let origins = origins(server, standing);
    let mut audience: Vec<String> = Vec::new();
    for resource in exchange.form.all("resource") {
        if audience.iter().any(|known| known == resource) {
            continue;
        }
        if audience.len() == RESOURCES_MAX || resource.len() > RESOURCE_BYTES_MAX {
            let description = "there are too many resources, or one is too long";
            let hint = format!("send at most {RESOURCES_MAX}, of at most {RESOURCE_BYTES_MAX} bytes each");
            return Err(Failure::bad_request("invalid_target", description).hint(hint).into());
        }
        let templates = standing
            .integration_spec
            .routes
            .iter()
            .filter_map(|route| exchange.state.route(route).map(|(_, spec)| spec.path.as_str()));
        if !is_reachable(resource, &origins, templates) {
            return Err(refused(resource, &origins).into());
        }
        audience.push(resource.to_owned());
    }
    if audience.is_empty() {
        audience.push(server.public_origins.first().unwrap_or(&server.issuer).clone());
    }
    Ok(audience)
}

/// The public ones, and the same at the integration's own door.
fn origins<'a>(server: &'a Server, standing: &Standing<'_>) -> Cow<'a, [String]> {
    let Some(door) = standing.integration_spec.door.and_then(NonZeroU16::new) else {
        return Cow::Borrowed(&server.public_origins);
    };
    let here = server.public_origins.iter().map(|origin| at_port(origin, door));
    Cow::Owned(server.public_origins.iter().cloned().chain(here).collect())
}

fn refused(resource: &str, origins: &[String]) -> Failure {
    let description = format!("`{}` is no resource of this client", shown(resource));
    let origin = origins.first().map_or("the public address", String::as_str);
    Failure::bad_request("invalid_target", description).hint(format!(
        "leave `resource` out, or set it to `{origin}`, alone or with the path of a route that the integration has"
    ))
}

fn is_reachable<'a>(
    resource: &str,
    origins: &[String],
    mut templates: impl Iterator<Item = &'a str>,
) -> bool {
    let path = origins.iter().find_map(|origin| {
        let path = resource.strip_prefix(origin.trim_end_matches('/'))?;
        (path.is_empty() || path.starts_with('/')).then_some(path)
    });
    let Some(path) = path else { return false };
    if matches!(path, "" | "/") {
        return true;
    }
    let Some(segments) = segments(path) else { return false };
    templates.any(|template| lies_under(template, &segments))
}

/// The segments of a plain path: without query, fragment, percent-encoding and dot segments, so that
/// nobody can read it in another way.
fn segments(path: &str) -> Option<Vec<&str>> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte))
    };
    let segments: Vec<&str> = path.split('/').collect();
    segments.iter().all(|segment| plain(segment)).then_some(segments)
}

/// Whether requests of this template lie at `segments` or under them.
fn lies_under(template: &str, segments: &[&str]) -> bool {
    let mut places = template.trim_start_matches('/').split('/');
    for segment in segments {
        match places.next() {
            None => return false,
            Some(place) if place.starts_with("{*") => return true,
            Some(place) if place.starts_with('{') || place == *segment => {}
            Some(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_resources_a_client_may_name() {
        let origins = ["https://gate.example".to_owned(), "https://gate.example:8443/".to_owned()];
        let templates = ["/parcels/{id}", "/files/{*path}", "/status"];
        let check = |resource: &str, expect: bool| {
            assert_eq!(is_reachable(resource, &origins, templates.into_iter()), expect, "{resource}");
        };
        for good in [
            "https://gate.example",
            "https://gate.example/",
            "https://gate.example:8443",
            "https://gate.example:8443/status",
            "https://gate.example/parcels",
            "https://gate.example/parcels/",
            "https://gate.example/parcels/7",
            "https://gate.example/files",
            "https://gate.example/files/a/b/c",
        ] {
            check(good, true);
        }
        for refused in [
            "",
            "/parcels",
            "gate.example",
            "http://gate.example",
            "https://gate.example.evil",
            "https://gate.example@evil/parcels",
            "https://gate.example:84430",
            "https://gate.example#",
            "https://gate.example/#parcels",
            "https://gate.example/parcels?x=1",
            "https://gate.example/parcels#x",
            "https://gate.example/parcels/7/8",
            "https://gate.example/parcel",
            "https://gate.example/parcels/../status",
            "https://gate.example//parcels",
            "https://gate.example/%70arcels",
            "https://gate.example/other",
            "https://gate.example/files/a b",
        ] {
            check(refused, false);
        }
    }
}
