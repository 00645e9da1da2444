//! Legal forms: what a name says of how a firm is made up, apart from what it is called.
//!
//! The table is ours, from general knowledge of company law. Forms of one row are one form under several spellings.
//! Two rows are never the same form, but for the plain English renderings (`limited liability company`, `joint stock
//! company` …), by which forms of any country are translated: they equal every form of their kind.

use std::collections::HashMap;
use std::sync::LazyLock;

use strsim::osa_distance;

use super::fold::Word;

/// What a form is, whatever its country calls it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Shares that may be traded.
    Stock,
    /// Liability limited to shares that aren't.
    Limited,
    Partnership,
    Cooperative,
    /// Foundations, associations and others that make no profit.
    NonProfit,
    /// Owned by a state.
    State,
    /// Only that it is a firm: `company`, `corporation`.
    Any,
}

#[derive(PartialEq, Eq, Debug)]
pub struct LegalForm {
    /// As people write it.
    pub name: &'static str,
    pub kind: Kind,
    /// An English rendering of any country's form of this kind.
    rendering: bool,
    spellings: &'static [&'static str],
}

impl LegalForm {
    /// Both may be words for the form of one firm.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        self == other || (self.kind == other.kind && (self.rendering || other.rendering))
    }
}

/// The words without their legal forms, and the forms. A name of nothing but forms keeps its words.
#[must_use]
pub fn split(words: &[Word]) -> (Vec<Word>, Vec<&'static LegalForm>) {
    let mut forms: Vec<&'static LegalForm> = Vec::new();
    let mut kept: Vec<Word> = Vec::with_capacity(words.len());
    let mut rest = words;
    while let [first, after @ ..] = rest {
        let Some((form, length)) = longest(rest) else {
            kept.push(first.clone());
            rest = after;
            continue;
        };
        let (taken, behind) = rest.split_at(length);
        // Two letters may mean anything in the middle of a name.
        let letters: usize = taken.iter().map(|word| word.text.len()).sum();
        if kept.is_empty() && form.kind == Kind::Any || letters < 3 && !kept.is_empty() && !only_forms(behind)
        {
            kept.extend_from_slice(taken);
        } else {
            forms.push(form);
        }
        rest = behind;
    }
    if kept.is_empty() {
        return (words.to_vec(), Vec::new());
    }
    if forms.iter().any(|form| form.kind != Kind::Any) {
        forms.retain(|form| form.kind != Kind::Any);
    }
    (kept, forms)
}

/// The word is a form, or part of one, wherever it stands.
#[must_use]
pub fn is_form(word: &str) -> bool {
    SPELLINGS.contains_key(word)
}

fn only_forms(mut words: &[Word]) -> bool {
    while !words.is_empty() {
        let Some((_, length)) = longest(words) else { return false };
        words = words.get(length..).unwrap_or_default();
    }
    true
}

const PHRASE_WORDS_MAX: usize = 7;

/// The longest form that `words` begin with, and how many of them it takes.
fn longest(words: &[Word]) -> Option<(&'static LegalForm, usize)> {
    (1..=words.len().min(PHRASE_WORDS_MAX)).rev().find_map(|length| {
        let phrase = words.get(..length)?.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        SPELLINGS.get(phrase.as_str()).copied().or_else(|| misspelt(&phrase)).map(|form| (form, length))
    })
}

/// Long forms are known with one letter wrong: `Aktiengeselschaft`.
fn misspelt(phrase: &str) -> Option<&'static LegalForm> {
    const LETTERS_MIN: usize = 10;
    if phrase.len() < LETTERS_MIN {
        return None;
    }
    LONG.iter()
        .find(|(long, _)| {
            long.len().abs_diff(phrase.len()) <= 1
                && long.get(..1) == phrase.get(..1)
                && long.matches(' ').count() == phrase.matches(' ').count()
                && osa_distance(long, phrase) <= 1
        })
        .map(|(_, form)| *form)
}

static SPELLINGS: LazyLock<HashMap<&'static str, &'static LegalForm>> = LazyLock::new(|| {
    FORMS.iter().flat_map(|form| form.spellings.iter().map(move |spelling| (*spelling, form))).collect()
});

static LONG: LazyLock<Vec<(&'static str, &'static LegalForm)>> = LazyLock::new(|| {
    FORMS
        .iter()
        .flat_map(|form| form.spellings.iter().map(move |spelling| (*spelling, form)))
        .filter(|(spelling, _)| spelling.len() >= 10)
        .collect()
});

const fn form(name: &'static str, kind: Kind, spellings: &'static [&'static str]) -> LegalForm {
    LegalForm { name, kind, rendering: false, spellings }
}

const fn rendering(name: &'static str, kind: Kind, spellings: &'static [&'static str]) -> LegalForm {
    LegalForm { name, kind, rendering: true, spellings }
}

/// Spellings are folded: lower case, no marks, letters between stops together.
static FORMS: &[LegalForm] = &[
    // Plain English, of many countries.
    rendering(
        "company",
        Kind::Any,
        &["company", "co", "corporation", "corp", "firm", "cie", "cia", "companhia", "compania", "compagnie"],
    ),
    form("Inc", Kind::Stock, &["inc", "incorporated", "incorporation"]),
    rendering(
        "joint stock company",
        Kind::Stock,
        &[
            "jsc",
            "joint stock company",
            "joint stock co",
            "jsco",
            "stock corporation",
            "shareholding company",
            "company limited by shares",
        ],
    ),
    rendering(
        "LLC",
        Kind::Limited,
        &[
            "llc",
            "limited liability company",
            "limited liability co",
            "with limited liability",
            "fz llc",
            "fzllc",
        ],
    ),
    form(
        "Ltd",
        Kind::Limited,
        &[
            "ltd",
            "limited",
            "ltda",
            "limitada",
            "lda",
            "co ltd",
            "company limited",
            "company ltd",
            "co limited",
            "corporation limited",
            "corporation ltd",
            "corp ltd",
            "private limited",
            "private ltd",
            "pvt ltd",
            "pvt limited",
            "pvt",
            "p ltd",
            "pte ltd",
            "pte limited",
            "pte",
            "pty ltd",
            "pty limited",
            "pty",
            "proprietary limited",
            "sdn bhd",
            "sendirian berhad",
            "teoranta",
            "cyfyngedig",
            "co pvt ltd",
            "co pte ltd",
            "private limited company",
            "limited company",
            "unlimited liability company",
        ],
    ),
    form(
        "plc",
        Kind::Stock,
        &[
            "plc",
            "public limited company",
            "public ltd company",
            "public limited co",
            "pcl",
            "public company limited",
            "ccc",
            "bhd",
            "berhad",
        ],
    ),
    form("LP", Kind::Partnership, &["lp", "limited partnership", "l p"]),
    form("LLP", Kind::Partnership, &["llp", "limited liability partnership", "lllp"]),
    form(
        "PC",
        Kind::Limited,
        &["pllc", "professional limited liability company", "pc", "professional corporation"],
    ),
    form("FZE", Kind::Limited, &["fze", "fzco", "fzc", "free zone establishment", "free zone company"]),
    form("establishment", Kind::Limited, &["est", "establishment", "anstalt"]),
    rendering("cooperative", Kind::Cooperative, &["coop", "co op", "cooperative", "cooperative society"]),
    rendering(
        "non-profit",
        Kind::NonProfit,
        &[
            "nonprofit",
            "non profit organization",
            "non profit organisation",
            "ngo",
            "cic",
            "community interest company",
        ],
    ),
    rendering(
        "state enterprise",
        Kind::State,
        &["state enterprise", "state owned enterprise", "soe", "state corporation"],
    ),
    // German.
    form(
        "GmbH",
        Kind::Limited,
        &[
            "gmbh",
            "gesellschaft mit beschrankter haftung",
            "ges mbh",
            "gesmbh",
            "gesellschaft mbh",
            "mbh",
            "ggmbh",
            "gemeinnutzige gmbh",
        ],
    ),
    form(
        "UG",
        Kind::Limited,
        &[
            "ug",
            "ug haftungsbeschrankt",
            "unternehmergesellschaft",
            "unternehmergesellschaft haftungsbeschrankt",
            "haftungsbeschrankt",
        ],
    ),
    form("AG", Kind::Stock, &["ag", "aktiengesellschaft", "akt ges"]),
    form(
        "GmbH & Co. KG",
        Kind::Partnership,
        &[
            "gmbh and co kg",
            "gmbh co kg",
            "gmbh and co",
            "gmbh and co kommanditgesellschaft",
            "gmbh und co kg",
        ],
    ),
    form(
        "AG & Co. KG",
        Kind::Partnership,
        &["ag and co kg", "se and co kg", "ag and co", "ug and co kg", "ug haftungsbeschrankt and co kg"],
    ),
    form(
        "KGaA",
        Kind::Stock,
        &["kgaa", "kommanditgesellschaft auf aktien", "ag and co kgaa", "se and co kgaa", "gmbh and co kgaa"],
    ),
    form("KG", Kind::Partnership, &["kg", "kommanditgesellschaft", "and co kg"]),
    form("OHG", Kind::Partnership, &["ohg", "offene handelsgesellschaft"]),
    form("GbR", Kind::Partnership, &["gbr", "gesellschaft burgerlichen rechts"]),
    form("eG", Kind::Cooperative, &["eg", "eingetragene genossenschaft", "genossenschaft"]),
    form("e.V.", Kind::NonProfit, &["ev", "eingetragener verein", "verein"]),
    form("e.K.", Kind::Partnership, &["ek", "ekfm", "ekfr", "eingetragener kaufmann"]),
    form("Stiftung", Kind::NonProfit, &["stiftung"]),
    // Europe's own.
    form("SE", Kind::Stock, &["se", "societas europaea"]),
    form("SCE", Kind::Cooperative, &["sce"]),
    form("EEIG", Kind::Partnership, &["eeig", "ewiv", "geie"]),
    // French, and the same letters elsewhere.
    form(
        "SA",
        Kind::Stock,
        &[
            "sa",
            "societe anonyme",
            "sociedad anonima",
            "sociedade anonima",
            "sociedad anonima cerrada",
            "sac",
            "saa",
            "sociedad anonima abierta",
            "sicav",
        ],
    ),
    form("SARL", Kind::Limited, &["sarl", "societe a responsabilite limitee", "eurl", "sarlau"]),
    form(
        "SAS",
        Kind::Stock,
        &["sas", "sasu", "societe par actions simplifiee", "sociedad por acciones simplificada"],
    ),
    form("SNC", Kind::Partnership, &["snc", "societe en nom collectif", "societa in nome collettivo"]),
    form("SCA", Kind::Partnership, &["sca", "societe en commandite par actions"]),
    form("SCS", Kind::Partnership, &["scs", "societe en commandite simple"]),
    form("GIE", Kind::Partnership, &["gie", "groupement dinteret economique"]),
    // Dutch and Belgian.
    form(
        "BV",
        Kind::Limited,
        &["bv", "besloten vennootschap", "besloten vennootschap met beperkte aansprakelijkheid"],
    ),
    form(
        "BVBA",
        Kind::Limited,
        &[
            "bvba",
            "sprl",
            "besloten vennootschap met beperkte aansprakelijkheid bvba",
            "societe privee a responsabilite limitee",
            "srl bv",
        ],
    ),
    form("NV", Kind::Stock, &["nv", "naamloze vennootschap"]),
    form("CV", Kind::Partnership, &["cv", "commanditaire vennootschap", "cvba", "scrl"]),
    form("VOF", Kind::Partnership, &["vof", "vennootschap onder firma"]),
    form("Stichting", Kind::NonProfit, &["stichting"]),
    form("VZW", Kind::NonProfit, &["vzw", "asbl"]),
    // Italian, Spanish, Portuguese, Romanian.
    form("S.p.A.", Kind::Stock, &["spa", "societa per azioni"]),
    form(
        "S.r.l.",
        Kind::Limited,
        &[
            "srl",
            "srls",
            "societa a responsabilita limitata",
            "societatea cu raspundere limitata",
            "societate cu raspundere limitata",
            "sociedad de responsabilidad limitada srl",
        ],
    ),
    form("S.a.s. di", Kind::Partnership, &["sapa", "societa in accomandita semplice"]),
    form("SL", Kind::Limited, &["sl", "slu", "sociedad limitada", "sociedad de responsabilidad limitada"]),
    form(
        "S.A. de C.V.",
        Kind::Stock,
        &["sa de cv", "sociedad anonima de capital variable", "sab de cv", "sapi de cv"],
    ),
    form("S. de R.L.", Kind::Limited, &["s de rl", "s de rl de cv", "srl de cv"]),
    form("EIRL", Kind::Limited, &["eirl", "eireli"]),
    form("S/A", Kind::Stock, &["sgps", "sgps sa"]),
    form(
        "S. en C.",
        Kind::Partnership,
        &["s en c", "cia s en c", "y cia s en c", "sociedad en comandita", "e u", "eu"],
    ),
    // Nordic and Baltic.
    form("AB", Kind::Stock, &["ab", "aktiebolag", "ab publ", "aktiebolaget"]),
    form("HB", Kind::Partnership, &["hb", "handelsbolag", "kb", "kommanditbolag"]),
    form(
        "AS",
        Kind::Stock,
        &[
            "as",
            "aktieselskab",
            "aksjeselskap",
            "aktsiaselts",
            "akciova spolecnost",
            "anonim sirketi",
            "akciju sabiedriba",
        ],
    ),
    form("ASA", Kind::Stock, &["asa", "allmennaksjeselskap"]),
    form("ApS", Kind::Limited, &["aps", "anpartsselskab"]),
    form("IVS", Kind::Limited, &["ivs"]),
    form("Oy", Kind::Limited, &["oy", "osakeyhtio", "oy ab"]),
    form("Oyj", Kind::Stock, &["oyj", "julkinen osakeyhtio", "oyj abp", "abp"]),
    form("OÜ", Kind::Limited, &["ou", "osauhing"]),
    form("SIA", Kind::Limited, &["sia", "sabiedriba ar ierobezotu atbildibu"]),
    form("UAB", Kind::Limited, &["uab", "uzdaroji akcine bendrove"]),
    form("hf", Kind::Stock, &["hf", "ehf"]),
    // Middle and south-eastern Europe.
    form(
        "sp. z o.o.",
        Kind::Limited,
        &[
            "sp zoo",
            "sp z oo",
            "spolka zoo",
            "spolka z oo",
            "spolka z ograniczona odpowiedzialnoscia",
            "sp z o o",
        ],
    ),
    form("S.A. (PL)", Kind::Stock, &["spolka akcyjna"]),
    form("sp. k.", Kind::Partnership, &["sp k", "sp j", "spolka komandytowa", "spolka jawna", "spk", "spj"]),
    form(
        "s.r.o.",
        Kind::Limited,
        &["sro", "spol sro", "spolecnost s rucenim omezenym", "spolocnost s rucenim obmedzenym"],
    ),
    form("Kft", Kind::Limited, &["kft", "korlatolt felelossegu tarsasag"]),
    form(
        "Zrt",
        Kind::Stock,
        &["zrt", "nyrt", "rt", "zartkoruen mukodo reszvenytarsasag", "nyilvanosan mukodo reszvenytarsasag"],
    ),
    form(
        "d.o.o.",
        Kind::Limited,
        &["doo", "drustvo s ogranicenom odgovornoscu", "druzba z omejeno odgovornostjo", "dooel"],
    ),
    form(
        "d.d.",
        Kind::Stock,
        &["dd", "dionicko drustvo", "delniska druzba", "ad", "akcionarsko drustvo", "aktsionerno druzhestvo"],
    ),
    form("EOOD", Kind::Limited, &["eood", "ood", "druzhestvo s ogranichena otgovornost"]),
    form("EAD", Kind::Stock, &["ead"]),
    form("A.E.", Kind::Stock, &["ae", "anonimi etairia", "anonymi etaireia"]),
    form("E.P.E.", Kind::Limited, &["epe", "ike", "oe", "ee"]),
    form(
        "Ltd. Şti.",
        Kind::Limited,
        &["ltd sti", "limited sirketi", "sirketi", "sti", "san ve tic ltd sti", "ticaret limited sirketi"],
    ),
    // Russian, Ukrainian and others of those alphabets.
    form(
        "OOO",
        Kind::Limited,
        &[
            "ooo",
            "obshchestvo s ogranichennoi otvetstvennostyu",
            "tov",
            "tovaristvo z obmezhenoyu vidpovidalnistyu",
            "too",
            "mchj",
            "mmc",
        ],
    ),
    form(
        "AO",
        Kind::Stock,
        &[
            "ao",
            "oao",
            "pao",
            "zao",
            "nao",
            "aktsionernoe obshchestvo",
            "otkritoe aktsionernoe obshchestvo",
            "zakritoe aktsionernoe obshchestvo",
            "publichnoe aktsionernoe obshchestvo",
            "ojsc",
            "pjsc",
            "cjsc",
            "open joint stock company",
            "public joint stock company",
            "closed joint stock company",
            "private joint stock company",
            "pat",
            "prat",
            "at",
            "oop jsc",
            "ojsco",
            "pjsco",
        ],
    ),
    form(
        "ANO",
        Kind::NonProfit,
        &[
            "ano",
            "avtonomnaya nekommercheskaya organizatsiya",
            "autonomous non profit organization",
            "autonomous nonprofit organization",
        ],
    ),
    form(
        "FGUP",
        Kind::State,
        &[
            "fgup",
            "gup",
            "fsue",
            "federal state unitary enterprise",
            "unitary enterprise",
            "federalnoe gosudarstvennoe unitarnoe predpriyatie",
            "dp",
        ],
    ),
    form("IP", Kind::Partnership, &["chp", "chup", "chtup", "odo"]),
    // Asia and Africa.
    form("PT", Kind::Limited, &["pt", "perseroan terbatas", "pt tbk", "tbk"]),
    form("KK", Kind::Stock, &["kk", "kabushiki kaisha", "kabushiki gaisha"]),
    form("GK", Kind::Limited, &["gk", "godo kaisha", "yk", "yugen kaisha"]),
    form("JSC (VN)", Kind::Stock, &["cong ty co phan"]),
    form("TNHH", Kind::Limited, &["tnhh", "cong ty tnhh"]),
    form("PJS (IR)", Kind::Stock, &["sherkat sahami", "sherkat sahami aam", "sherkat sahami khas"]),
    form("WLL", Kind::Limited, &["wll", "spc", "bsc", "ksc", "kscc", "saog", "saoc", "sae", "sal", "qsc"]),
    form("CC", Kind::Limited, &["close corporation", "npc", "soc ltd"]),
    form("SUARL", Kind::Limited, &["suarl", "sasl"]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FORMS, split};
    use crate::names::fold::words;

    #[test]
    fn each_spelling_is_folded_and_stands_once() {
        let mut seen = BTreeSet::new();
        for form in FORMS {
            for spelling in form.spellings {
                let plain = words(spelling).into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
                assert_eq!(plain, *spelling);
                assert!(seen.insert(spelling), "`{spelling}` stands twice");
            }
        }
        assert!(seen.len() > 250);
    }

    #[test]
    fn forms_are_split_off_and_compared() {
        for (first, second, equal) in [
            ("X AG", "X GmbH", false),
            ("X Aktiengeselschaft", "X AG", true),
            ("X Ltd", "X Limited", true),
            ("X Pty Ltd", "X Limited", true),
            ("X Ltd", "X plc", false),
            ("X Ltd", "X LLP", false),
            ("OAO X", "X JSC", true),
            ("OOO X", "X Limited Liability Company", true),
            ("OOO X", "X Joint Stock Company", false),
            ("X GmbH", "X GmbH & Co. KG", false),
            ("X S.A. de C.V.", "X S.A.R.L.", false),
            ("X Spółka z ograniczoną odpowiedzialnością", "X Sp. z o.o.", true),
            ("X AG", "X SA", false),
        ] {
            let (rest, forms) = split(&words(first));
            let (other_rest, others) = split(&words(second));
            assert_eq!(rest.len(), 1, "{first}: {rest:?}");
            assert_eq!(rest.len(), other_rest.len(), "{second}: {other_rest:?}");
            let found = forms.iter().any(|form| others.iter().any(|other| form.equals(other)));
            assert_eq!(found, equal, "{first} and {second}: {forms:?} {others:?}");
        }
        let (rest, forms) = split(&words("Company Limited"));
        assert_eq!((rest.len(), forms.len()), (2, 0));
    }
}
