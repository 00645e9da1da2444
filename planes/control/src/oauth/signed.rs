//! Whose a signed statement is: the client that it names, and those of its keys and certificates that may have signed it.

use portcullis_domain::event::KeyForm;
use portcullis_domain::state::{KeyTerm, Standing};
use portcullis_tokens::assertion::RegisteredKey;

use super::authenticate::term_of;
use super::{Exchange, client_keys};

/// By how much a client's clock may be ahead.
pub(super) const LEEWAY_SECONDS: i64 = 5;

/// The client called `name`, if there is one, and the keys to try: a client without keys, or that is none, costs a signature
/// check like any other.
pub(super) fn signers<'a>(exchange: &Exchange<'a>, name: &str) -> (Option<Standing<'a>>, Vec<RegisteredKey>) {
    let server = exchange.server;
    let standing = exchange.state.standing(name);
    let keys = standing.map(|standing| {
        let mut keys = server.client_keys.of(exchange.state, &standing).to_vec();
        keys.extend(client_keys::of_certificates(exchange.state, &standing, exchange.now));
        keys
    });
    let keys = keys.filter(|keys| !keys.is_empty()).unwrap_or_else(|| server.decoy.to_vec());
    (standing, keys)
}

/// The term of the key or certificate that has signed.
pub(super) fn signers_term(exchange: &Exchange<'_>, standing: &Standing<'_>, key: &str) -> Option<KeyTerm> {
    [KeyForm::Jwk, KeyForm::Certificate].into_iter().find_map(|form| term_of(exchange, standing, key, form))
}
