//! Resources as manifests, and anything as YAML.

use portcullis_domain::personal::reveal;
use portcullis_domain::spec::Declaration;
use serde::Serialize;
use serde_json::json;

use crate::resource::ResourceView;

#[derive(Debug, thiserror::Error)]
#[error("can't be written as YAML")]
pub struct RenderError(#[source] serde_saphyr::SerializeError);

/// Anything that the API answers, as one YAML document.
///
/// # Errors
/// When `value` can't be serialized.
pub fn yaml(value: &impl Serialize) -> Result<String, RenderError> {
    serde_saphyr::to_string(value).map_err(RenderError)
}

/// A declaration as its manifest, texts about people included.
///
/// # Errors
/// When it can't be serialized.
pub fn declaration(declaration: &Declaration) -> Result<String, RenderError> {
    let value = serde_json::to_value(declaration).map(reveal).unwrap_or_default();
    let member = |name: &str| value.get(name).cloned().unwrap_or_default();
    let mut whole = json!({ "kind": member("kind"), "name": member("name") });
    if let Some(members) = whole.as_object_mut() {
        if value.get("labels").is_some() {
            members.insert("labels".to_owned(), member("labels"));
        }
        members.insert("spec".to_owned(), member("spec"));
    }
    yaml(&whole)
}

/// A resource as the manifest that declares it: what it prints can be applied as it is. What is
/// known beyond the manifest stands in comments.
///
/// # Errors
/// When the spec can't be serialized.
pub fn manifest(view: &ResourceView) -> Result<String, RenderError> {
    let mut whole = json!({ "kind": view.kind, "name": view.name });
    if let Some(members) = whole.as_object_mut() {
        if !view.labels.is_empty() {
            members.insert("labels".to_owned(), json!(view.labels));
        }
        members.insert("spec".to_owned(), view.spec.clone());
    }
    let severed = if view.status.severed { ", severed" } else { "" };
    Ok(format!("# id {}, version {}{severed}\n{}", view.id, view.version, yaml(&whole)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::parse;
    use crate::resource::StatusView;
    use portcullis_domain::ids::SubjectId;
    use portcullis_domain::spec::Spec;
    use portcullis_domain::state::Resource;
    use uuid::Uuid;

    fn view(text: &str) -> (ResourceView, Declaration) {
        let mut declaration = parse("f", text).unwrap().remove(0).declaration;
        let plain = declaration.clone();
        for personal in declaration.spec.personal_mut() {
            *personal = personal.clone().held_by(SubjectId(Uuid::from_u128(7)));
        }
        let resource = Resource { id: Uuid::from_u128(1), declaration, keys: Vec::new(), version: 12 };
        (ResourceView::new(&plain.name, &resource, StatusView::default()), plain)
    }

    #[test]
    fn what_is_printed_can_be_applied_again() {
        let vendor = "kind: Vendor\nname: acme\nlabels: {tier: '1'}\nspec:\n  legal_name: 'No: 1 # Ltd'\n  registry_number: '0815'\n  contacts: [{name: Jo, phone: '+49 30 1'}]\n";
        let (shown, plain) = view(vendor);
        let text = manifest(&shown).unwrap();
        assert_eq!(
            text,
            "# id 00000000-0000-0000-0000-000000000001, version 12\nkind: Vendor\nname: acme\nlabels:\n  tier: \"1\"\nspec:\n  legal_name: \"No: 1 # Ltd\"\n  registry_number: \"0815\"\n  contacts:\n  - name: Jo\n    phone: +49 30 1\n"
        );
        assert_eq!(parse("again", &text).unwrap()[0].declaration, plain);
        assert_eq!(shown.personal.len(), 2);
        assert_eq!(shown.personal[1].pointer, "/spec/contacts/0/phone");
        assert_eq!(shown.personal[1].subject, SubjectId(Uuid::from_u128(7)));
    }

    #[test]
    fn a_certificate_keeps_its_lines() {
        let pem = "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA==\n-----END CERTIFICATE-----\n";
        let whole =
            json!({ "kind": "Client", "name": "c", "spec": { "integration": "i", "certificates": [pem] } });
        let (shown, plain) = view(&whole.to_string());
        let again = parse("again", &manifest(&shown).unwrap()).unwrap().remove(0).declaration;
        assert_eq!(again, plain);
        let Spec::Client(spec) = again.spec else { panic!("not a client") };
        assert_eq!(spec.certificates, [pem]);
    }
}
