//! Which members of somebody's JSON stand for the fields of ours.

use std::collections::BTreeMap;

use serde_json::Value;

/// The fields of a line of our own, as `docs/reference/replay.md` tells them.
pub const FIELDS: [&str; 14] = [
    "time",
    "client",
    "key",
    "address",
    "ja4",
    "user_agent",
    "method",
    "path",
    "endpoint",
    "status",
    "request_bytes",
    "bytes",
    "records",
    "object",
];

/// Where each field is found; under its own name where nothing else is said.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Mapping(BTreeMap<&'static str, Vec<String>>);

/// An entry of a mapping that says nothing.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    #[error("`{0}` maps nothing\nhint: write FIELD=MEMBER, or FIELD=OUTER.INNER")]
    Form(String),
    #[error("there is no field `{0}`\nhint: the fields are {fields}", fields = FIELDS.join(", "))]
    Field(String),
}

impl Mapping {
    /// Adds `FIELD=MEMBER`; dots lead into inner objects.
    ///
    /// # Errors
    /// [`MappingError`].
    pub fn add(&mut self, entry: &str) -> Result<(), MappingError> {
        let form = || MappingError::Form(crate::call::clipped(entry));
        let (name, member) = entry.split_once('=').ok_or_else(form)?;
        if member.is_empty() || member.len() > 256 {
            return Err(form());
        }
        let field = FIELDS.into_iter().find(|field| *field == name);
        let field = field.ok_or_else(|| MappingError::Field(crate::call::clipped(name)))?;
        self.0.insert(field, member.split('.').map(str::to_owned).collect());
        Ok(())
    }

    /// The member, or nothing where it is missing or null.
    pub(crate) fn value<'a>(&self, object: &'a Value, field: &str) -> Option<&'a Value> {
        let found = match self.0.get(field) {
            // A member may have dots in its own name.
            Some(path) => object
                .get(path.join("."))
                .or_else(|| path.iter().try_fold(object, |object, member| object.get(member))),
            None => object.get(field),
        };
        found.filter(|value| !value.is_null())
    }

    /// The innermost name under which a field is looked for.
    pub(crate) fn leaf<'a>(&'a self, field: &'a str) -> &'a str {
        self.0.get(field).and_then(|path| path.last()).map_or(field, String::as_str)
    }
}
