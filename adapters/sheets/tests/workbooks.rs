//! Workbooks as programs write them, and as nobody should.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use portcullis_assurance::sheet::{Sheet, Value};
use portcullis_sheets::{SheetError, read};

const RELATIONS: &str = r#"<Relationships xmlns="r"><Relationship Id="rId1" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Target="/xl/worksheets/sheet2.xml"/></Relationships>"#;
const BOOK: &str = r#"<workbook xmlns:r="r"><workbookPr/><sheets><sheet name="Cover" sheetId="1" r:id="rId1"/><sheet name="Vendors &amp; co" sheetId="2" r:id="rId2"/></sheets></workbook>"#;
const STYLES: &str = r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="dd/mm/yyyy"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs></styleSheet>"#;

/// An archive of these parts, each with what its directory is to say of its size.
fn zip(parts: &[(&str, &str)], declared: impl Fn(&str, u32) -> u32) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in parts {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        let packed = encoder.finish().unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(text.as_bytes());
        let offset = u32::try_from(bytes.len()).unwrap();
        let mut head = Vec::new();
        head.extend_from_slice(&[20, 0, 0, 0, 8, 0, 0, 0, 0, 0]);
        head.extend_from_slice(&crc.sum().to_le_bytes());
        head.extend_from_slice(&u32::try_from(packed.len()).unwrap().to_le_bytes());
        head.extend_from_slice(&declared(name, u32::try_from(text.len()).unwrap()).to_le_bytes());
        head.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
        head.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(b"PK\x03\x04");
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&packed);
        directory.extend_from_slice(b"PK\x01\x02\x14\0");
        directory.extend_from_slice(&head);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let (count, at) = (u16::try_from(parts.len()).unwrap(), u32::try_from(bytes.len()).unwrap());
    let length = u32::try_from(directory.len()).unwrap();
    bytes.extend_from_slice(&directory);
    bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&at.to_le_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes
}

fn workbook(shared: &str, sheet: &str) -> Vec<u8> {
    zip(&parts(shared, sheet), |_, size| size)
}

fn parts<'a>(shared: &'a str, sheet: &'a str) -> [(&'static str, &'a str); 6] {
    [
        ("xl/workbook.xml", BOOK),
        ("xl/_rels/workbook.xml.rels", RELATIONS),
        ("xl/styles.xml", STYLES),
        ("xl/sharedStrings.xml", shared),
        ("xl/worksheets/sheet1.xml", "<worksheet><sheetData/></worksheet>"),
        ("xl/worksheets/sheet2.xml", sheet),
    ]
}

fn shown(sheet: &Sheet) -> Vec<(u32, Vec<String>)> {
    sheet.rows.iter().map(|row| (row.number, row.values.iter().map(Value::shown).collect())).collect()
}

#[test]
fn cells_are_what_was_stored() {
    let shared = "<sst><si><t>Acme</t></si><si><r><t>Two </t></r><r><t>parts &amp; &#x41;</t></r><rPh><t>hint</t></rPh></si></sst>";
    let sheet = r#"<worksheet><sheetData>
        <row r="2"><c r="A2" t="s"><v>0</v></c><c r="C2" s="1"><v>46347</v></c><c r="D2"><v>46347</v></c></row>
        <row r="5"><c r="A5" t="s"><v>1</v></c><c r="B5" t="b"><v>1</v></c><c r="C5" t="e"><v>#N/A</v></c><c r="D5"><f>1+1</f></c><c r="E5" t="str"><f>A1</f><v>=cmd()</v></c></row>
        <row r="6"><c t="inlineStr"><is><t>inline</t></is></c><c><v>7</v></c></row>
        <row r="1048576" hidden="1"><c r="A1048576"><v>1</v></c></row>
        </sheetData><mergeCells><mergeCell ref="B5:B6"/></mergeCells></worksheet>"#;
    let sheet = read(&workbook(shared, sheet), None).unwrap();
    assert_eq!(sheet.name, "Vendors & co");
    assert_eq!(
        shown(&sheet),
        [
            (2, ["Acme", "", "2026-11-21", "46347"].map(str::to_owned).to_vec()),
            (
                5,
                ["Two parts & A", "yes", "#N/A", "a formula without a stored value", "=cmd()"]
                    .map(str::to_owned)
                    .to_vec()
            ),
            (6, ["inline", "7"].map(str::to_owned).to_vec()),
            (1_048_576, vec!["1".to_owned()]),
        ]
    );
    assert!(sheet.notes.iter().any(|note| note.contains("1 rows are hidden")), "{:?}", sheet.notes);
    let error = read(&workbook(shared, "<worksheet/>"), Some("Other")).unwrap_err();
    assert!(matches!(&error, SheetError::NoSheet { there, .. } if there.contains("`Cover`")), "{error}");
    assert_eq!(read(&workbook(shared, "<worksheet/>"), None), Err(SheetError::Empty));
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let long = format!("<worksheet>{}</worksheet>", " ".repeat(30 << 20));
    // Honest about its size: refused by its directory.
    let error = read(&workbook("<sst/>", &long), None).unwrap_err();
    assert!(matches!(&error, SheetError::Bomb(why) if why.contains("times as large")), "{error}");
    // A lie about it: refused while it is unpacked, after what was allowed.
    let lying = zip(&parts("<sst/>", &long), |_, size| size.min(1_000));
    let error = read(&lying, None).unwrap_err();
    assert!(matches!(&error, SheetError::Bomb(why) if why.contains("unpacks to more")), "{error}");
    // One text in very many cells is no more than its cells.
    let shared = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(30_000));
    let cells = r#"<row><c t="s"><v>0</v></c></row>"#.repeat(5_000);
    let error = read(&workbook(&shared, &format!("<worksheet>{cells}</worksheet>")), None).unwrap_err();
    assert!(matches!(error, SheetError::Bomb(_)), "{error}");
    // Empty rows without end are bounded, too.
    let rows = "<row><c><v>1</v></c></row>".repeat(20_001);
    let error = read(&workbook("<sst/>", &format!("<worksheet>{rows}</worksheet>")), None).unwrap_err();
    assert!(matches!(error, SheetError::TooMany { what: "rows", .. }), "{error}");
    let corner = r#"<worksheet><row r="1"><c r="A1"><v>1</v></c><c r="XFD1"><v>1</v></c></row></worksheet>"#;
    let error = read(&workbook("<sst/>", corner), None).unwrap_err();
    assert!(matches!(error, SheetError::TooMany { what: "columns", .. }), "{error}");
}

#[test]
fn entities_of_its_own_are_refused() {
    let laughs =
        r#"<!DOCTYPE sst [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><sst><si><t>&b;</t></si></sst>"#;
    assert!(matches!(read(&workbook(laughs, "<worksheet/>"), None), Err(SheetError::Entities(_))));
    let foreign = "<sst><si><t>&xxe;</t></si></sst>";
    assert!(matches!(read(&workbook(foreign, "<worksheet/>"), None), Err(SheetError::Entities(_))));
}

#[test]
fn what_is_no_workbook_is_named() {
    let check = |bytes: &[u8], expect: &str| {
        let error = read(bytes, None).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 rest", "an old or encrypted Office file");
    check(b"%PDF-1.7", "a PDF");
    check(b"<html><table>", "XML or HTML");
    check(b"PK\x03\x04 nothing more", "is broken");
    check(&zip(&[("content.xml", "<x/>")], |_, size| size), "an OpenDocument file");
    check(&zip(&[("a.txt", "x")], |_, size| size), "an archive");
    check(b"  \n ", "there is nothing");
    let whole = workbook("<sst/>", "<worksheet><row><c><v>1</v></c></row></worksheet>");
    for length in (0..whole.len()).step_by(7) {
        assert!(read(&whole[..length], None).is_err(), "cut off at {length}");
    }
    let twice = zip(&[("xl/workbook.xml", BOOK), ("xl/workbook.xml", BOOK)], |_, size| size);
    check(&twice, "is in it twice");
    let broken = zip(&parts("<sst/>", "<worksheet><row>"), |_, size| size);
    assert!(read(&broken, None).is_err());
}
