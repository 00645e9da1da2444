//! Four gates that tell each other of a client's evidence, against one that sees everything.

use crate::corpora::Corpus;

pub struct Gates {
    pub decisions: u64,
    pub within: u64,
}

impl Gates {
    pub fn sentence(&self) -> String {
        format!("{} of {} decisions within 1 point", self.within, self.decisions)
    }
}

pub fn measure(_: &[Corpus]) -> Gates {
    Gates { decisions: 0, within: 0 }
}
