//! Requests of the canary's machines, and what their answers prove.

use http::Method;
use portcullis_exercise::spec::Expect;

use crate::machine::{Answer, Call, Machine, MachineError};

pub const BODY_BYTES_MAX: usize = 1024 * 1024;
pub const FEW_RECORDS: &str = "/canary/records?records=5";

/// One whole request: what came of it, and in which words.
pub async fn ask(machine: &Machine, target: &str) -> Result<(Expect, String), String> {
    came(&mut machine.request(&Call::new(Method::GET, target)).await).await
}

pub async fn came(answer: &mut Result<Answer, MachineError>) -> Result<(Expect, String), String> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(MachineError::NoToken(refused)) => {
            return Ok((Expect::Refused, format!("no token: {}", refused.error)));
        }
        Err(error) => return Err(error.to_string()),
    };
    let status = answer.status();
    match answer.body(BODY_BYTES_MAX).await {
        _ if !status.is_success() => Ok((Expect::Refused, format!("status {status}"))),
        Ok(_) => Ok((Expect::Answered, format!("{} records", answer.taken().records.unwrap_or(0)))),
        Err(broken) => Ok((Expect::Cut, format!("cut after {} records", broken.taken.records.unwrap_or(0)))),
    }
}

/// Whether it is the machine that is refused. A limit that is used up, a gate without its server, and a connection that
/// nobody takes prove nothing of a cut.
pub async fn is_refused(machine: &Machine) -> (bool, String) {
    let mut answer = machine.request(&Call::new(Method::GET, FEW_RECORDS)).await;
    let proves = match &answer {
        Ok(answer) => is_verdict(answer.status().as_u16()),
        Err(MachineError::NoToken(refused)) => is_verdict_on_token(refused.status),
        Err(_) => false,
    };
    match came(&mut answer).await {
        Ok((Expect::Refused, note)) if proves => (true, note),
        Ok((Expect::Refused, note)) => (false, format!("refused for another reason: {note}")),
        Ok((came, note)) => (false, format!("{}: {note}", came.as_str())),
        Err(error) => (false, format!("it can't be told: {error}")),
    }
}

/// RFC 9110: 401 and 403 are about who asks.
fn is_verdict(status: u16) -> bool {
    matches!(status, 401 | 403)
}

/// RFC 6749 §5.2: a token endpoint says so with 400, too.
fn is_verdict_on_token(status: u16) -> bool {
    status == 400 || is_verdict(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_verdict_on_the_machine_proves_that_it_is_refused() {
        for busy in [200, 404, 408, 421, 429, 500, 502, 503, 504] {
            assert!(!is_verdict(busy) && !is_verdict_on_token(busy), "{busy}");
        }
        assert!([401, 403].into_iter().all(|status| is_verdict(status) && is_verdict_on_token(status)));
        assert!(is_verdict_on_token(400) && !is_verdict(400));
    }
}
