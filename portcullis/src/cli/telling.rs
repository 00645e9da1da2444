//! Who at a vendor is told of what was closed: each with what is left to do, which may be a call.

use portcullis_api::telling::{TellingView, ToldContact, ToldCount, ToldStanding};

use super::output::{Paint, Style};
use super::time;

/// `2 of 3`.
pub(super) fn count(count: ToldCount) -> String {
    format!("{} of {}", count.told, count.of)
}

/// Those who are too many for letters.
fn to_call(count: ToldCount) -> String {
    if count.to_call == 0 { String::new() } else { format!("; call {} more", count.to_call) }
}

/// What is, or with `would` what would be.
pub(super) fn told(text: &mut String, view: &TellingView, would: bool, paint: Paint) {
    let heading = match (&view.why_not, would) {
        (Some(why), true) => format!("nobody at the vendor would be told by mail: {why}"),
        (Some(why), false) => format!("nobody at the vendor is told by mail: {why}"),
        (None, true) => {
            let (mail, call) = (view.count.by_mail(), to_call(view.count));
            format!("told by mail, of the vendor's contacts: {mail}{call}")
        }
        (None, false) => {
            let last = view.count.at.map(|at| format!(", last at {}", time::instant(at)));
            let (last, call) = (last.unwrap_or_default(), to_call(view.count));
            format!("told by mail: {} contacts{last}{call}", count(view.count))
        }
    };
    let style = if view.why_not.is_some() { Style::Warning } else { Style::Plain };
    text.push_str(&format!("\n{}\n", paint.paint(&heading, style)));
    let width = |of: &dyn Fn(&ToldContact) -> usize| view.contacts.iter().map(of).max().unwrap_or(0);
    let names = width(&|contact| contact.name.chars().count());
    let roles = width(&|contact| contact.role.as_ref().map_or(0, |role| role.chars().count()));
    for contact in &view.contacts {
        let role = contact.role.as_deref().unwrap_or_default();
        let line = format!("{:<names$}  {role:<roles$}  {}", contact.name, standing(contact, would));
        text.push_str(&format!("  {}\n", line.trim_end()));
    }
}

fn standing(contact: &ToldContact, would: bool) -> String {
    let at = contact.at.map(|at| format!(" at {}", time::instant(at))).unwrap_or_default();
    let call = match &contact.phone {
        Some(phone) => format!("call {phone}"),
        None => "no telephone number".to_owned(),
    };
    match (contact.standing, &contact.error) {
        (ToldStanding::Mail, Some(error)) => format!("a letter is tried again, {call}: {error}"),
        (ToldStanding::Mail, None) if would => "a letter".to_owned(),
        (ToldStanding::Mail, None) => "a letter is on its way".to_owned(),
        (ToldStanding::Told, _) => format!("told{at}"),
        (ToldStanding::GivenUp, _) => format!("could not be told, given up{at}: {call}"),
        (ToldStanding::NoAddress, _) => format!("no address: {call}"),
        (ToldStanding::OtherRole, _) => "others look after this".to_owned(),
        (ToldStanding::SameAddress, _) => "has the address of another".to_owned(),
        (ToldStanding::Call, _) => call,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(name: &str, role: Option<&str>, standing: ToldStanding) -> ToldContact {
        let phone = (name != "Jo").then(|| "+49 30 1".to_owned());
        let (name, role) = (name.to_owned(), role.map(str::to_owned));
        ToldContact { name, role, phone, standing, at: None, error: None }
    }

    fn shown(view: &TellingView, would: bool) -> String {
        let mut text = String::new();
        told(&mut text, view, would, Paint { on: false });
        text
    }

    #[test]
    fn each_contact_is_told_or_to_be_called() {
        let at = Some("2026-11-22T02:00:00Z".parse().unwrap());
        let view = TellingView {
            count: ToldCount { told: 1, of: 3, to_call: 0, at },
            why_not: None,
            contacts: vec![
                ToldContact { at, ..contact("Pat Roe", Some("security"), ToldStanding::Told) },
                ToldContact {
                    error: Some("no route".into()),
                    ..contact("Al", Some("technical"), ToldStanding::Mail)
                },
                contact("Jo", None, ToldStanding::NoAddress),
                contact("Law", Some("contract"), ToldStanding::OtherRole),
            ],
        };
        insta::assert_snapshot!(shown(&view, false), @r"

        told by mail: 1 of 3 contacts, last at 2026-11-22T02:00:00Z
          Pat Roe  security   told at 2026-11-22T02:00:00Z
          Al       technical  a letter is tried again, call +49 30 1: no route
          Jo                  no address: no telephone number
          Law      contract   others look after this
        ");
        let view = TellingView {
            count: ToldCount { told: 0, of: 1, to_call: 0, at: None },
            why_not: Some("`settings.json` has no `smtp`".into()),
            contacts: vec![contact("Al", None, ToldStanding::Call)],
        };
        insta::assert_snapshot!(shown(&view, true), @r"

        nobody at the vendor would be told by mail: `settings.json` has no `smtp`
          Al    call +49 30 1
        ");
        let view = TellingView {
            count: ToldCount { told: 20, of: 25, to_call: 5, at },
            why_not: None,
            contacts: vec![contact("Al", None, ToldStanding::Call)],
        };
        let heading = |would| shown(&view, would).lines().nth(1).unwrap().to_owned();
        assert_eq!(heading(true), "told by mail, of the vendor's contacts: 20; call 5 more");
        let told = "told by mail: 20 of 25 contacts, last at 2026-11-22T02:00:00Z; call 5 more";
        assert_eq!(heading(false), told);
        assert!(shown(&view, true).ends_with("  Al    call +49 30 1\n"), "{}", shown(&view, true));
    }
}
