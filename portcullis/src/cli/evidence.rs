//! `evidence`: documents that support what is said of a vendor.

mod documents;
mod requests;
mod verify;

use anyhow::Result;

use super::output::Output;
use super::server::Server;
use super::{Outcome, Place, examples};
pub(super) use verify::read;

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// File evidence of a vendor, with its document, and verify the document's signature
    #[command(after_help = examples::EVIDENCE_ADD)]
    Add(documents::AddArguments),
    /// List the evidence of a vendor with what it is worth now, and when it ends
    #[command(after_help = examples::EVIDENCE_LIST)]
    List(documents::ListArguments),
    /// Get a stored document
    #[command(after_help = examples::EVIDENCE_GET)]
    Get(documents::GetArguments),
    /// Take evidence back: nothing rests on it any more
    #[command(after_help = examples::EVIDENCE_WITHDRAW)]
    Withdraw(documents::WithdrawArguments),
    /// Read every stored document, and stop vendors whose documents were changed
    #[command(after_help = examples::EVIDENCE_CHECK)]
    Check(documents::CheckArguments),
    /// Ask a vendor for evidence; the link that it answers by is printed once
    #[command(after_help = examples::EVIDENCE_REQUEST)]
    Request(requests::RequestArguments),
    /// Answer a request by its link, on the vendor's side
    #[command(after_help = examples::EVIDENCE_ANSWER)]
    Answer(requests::AnswerArguments),
    /// Check a document's signature, inside of a PDF or detached, without a server
    #[command(after_help = examples::EVIDENCE_VERIFY)]
    Verify(verify::VerifyArguments),
}

pub(super) async fn evidence(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    match verb {
        Verb::Verify(arguments) => verify::verify(out, &arguments),
        Verb::Answer(arguments) => requests::answer(place, out, arguments).await,
        Verb::Add(arguments) => documents::add(&Server::find(place)?, out, arguments).await,
        Verb::List(arguments) => documents::list(&Server::find(place)?, out, arguments).await,
        Verb::Get(arguments) => documents::get(&Server::find(place)?, out, arguments).await,
        Verb::Withdraw(arguments) => documents::withdraw(&Server::find(place)?, out, arguments).await,
        Verb::Check(arguments) => documents::check(&Server::find(place)?, out, arguments).await,
        Verb::Request(arguments) => requests::request(&Server::find(place)?, out, arguments).await,
    }
}
