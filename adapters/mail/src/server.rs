//! The server that takes messages: over TLS from the first byte, or after STARTTLS, which it must offer.

use std::fmt;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use crate::letter::{Letter, LetterError, address};

/// How long a message may take from the connection to the server's last word, where nothing else is said. lettre itself limits
/// connecting only: a server that is connected and silent would keep its sender for good.
pub const PATIENCE: Duration = Duration::from_secs(45);

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
#[derive(Clone)]
pub struct Server<'a> {
    pub host: &'a str,
    pub port: u16,
    pub security: Security,
    /// Name and password.
    pub credentials: Option<(&'a str, &'a str)>,
    /// PEM of authorities that the system doesn't know.
    pub authorities: Option<&'a [u8]>,
    /// For the whole of a message.
    pub patience: Duration,
}

impl fmt::Debug for Server<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("user", &self.credentials.map(|(user, _)| user))
            .field("password", &self.credentials.map(|_| format_args!("****")))
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
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
    #[error("the mail server did not answer within {} s", .0.as_secs_f32())]
    Silent(Duration),
    #[error("the mail server did not take it")]
    Smtp(#[from] lettre::transport::smtp::Error),
}

impl MailError {
    /// Whether another attempt may end otherwise: servers say so by the first digit of their answer.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Letter(_) | Self::Authority(_) | Self::Clear => true,
            Self::Silent(_) => false,
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
            .timeout(Some(self.patience));
        if let Some((user, password)) = self.credentials {
            if self.security == Security::DangerNone {
                return Err(MailError::Clear);
            }
            builder = builder
                .credentials(Credentials::new(user.to_owned(), password.to_owned()))
                .authentication(vec![Mechanism::Plain, Mechanism::Login]);
        }
        let transport = builder.build();
        match tokio::time::timeout(self.patience, transport.send_raw(&envelope, &bytes)).await {
            Ok(sent) => Ok(sent.map(|_| ())?),
            Err(_) => Err(MailError::Silent(self.patience)),
        }
    }

    fn parameters(&self) -> Result<TlsParameters, MailError> {
        let mut builder = TlsParameters::builder(self.host.to_owned());
        if let Some(pem) = self.authorities {
            builder = builder.add_root_certificate(Certificate::from_pem(pem).map_err(MailError::Authority)?);
        }
        builder.build_rustls().map_err(MailError::Smtp)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    fn server(port: u16, security: Security) -> Server<'static> {
        let (host, patience) = ("127.0.0.1", Duration::from_millis(200));
        Server { host, port, security, credentials: None, authorities: None, patience }
    }

    #[test]
    fn a_password_is_not_shown() {
        let server = Server { credentials: Some(("gate", "a long secret")), ..server(25, Security::Tls) };
        let shown = format!("{server:?}");
        assert!(shown.contains("gate") && shown.contains("****") && !shown.contains("long"), "{shown}");
    }

    /// A server that says `words` to whoever comes, keeps the connection, and is silent from then on.
    async fn check(security: Security, words: &'static [u8]) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(words).await.unwrap();
                held.push(stream);
            }
        });
        let letter = Letter {
            id: "1",
            follows: None,
            from: "gate@us.example",
            to: "ann@us.example",
            reply_to: None,
            subject: "a try",
            text: "Nothing.",
            time: jiff::Timestamp::UNIX_EPOCH,
        };
        // Far more than the server is given: what never ends is seen, and doesn't hang the test.
        let server = server(port, security);
        let sent = tokio::time::timeout(Duration::from_secs(20), server.send(&letter)).await;
        let error = sent.expect("it is waited for without an end").unwrap_err();
        assert!(matches!(error, MailError::Silent(_)) && !error.is_lasting(), "{error:?}");
        assert_eq!(error.to_string(), "the mail server did not answer within 0.2 s");
        silent.abort();
    }

    #[tokio::test]
    async fn a_server_that_takes_the_connection_and_is_silent_is_given_up() {
        check(Security::StartTls, b"").await;
        check(Security::Tls, b"").await;
        check(Security::DangerNone, b"220 mail.example ESMTP\r\n").await;
        check(
            Security::StartTls,
            b"220 mail.example ESMTP\r\n250-mail.example\r\n250 STARTTLS\r\n220 go\r\n",
        )
        .await;
    }
}
