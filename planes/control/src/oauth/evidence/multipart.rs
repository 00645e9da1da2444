//! `multipart/form-data` (RFC 7578), as browsers send it: small, and read in one way only.

use super::super::answer::Failure;

const FIELDS_MAX: usize = 8;
/// RFC 2046, section 5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;

pub(super) struct Field {
    pub name: String,
    /// Empty where there is none.
    pub file_name: String,
    pub bytes: Vec<u8>,
}

pub(super) fn parse(media: &str, body: &[u8]) -> Result<Vec<Field>, Box<Failure>> {
    let refused = |what: &str| Box::new(Failure::invalid_request(format!("the form can't be read: {what}")));
    let boundary = media.split(';').skip(1).find_map(|part| part.trim().strip_prefix("boundary="));
    let boundary = boundary.map(|boundary| boundary.trim_matches('"')).unwrap_or_default();
    if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX {
        return Err(refused("it has no boundary"));
    }
    let first = format!("--{boundary}");
    let delimiter = format!("\r\n--{boundary}");
    let mut rest =
        body.strip_prefix(first.as_bytes()).ok_or_else(|| refused("it doesn't begin with its boundary"))?;
    let mut fields = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        if fields.len() == FIELDS_MAX {
            return Err(refused("it has too many fields"));
        }
        let end = find(part, delimiter.as_bytes()).ok_or_else(|| refused("a field has no end"))?;
        let (field, behind) = part.split_at(end);
        fields.push(field_of(field).ok_or_else(|| refused("a field has no name"))?);
        rest = behind.get(delimiter.len()..).unwrap_or_default();
    }
    if rest.starts_with(b"--") { Ok(fields) } else { Err(refused("it has no end")) }
}

fn field_of(field: &[u8]) -> Option<Field> {
    let end = find(field, b"\r\n\r\n")?;
    let head = std::str::from_utf8(field.get(..end)?).ok()?;
    let bytes = field.get(end + 4..)?.to_vec();
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let name = parameter(disposition, "name")?;
    Some(Field { name, file_name: parameter(disposition, "filename").unwrap_or_default(), bytes })
}

/// A quoted parameter; browsers write `%22` for a quotation mark.
fn parameter(disposition: &str, wanted: &str) -> Option<String> {
    let start = disposition.find(&format!("; {wanted}=\""))? + wanted.len() + 4;
    let rest = disposition.get(start..)?;
    rest.split('"').next().map(str::to_owned)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEDIA: &str = "multipart/form-data; boundary=X";

    fn fields(body: &str) -> Result<Vec<(String, String, String)>, String> {
        let fields = parse(MEDIA, body.as_bytes()).map_err(|failure| failure.description)?;
        Ok(fields
            .into_iter()
            .map(|field| (field.name, field.file_name, String::from_utf8(field.bytes).unwrap()))
            .collect())
    }

    #[test]
    fn what_a_browser_sends_is_read() {
        let body = "--X\r\nContent-Disposition: form-data; name=\"refuse\"\r\n\r\n\r\n--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--\r\n--X--\r\n";
        let expect = [("refuse", "", ""), ("file", "a.pdf", "%PDF\r\n--")];
        let expect = expect.map(|(name, file, text)| (name.to_owned(), file.to_owned(), text.to_owned()));
        assert_eq!(fields(body).unwrap(), expect);
    }

    #[test]
    fn what_is_broken_is_refused() {
        let field = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n";
        for (body, expect) in [
            (String::new(), "begin with its boundary"),
            ("--X\r\n".to_owned(), "no end"),
            (field.to_owned(), "no end"),
            (format!("{field}--X"), "it has no end"),
            ("--X\r\nfoo: bar\r\n\r\nb\r\n--X--".to_owned(), "no name"),
            (format!("{}--X--", field.repeat(9)), "too many fields"),
        ] {
            let error = fields(&body).unwrap_err();
            assert!(error.contains(expect), "{body:?}: {error}");
        }
        assert!(parse("multipart/form-data", b"").is_err());
    }
}
