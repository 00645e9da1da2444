//! The packet filter's tables, made from the plan: two tables of our own, beside which others may have theirs.
//!
//! [`SEGMENTS`] holds what vendors' machines may reach, and is replaced whole with each plan. [`CLOSED`] holds the
//! networks that nothing may come from or go to; its sets are added to when something is cut, and nothing that
//! stays closed ever leaves them, so no packet passes while the other table is replaced.
//!
//! What is shown is what is loaded: `nft -f` reads this very text.

use std::collections::BTreeMap;
use std::fmt;

use ipnet::IpNet;
use portcullis_ids::ids::VendorId;
use serde::Serialize;

use crate::plan::{NetworkPlan, Owner, Standing};

mod closed;
mod leading;
mod ranges;
mod segments;

/// What vendors' networks may reach.
pub const SEGMENTS: &str = "portcullis";
/// Networks that are closed.
pub const CLOSED: &str = "portcullis_closed";
/// Ends of names of counters: the vendor's id follows.
const COUNTER_PREFIX: &str = "outside-";
/// Counts packets from addresses that several vendors have.
pub const COUNTER_SHARED: &str = "outside-shared";
/// Bytes of a comment at the most, as the kernel keeps them, with the closing zero.
const COMMENT_BYTES_MAX: usize = 128;

/// One table of the family `inet`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Table {
    pub name: &'static str,
    pub comment: String,
    pub counters: Vec<Counter>,
    pub sets: Vec<Set>,
    pub chains: Vec<Chain>,
}

/// Packets of a vendor that were dropped.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Counter {
    pub name: String,
    pub comment: String,
    pub count: Count,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Count {
    pub packets: u64,
    pub bytes: u64,
}

/// A set, or a map to counters where its elements name one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Set {
    pub name: &'static str,
    /// As nft names it: `ipv4_addr . inet_service`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub interval: bool,
    /// Each element counts what matched it.
    pub counted: bool,
    /// A map from elements to named counters.
    pub map: bool,
    pub elements: Vec<Element>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Element {
    pub key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Chain {
    pub name: &'static str,
    /// Hook and priority; none where others go to it.
    pub hook: Option<(&'static str, i32)>,
    pub rules: Vec<Rule>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Rule {
    pub text: &'static str,
    pub comment: &'static str,
}

/// A network that is closed, and whose it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClosedNetwork {
    pub network: IpNet,
    /// With the vendor's id as the last word, so that what it counts can be told: see [`vendor_of_comment`].
    pub comment: String,
}

/// What the plan lets vendors' networks reach. Counters begin with `counts`, by name: replacing the table would
/// set them to zero.
#[must_use]
pub fn segments(plan: &NetworkPlan, counts: &BTreeMap<String, Count>) -> Table {
    segments::table(plan, counts)
}

/// The table of what is closed.
#[must_use]
pub fn closed(networks: &[ClosedNetwork]) -> Table {
    closed::table(networks)
}

/// What is closed in the plan, each once, and none within another.
#[must_use]
pub fn closed_networks(plan: &NetworkPlan) -> Vec<ClosedNetwork> {
    closed::networks(plan)
}

/// Says in the table why a network is closed, and whose it is.
#[must_use]
pub fn closed_comment(owner: &Owner, standing: Standing) -> String {
    closed::comment(owner, standing)
}

/// Everything that the plan makes of the packet filter.
#[must_use]
pub fn tables(plan: &NetworkPlan) -> Vec<Table> {
    let closed = closed(&closed_networks(plan));
    let segments = plan.segmented.then(|| segments(plan, &BTreeMap::new()));
    std::iter::once(closed).chain(segments).collect()
}

/// The vendor whose packets a counter counts.
#[must_use]
pub fn vendor_of_counter(name: &str) -> Option<VendorId> {
    name.strip_prefix(COUNTER_PREFIX)?.parse().ok().map(VendorId)
}

/// The vendor that a closed network's comment names.
#[must_use]
pub fn vendor_of_comment(comment: &str) -> Option<VendorId> {
    comment.rsplit(' ').next()?.parse().ok().map(VendorId)
}

/// The key of an element in one form, however nft writes it: a prefix, a range or an address.
#[must_use]
pub fn normal_key(key: &str) -> String {
    ranges::normal(key)
}

impl Table {
    /// The script that puts the table in the place of the one before, in one transaction.
    #[must_use]
    pub fn replacing(&self) -> String {
        format!("{}{self}", removing(self.name))
    }

    #[must_use]
    pub fn set(&self, name: &str) -> Option<&Set> {
        self.sets.iter().find(|set| set.name == name)
    }
}

/// The script that removes a table of ours, and says nothing where there is none.
#[must_use]
pub fn removing(table: &str) -> String {
    format!("table inet {table}\ndelete table inet {table}\n")
}

impl Rule {
    /// What becomes of a packet that matches: `accept`, `drop`, `goto CHAIN`; none where the next rule looks at it.
    #[must_use]
    pub fn verdict(&self) -> Option<&str> {
        let start =
            self.text.rfind("goto ").or_else(|| self.text.rfind(' ').map(|space| space.saturating_add(1)));
        let last = self.text.get(start.unwrap_or(0)..)?;
        (last == "accept" || last == "drop" || last.starts_with("goto ")).then_some(last)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table inet {} {{", self.name)?;
        writeln!(f, "\tcomment \"{}\"", quotable(&self.comment))?;
        for counter in &self.counters {
            writeln!(f, "\n\tcounter {} {{", counter.name)?;
            writeln!(f, "\t\tcomment \"{}\"", quotable(&counter.comment))?;
            writeln!(f, "\t\tpackets {} bytes {}\n\t}}", counter.count.packets, counter.count.bytes)?;
        }
        for set in &self.sets {
            write!(f, "\n{set}")?;
        }
        for chain in &self.chains {
            write!(f, "\n{chain}")?;
        }
        writeln!(f, "}}")
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\t{} {} {{", if self.map { "map" } else { "set" }, self.name)?;
        writeln!(f, "\t\ttype {}{}", self.kind, if self.map { " : counter" } else { "" })?;
        if self.interval {
            writeln!(f, "\t\tflags interval")?;
        }
        if self.counted {
            writeln!(f, "\t\tcounter")?;
        }
        if !self.elements.is_empty() {
            writeln!(f, "\t\telements = {{")?;
            for element in &self.elements {
                write!(f, "\t\t\t{}", element.key)?;
                if let Some(comment) = &element.comment {
                    write!(f, " comment \"{}\"", quotable(comment))?;
                }
                if let Some(counter) = &element.counter {
                    write!(f, " : \"{counter}\"")?;
                }
                writeln!(f, ",")?;
            }
            writeln!(f, "\t\t}}")?;
        }
        writeln!(f, "\t}}")
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\tchain {} {{", self.name)?;
        if let Some((hook, priority)) = self.hook {
            writeln!(f, "\t\ttype filter hook {hook} priority {priority}; policy accept;")?;
        }
        for rule in &self.rules {
            writeln!(f, "\t\t{} comment \"{}\"", rule.text, rule.comment)?;
        }
        writeln!(f, "\t}}")
    }
}

/// A comment as it can stand between quotes: names are checked where they are declared, and once more here, since
/// what is written is read by a parser with the right to change the packet filter.
#[must_use]
pub fn quotable(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || " -_./:,#@".contains(*c);
    text.chars().filter(plain).take(COMMENT_BYTES_MAX - 1).collect()
}

/// A set of IPv4 addresses and one of IPv6 addresses, as `kinds` names their types.
type Pair = [Vec<Element>; 2];

fn split(elements: impl IntoIterator<Item = (bool, Element)>) -> Pair {
    let mut pair = Pair::default();
    let [four, six] = &mut pair;
    for (is_four, element) in elements {
        if is_four { four.push(element) } else { six.push(element) }
    }
    pair
}

fn plain(key: String) -> Element {
    Element { key, counter: None, comment: None }
}

#[cfg(test)]
mod tests;
