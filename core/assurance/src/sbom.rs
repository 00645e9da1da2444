//! What a vendor runs, by its bill of materials, beside what is known to be weak.
//!
//! A component counts as weak where a record names its package and its version, or where the vendor's own bill names
//! the vulnerability. The catalogue of known exploited vulnerabilities names products without versions: beside a
//! component of that name it is a lead to ask about, and starts no clock.

pub mod cvss;
pub mod version;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::names::fold::plain;
use crate::sources::kev::Kev;
use crate::sources::osv::{Affected, Osv};
use crate::vulnerability::{Exploitability, Vulnerability};

#[derive(Clone, PartialEq, Default, Debug)]
pub struct Sbom {
    pub spec_version: String,
    pub serial_number: Option<String>,
    pub made: Option<Timestamp>,
    pub components: Vec<Component>,
    pub services: Vec<Service>,
    /// What the vendor says of vulnerabilities.
    pub statements: Vec<Statement>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Component {
    /// By which the rest of the bill speaks of it.
    pub reference: Option<String>,
    pub group: Option<String>,
    pub name: String,
    pub version: Option<String>,
    /// Package URL, such as `pkg:npm/left-pad@1.3.0`.
    pub purl: Option<String>,
    /// CPE 2.2 or 2.3.
    pub cpe: Option<String>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Service {
    pub reference: Option<String>,
    pub provider: Option<String>,
    pub name: String,
    pub version: Option<String>,
    pub endpoints: Vec<String>,
    pub authenticated: Option<bool>,
    /// Data leaves what the vendor trusts.
    pub crosses_boundary: Option<bool>,
    pub data: Vec<DataFlow>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct DataFlow {
    /// `inbound`, `outbound`, `bi-directional` or `unknown`.
    pub flow: String,
    /// As the vendor calls it, such as `PII`.
    pub classification: String,
}

/// A word of the vendor about a vulnerability.
#[derive(Clone, PartialEq, Debug)]
pub struct Statement {
    pub id: String,
    pub cvss_tenths: Option<u8>,
    pub published: Option<Timestamp>,
    /// None where the bill lists it and says no more: then it is taken for affected.
    pub word: Option<Exploitability>,
    pub justification: Option<String>,
    /// References of the parts it is in.
    pub affects: Vec<String>,
}

/// A product of the catalogue that a component may be: whether its version is affected, the vendor has to say.
#[derive(Clone, PartialEq, Debug)]
pub struct Lead {
    pub id: String,
    pub component: String,
    pub title: String,
}

/// Vulnerabilities that are reported of one bill; what is exploited and what is worst goes first.
pub const VULNERABILITIES_MAX: usize = 5_000;

/// What is known to be weak in `sbom`: each vulnerability once, by its CVE id where it has one. Those of which the
/// vendor says that they don't affect it are among them; its word is in [`Sbom::statements`].
#[must_use]
pub fn match_known(sbom: &Sbom, kev: &Kev, osv: &[Osv]) -> Vec<Vulnerability> {
    let mut found: BTreeMap<String, Vulnerability> = BTreeMap::new();
    let by_package = by_package(osv);
    for component in &sbom.components {
        let Some(package) = component.purl.as_deref().and_then(package_of) else { continue };
        let version = component.version.clone().or(package.version);
        for (record, affected) in by_package.get(&package.key).into_iter().flatten() {
            if affected.holds(version.as_deref()) {
                enter(&mut found, of_record(record, component));
            }
        }
    }
    let records: HashMap<&str, &Osv> = osv
        .iter()
        .flat_map(|record| record.aliases.iter().chain([&record.id]).map(move |id| (id.as_str(), record)))
        .collect();
    for statement in &sbom.statements {
        enter(&mut found, of_statement(statement, sbom, records.get(statement.id.as_str()).copied()));
    }
    for vulnerability in found.values_mut() {
        if let Some(entry) = kev.entries.get(&vulnerability.id) {
            vulnerability.known_exploited = true;
            vulnerability.kev_listed = Some(entry.listed);
            vulnerability.title.get_or_insert_with(|| entry.title.clone());
        }
    }
    let mut found: Vec<Vulnerability> = found.into_values().collect();
    found.sort_by_key(|one| std::cmp::Reverse((one.known_exploited, one.cvss_tenths)));
    found.truncate(VULNERABILITIES_MAX);
    found
}

/// Exploited products whose vendor and name are those of a component's CPE, and of which the bill says nothing.
#[must_use]
pub fn leads(sbom: &Sbom, kev: &Kev) -> Vec<Lead> {
    let mut products: HashMap<(String, String), Vec<(&String, &str)>> = HashMap::new();
    for (id, entry) in &kev.entries {
        let key = (plain(&entry.vendor), plain(&entry.product));
        products.entry(key).or_default().push((id, &entry.title));
    }
    let mut leads = Vec::new();
    for component in &sbom.components {
        let Some(key) = component.cpe.as_deref().and_then(product_of) else { continue };
        for (id, title) in products.get(&key).into_iter().flatten() {
            if !sbom.statements.iter().any(|statement| statement.id == **id)
                && leads.len() < VULNERABILITIES_MAX
            {
                leads.push(Lead {
                    id: (*id).clone(),
                    component: label(component),
                    title: (*title).to_owned(),
                });
            }
        }
    }
    leads
}

type ByPackage<'a> = HashMap<String, Vec<(&'a Osv, &'a Affected)>>;

fn by_package(osv: &[Osv]) -> ByPackage<'_> {
    let mut by_package = ByPackage::new();
    for record in osv {
        for affected in &record.affected {
            let key = match affected.purl.as_deref().and_then(package_of) {
                Some(package) => Some(package.key),
                None => purl_type(&affected.ecosystem)
                    .map(|kind| package_key(kind, &affected.name.replace(':', "/"))),
            };
            if let Some(key) = key {
                by_package.entry(key).or_default().push((record, affected));
            }
        }
    }
    by_package
}

struct Package {
    key: String,
    version: Option<String>,
}

/// The type, namespace and name of a package URL, and its version.
fn package_of(purl: &str) -> Option<Package> {
    let rest = purl.strip_prefix("pkg:")?.trim_start_matches('/');
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    // A scope such as `@angular` may be written with its sign.
    let (path, version) = match rest.rsplit_once('@') {
        Some((path, version)) if !path.is_empty() && !path.ends_with('/') => {
            (path, Some(percent_decoded(version)))
        }
        _ => (rest, None),
    };
    let (kind, name) = path.split_once('/')?;
    Some(Package { key: package_key(kind, &percent_decoded(name)), version })
}

fn package_key(kind: &str, name: &str) -> String {
    let (kind, mut name) = (kind.to_ascii_lowercase(), name.trim_matches('/').to_lowercase());
    if kind == "pypi" {
        name = name.replace(['_', '.'], "-");
    }
    format!("{kind}/{name}")
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        if let ([high, low, behind @ ..], b'%') = (after, byte)
            && let (Some(high), Some(low)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
        {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
            rest = behind;
        } else {
            bytes.push(*byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The type of package URL for an ecosystem of OSV; `Debian:12` is `Debian`.
fn purl_type(ecosystem: &str) -> Option<&'static str> {
    Some(match ecosystem.split(':').next().unwrap_or_default() {
        "npm" => "npm",
        "PyPI" => "pypi",
        "crates.io" => "cargo",
        "Maven" => "maven",
        "Go" => "golang",
        "NuGet" => "nuget",
        "RubyGems" => "gem",
        "Packagist" => "composer",
        "Pub" => "pub",
        "Hex" => "hex",
        _ => return None,
    })
}

/// Vendor and product of a CPE 2.2 or 2.3.
fn product_of(cpe: &str) -> Option<(String, String)> {
    let rest = cpe.strip_prefix("cpe:2.3:").or_else(|| cpe.strip_prefix("cpe:/"))?;
    let mut parts = rest.split(':');
    let (_, vendor, product) = (parts.next()?, parts.next()?, parts.next()?);
    let spaced = |part: &str| plain(&part.replace(['_', '\\'], " "));
    (vendor != "*" && product != "*").then(|| (spaced(vendor), spaced(product)))
}

fn of_record(record: &Osv, component: &Component) -> Vulnerability {
    let cve = record.aliases.iter().find(|alias| crate::sources::kev::is_cve(alias));
    Vulnerability {
        id: cve.unwrap_or(&record.id).clone(),
        title: record.title.clone(),
        cvss_tenths: record.cvss_tenths,
        known_exploited: false,
        vendor_aware: None,
        published: record.published,
        kev_listed: None,
        component: Some(label(component)),
    }
}

fn of_statement(statement: &Statement, sbom: &Sbom, record: Option<&Osv>) -> Vulnerability {
    let component = sbom.components.iter().find(|component| {
        component.reference.as_ref().is_some_and(|reference| statement.affects.contains(reference))
    });
    let known = record.map(|record| (record.published, record.cvss_tenths, record.title.clone()));
    let (published, cvss, title) = known.unwrap_or_default();
    Vulnerability {
        id: statement.id.clone(),
        title,
        cvss_tenths: statement.cvss_tenths.max(cvss),
        known_exploited: false,
        // Whoever lists it in a bill knows of it.
        vendor_aware: sbom.made,
        published: statement.published.into_iter().chain(published).min(),
        kev_listed: None,
        component: component.map(label).or_else(|| statement.affects.first().cloned()),
    }
}

/// The worst of what two sources say, and the earliest.
fn enter(found: &mut BTreeMap<String, Vulnerability>, new: Vulnerability) {
    let Some(known) = found.get_mut(&new.id) else {
        found.insert(new.id.clone(), new);
        return;
    };
    known.cvss_tenths = known.cvss_tenths.max(new.cvss_tenths);
    known.published = known.published.into_iter().chain(new.published).min();
    known.vendor_aware = known.vendor_aware.into_iter().chain(new.vendor_aware).min();
    known.title = known.title.take().or(new.title);
    known.component = known.component.take().or(new.component);
}

fn label(component: &Component) -> String {
    if let Some(purl) = &component.purl {
        return purl.clone();
    }
    let version = component.version.as_ref().map_or_else(String::new, |version| format!(" {version}"));
    format!("{}{version}", component.name)
}
