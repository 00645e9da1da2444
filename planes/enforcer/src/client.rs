//! Control's end of the socket: it is linked again whenever the enforcer comes back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_network::order::{FromEnforcer, Heard, PROTOCOL, ToEnforcer};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::frame::{self, FrameError};

/// How often it is tried to link again: an enforcer that was started anew cuts at once what was cut meanwhile.
const AGAIN: Duration = Duration::from_millis(200);
const GREETING_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("`{}` can't be opened: {source}\nhint: is `portcullis enforcer` running, and may this user open its socket?", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("the link broke: {0}")]
    Frame(#[from] FrameError),
    #[error("it did not greet within {} seconds", GREETING_WAIT.as_secs())]
    Silent,
    #[error("it refused: {0}")]
    Refused(String),
    #[error("it speaks another protocol than {PROTOCOL}: use one version of the program for both")]
    Protocol,
    #[error("it has closed the link")]
    Closed,
}

/// Carries messages both ways until control drops its ends. What can't be sent is dropped: after a link all is told anew.
pub async fn run(socket: PathBuf, mut to: mpsc::Receiver<ToEnforcer>, from: mpsc::Sender<Heard>) {
    let mut again = interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<String> = None;
    loop {
        again.tick().await;
        let mut linked = false;
        let why = match link(&socket, &mut to, &from, &mut linked).await {
            Ok(()) => return,
            Err(error) => error.to_string(),
        };
        if linked {
            told = None;
        }
        // Once for each new reason, not five times a second.
        if told.as_ref() != Some(&why) {
            tracing::error!(why, "the enforcer is not linked: networks can't be cut");
            if from.send(Heard::Lost { why: why.clone() }).await.is_err() {
                return;
            }
            told = Some(why);
        }
        if from.is_closed() {
            return;
        }
    }
}

/// `Ok` when control has gone.
async fn link(
    socket: &Path,
    to: &mut mpsc::Receiver<ToEnforcer>,
    from: &mpsc::Sender<Heard>,
    linked: &mut bool,
) -> Result<(), LinkError> {
    let stream = UnixStream::connect(socket).await;
    let stream = stream.map_err(|source| LinkError::Open { path: socket.to_owned(), source })?;
    let (mut read, mut write) = stream.into_split();
    frame::write(&mut write, &ToEnforcer::Hello { protocol: PROTOCOL }).await?;
    let greeting = timeout(GREETING_WAIT, frame::read::<FromEnforcer>(&mut read)).await;
    let heard = match greeting.map_err(|_| LinkError::Silent)?? {
        Some(FromEnforcer::Hello { protocol: PROTOCOL, version, arms, held, cuts }) => {
            Heard::Linked { version, arms, held, cuts }
        }
        Some(FromEnforcer::Hello { .. }) => return Err(LinkError::Protocol),
        Some(FromEnforcer::Refused { why }) => return Err(LinkError::Refused(why)),
        Some(_) => return Err(LinkError::Protocol),
        None => return Err(LinkError::Closed),
    };
    // Of a link before.
    while to.try_recv().is_ok() {}
    *linked = true;
    if from.send(heard).await.is_err() {
        return Ok(());
    }
    let send = async {
        while let Some(message) = to.recv().await {
            frame::write(&mut write, &message).await?;
        }
        Ok(())
    };
    let listen = async {
        while let Some(message) = frame::read::<FromEnforcer>(&mut read).await? {
            if from.send(Heard::Said(message)).await.is_err() {
                return Ok(());
            }
        }
        Err(LinkError::Closed)
    };
    tokio::select! { ended = send => ended, ended = listen => ended }
}
