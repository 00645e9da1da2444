//! Markup of a workbook's part, read from end to end. A document type is refused: whoever declares entities in a spreadsheet
//! wants them expanded.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::SheetError;

/// One step of a walk through a part.
pub enum Step<'a> {
    Open(&'a str, &'a Attributes<'a>),
    Close(&'a str),
    Text(&'a str),
}

pub struct Attributes<'a>(&'a BytesStart<'a>);

impl Attributes<'_> {
    /// An attribute by its name without prefix; none where it isn't there or is broken.
    pub fn get(&self, name: &str) -> Option<String> {
        let found = self
            .0
            .attributes()
            .with_checks(false)
            .flatten()
            .find(|attribute| attribute.key.as_ref().rsplit(':').next() == Some(name))?;
        found.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok().map(Cow::into_owned)
    }
}

pub fn walk(
    part: &str,
    text: &str,
    mut step: impl FnMut(Step<'_>) -> Result<(), SheetError>,
) -> Result<(), SheetError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    loop {
        let event = reader.read_event();
        match event.map_err(|_| SheetError::Broken(format!("`{part}` can't be read")))? {
            Event::Start(start) => {
                let name = start.local_name();
                step(Step::Open(name.as_ref(), &Attributes(&start)))?;
            }
            Event::Empty(start) => {
                let name = start.local_name();
                step(Step::Open(name.as_ref(), &Attributes(&start)))?;
                step(Step::Close(name.as_ref()))?;
            }
            Event::End(end) => step(Step::Close(end.local_name().as_ref()))?,
            Event::Text(text) => step(Step::Text(&text.xml10_content()))?,
            Event::CData(text) => step(Step::Text(&text.xml10_content()))?,
            Event::GeneralRef(entity) => match entity.resolve_char_ref() {
                Ok(Some(letter)) => step(Step::Text(letter.encode_utf8(&mut [0; 4])))?,
                Ok(None) => step(Step::Text(predefined(part, entity.as_ref())?))?,
                Err(_) => {
                    return Err(SheetError::Broken(format!("`{part}` names a letter that there isn't")));
                }
            },
            Event::DocType(_) => return Err(SheetError::Entities(part.to_owned())),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => return Ok(()),
        }
    }
}

fn predefined(part: &str, name: &str) -> Result<&'static str, SheetError> {
    Ok(match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return Err(SheetError::Entities(part.to_owned())),
    })
}
