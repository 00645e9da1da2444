//! The server that takes messages: over TLS from the first byte, or after STARTTLS, which it must offer.

use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use crate::letter::{Letter, LetterError, address};

/// For each step of the protocol.
const ANSWER: Duration = Duration::from_secs(30);

/// How a connection is secured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Security {
    /// After STARTTLS (RFC 3207): a server that doesn't offer it gets nothing.
    StartTls,
    /// From the first byte (RFC 8314, "implicit TLS").
    Tls,
    /// In the clear.
    DangerNone,
}

/// Where messages are handed in.
#[derive(Clone, Debug)]
pub struct Server<'a> {
    pub host: &'a str,
    pub port: u16,
    pub security: Security,
    /// Name and password.
    pub credentials: Option<(&'a str, &'a str)>,
    /// PEM of authorities that the system doesn't know.
    pub authorities: Option<&'a [u8]>,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error(transparent)]
    Letter(#[from] LetterError),
    #[error("the authority of the mail server's certificate can't be read")]
    Authority(#[source] lettre::transport::smtp::Error),
    #[error("a password would go in the clear\nhint: set `tls` to `starttls` or `tls`")]
    Clear,
    #[error("the mail server did not take it")]
    Smtp(#[from] lettre::transport::smtp::Error),
}

impl MailError {
    /// Whether another attempt may end otherwise: servers say so by the first digit of their answer.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Letter(_) | Self::Authority(_) | Self::Clear => true,
            Self::Smtp(error) => error.is_permanent(),
        }
    }
}

impl Server<'_> {
    /// Hands one message in; it was taken when this returns.
    ///
    /// # Errors
    /// [`MailError`].
    pub async fn send(&self, letter: &Letter<'_>) -> Result<(), MailError> {
        let (from, to) = (address(letter.from)?, address(letter.to)?);
        let bytes = letter.bytes()?;
        let hello = ClientId::Domain(from.domain().to_owned());
        let envelope =
            Envelope::new(Some(from), vec![to]).map_err(|_| LetterError::Address(letter.to.to_owned()))?;
        let tls = match self.security {
            Security::DangerNone => Tls::None,
            Security::StartTls => Tls::Required(self.parameters()?),
            Security::Tls => Tls::Wrapper(self.parameters()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(self.host)
            .port(self.port)
            .tls(tls)
            .hello_name(hello)
            .timeout(Some(ANSWER));
        if let Some((user, password)) = self.credentials {
            if self.security == Security::DangerNone {
                return Err(MailError::Clear);
            }
            builder = builder
                .credentials(Credentials::new(user.to_owned(), password.to_owned()))
                .authentication(vec![Mechanism::Plain, Mechanism::Login]);
        }
        builder.build().send_raw(&envelope, &bytes).await?;
        Ok(())
    }

    fn parameters(&self) -> Result<TlsParameters, MailError> {
        let mut builder = TlsParameters::builder(self.host.to_owned());
        if let Some(pem) = self.authorities {
            builder = builder.add_root_certificate(Certificate::from_pem(pem).map_err(MailError::Authority)?);
        }
        builder.build_rustls().map_err(MailError::Smtp)
    }
}
