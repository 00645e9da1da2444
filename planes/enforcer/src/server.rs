//! The socket on which control gives its orders. Whoever may open it may cut and open networks: its folder and
//! its group say who that is.

use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_enforcement::NetworkArm;
use portcullis_network::order::{
    ArmFault, ArmStanding, CutReport, FromEnforcer, Measures, PROTOCOL, ToEnforcer,
};
use portcullis_network::plan::NetworkPlan;
use portcullis_policy::clock::{Clock, micros};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::drive::look;
use crate::frame::{self, FrameError};
use crate::journal::JournalError;
use crate::keeper::{Answers, Arms, Keeper, Kept, ORDERS_MAX, Order};

const GREETING_WAIT: Duration = Duration::from_secs(5);
const PROBE_WAIT: Duration = Duration::from_secs(2);
const LOOK_WAIT: Duration = Duration::from_secs(20);
/// Connections at the same time: control's, its successor's, and a person who looks.
const CONNECTIONS_MAX: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("can't listen at `{}`: {source}\nhint: {hint}", path.display())]
    Listen { path: PathBuf, source: std::io::Error, hint: &'static str },
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("`{}` can't be given to the user of the enforcer: {source}\nhint: start it as root, or without `--user`", path.display())]
    State { path: PathBuf, source: std::io::Error },
}

/// Where it listens, and where it keeps what is cut.
#[derive(Clone, Debug)]
pub struct Options {
    pub socket: PathBuf,
    pub state: PathBuf,
    /// Group that may open the socket.
    pub group: Option<u32>,
    /// User and group that this process becomes: whose folders and socket they are.
    pub owner: Option<(u32, u32)>,
}

/// A bound enforcer: what was cut before is being cut again from [`Enforcer::run`] on.
pub struct Enforcer {
    listener: UnixListener,
    keeper: Keeper,
    kept: watch::Receiver<Kept>,
    arms: Arms,
    clock: Clock,
}

impl Enforcer {
    /// Makes the folders and the socket, which takes rights that the process needn't have later.
    ///
    /// # Errors
    /// The socket can't be bound, or the state folder can't be used.
    pub fn open(
        options: &Options,
        arms: Vec<Arc<dyn NetworkArm>>,
        clock: Clock,
    ) -> Result<Self, ServerError> {
        let arms: Arms = arms.into();
        let (keeper, kept) = Keeper::open(Arc::clone(&arms), clock.clone(), &options.state)?;
        let listener = listen(options)?;
        if let Some(owner) = options.owner {
            hand_over(&options.state, owner)
                .map_err(|source| ServerError::State { path: options.state.clone(), source })?;
        }
        Ok(Self { listener, keeper, kept, arms, clock })
    }

    /// Serves until it is dropped.
    pub async fn run(self) {
        let Self { listener, keeper, kept, arms, clock } = self;
        let (orders, waiting) = mpsc::channel(ORDERS_MAX);
        let serve = async {
            let room = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
            loop {
                let stream = match listener.accept().await {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::error!(%error, "a connection can't be accepted");
                        tokio::task::yield_now().await;
                        continue;
                    }
                };
                let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
                let connection = Connection {
                    arms: Arc::clone(&arms),
                    clock: clock.clone(),
                    kept: kept.clone(),
                    orders: orders.clone(),
                };
                tokio::spawn(async move {
                    let peer = stream.peer_cred().ok();
                    tracing::info!(pid = ?peer.and_then(|peer| peer.pid()), "control is linked");
                    match connection.serve(stream).await {
                        Ok(()) => tracing::warn!("control has gone: what is cut stays cut"),
                        Err(error) => {
                            tracing::error!(error = %chain(&error), "the link to control broke: what is cut stays cut")
                        }
                    }
                    drop(permit);
                });
            }
        };
        tokio::join!(keeper.run(waiting), serve);
    }
}

fn chain(error: &FrameError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// What a process before has written, as another user maybe, is read and replaced as well.
fn hand_over(state: &Path, (user, group): (u32, u32)) -> std::io::Result<()> {
    let give = |path: &Path| std::os::unix::fs::lchown(path, Some(user), Some(group));
    give(state)?;
    let cuts = state.join("cuts");
    for entry in std::fs::read_dir(&cuts)? {
        give(&entry?.path())?;
    }
    give(&cuts)
}

fn listen(options: &Options) -> Result<UnixListener, ServerError> {
    let Options { socket: path, group, owner, .. } = options;
    let failed = |hint| move |source| ServerError::Listen { path: path.clone(), source, hint };
    let group = group.or(owner.map(|(_, group)| group));
    let give = |path: &Path| match (owner, group) {
        (None, None) => Ok(()),
        _ => std::os::unix::fs::chown(path, owner.map(|(user, _)| user), group),
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        // For whoever may open the socket; one that is there is somebody else's, and stays as it is.
        std::fs::DirBuilder::new()
            .mode(0o750)
            .create(folder)
            .and_then(|()| give(folder))
            .map_err(failed("make its folder, or give `--socket` a path in a folder that it may write"))?;
    }
    if std::fs::symlink_metadata(path).is_ok_and(|known| known.file_type().is_socket()) {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            let source = std::io::Error::from(std::io::ErrorKind::AddrInUse);
            return Err(failed("another enforcer serves it; end that one first")(source));
        }
        // Nobody is behind it any more.
        std::fs::remove_file(path).map_err(failed("the socket of a process before can't be removed"))?;
    }
    let listener =
        UnixListener::bind(path).map_err(failed("give `--socket` a path in a folder that it may write"))?;
    give(path).map_err(failed("the group of the socket can't be set; start it as root, or as a member"))?;
    let mode = std::fs::Permissions::from_mode(if options.group.is_some() { 0o660 } else { 0o600 });
    std::fs::set_permissions(path, mode).map_err(failed("the mode of the socket can't be set"))?;
    Ok(listener)
}

#[derive(Clone)]
struct Connection {
    arms: Arms,
    clock: Clock,
    kept: watch::Receiver<Kept>,
    orders: mpsc::Sender<Order>,
}

impl Connection {
    async fn serve(self, stream: UnixStream) -> Result<(), FrameError> {
        let (mut read, mut write) = stream.into_split();
        let greeting = timeout(GREETING_WAIT, frame::read::<ToEnforcer>(&mut read)).await;
        match greeting {
            Ok(Ok(Some(ToEnforcer::Hello { protocol: PROTOCOL }))) => {}
            Ok(Ok(Some(_))) | Err(_) => {
                let why = format!("this enforcer speaks protocol {PROTOCOL}, and is greeted first");
                return frame::write(&mut write, &FromEnforcer::Refused { why }).await;
            }
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
        }
        let cuts = self.kept.borrow().held();
        let hello = FromEnforcer::Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            arms: self.standings().await,
            held: cuts.iter().map(|cut| cut.severance).collect(),
            cuts,
        };
        frame::write(&mut write, &hello).await?;
        let (answers, mut answered) = mpsc::channel::<FromEnforcer>(ORDERS_MAX);
        let send = async {
            while let Some(answer) = answered.recv().await {
                frame::write(&mut write, &answer).await?;
            }
            Ok(())
        };
        tokio::select! {
            ended = self.listen(&mut read, answers) => ended,
            failed = send => failed,
        }
    }

    async fn listen(&self, read: &mut OwnedReadHalf, answers: Answers) -> Result<(), FrameError> {
        while let Some(message) = frame::read::<ToEnforcer>(read).await? {
            let arrived = self.clock.monotonic();
            let order = match message {
                ToEnforcer::Hello { .. } => continue,
                ToEnforcer::Enforce { plan } => Order::Enforce { plan, answers: answers.clone() },
                ToEnforcer::Sever { order, cut } => {
                    Order::Sever { order, cut, arrived, answers: Some(answers.clone()) }
                }
                looking => {
                    let (this, answers) = (self.clone(), answers.clone());
                    tokio::spawn(async move {
                        if let Some(answer) = this.look(looking, arrived).await {
                            let _ = answers.send(answer).await;
                        }
                    });
                    continue;
                }
            };
            if self.orders.send(order).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What changes nothing.
    async fn look(&self, message: ToEnforcer, arrived: Duration) -> Option<FromEnforcer> {
        match message {
            ToEnforcer::Verify { order, cut } => {
                let mut arms = Vec::new();
                for arm in self.arms.iter() {
                    arms.push(look(&**arm, &cut, &self.clock, arrived).await);
                }
                let took_us = micros(self.clock.monotonic().saturating_sub(arrived));
                Some(FromEnforcer::Verified { order, report: CutReport { arms, took_us, not_kept: None } })
            }
            ToEnforcer::Measure { order } => {
                let plan = self.wanted().await?;
                let mut measures = Measures::default();
                for arm in self.arms.iter() {
                    // An arm that can't act has measured nothing.
                    if let Ok(Ok(measured)) = timeout(LOOK_WAIT, arm.measure(&plan)).await {
                        measures.tunnels.extend(measured.tunnels);
                        measures.dropped.extend(measured.dropped);
                    }
                }
                Some(FromEnforcer::Measured { order, measures })
            }
            ToEnforcer::Inspect { order } => {
                let plan = self.wanted().await?;
                let (mut bypasses, mut failed) = (Vec::new(), Vec::new());
                for arm in self.arms.iter() {
                    match timeout(LOOK_WAIT, arm.inspect(&plan)).await {
                        Ok(Ok(seen)) => {
                            bypasses.extend(seen.found);
                            let unseen = seen.unseen.into_iter();
                            failed.extend(unseen.map(|why| ArmFault { arm: arm.arm(), why }));
                        }
                        Ok(Err(error)) => {
                            failed.push(ArmFault { arm: arm.arm(), why: error.to_string() });
                        }
                        Err(_) => {
                            let why = format!("no answer within {} seconds", LOOK_WAIT.as_secs());
                            failed.push(ArmFault { arm: arm.arm(), why });
                        }
                    }
                }
                Some(FromEnforcer::Inspected { order, bypasses, failed })
            }
            ToEnforcer::Hello { .. } | ToEnforcer::Enforce { .. } | ToEnforcer::Sever { .. } => None,
        }
    }

    /// The plan with what is cut, made where nothing waits for it. None when the process ends.
    async fn wanted(&self) -> Option<NetworkPlan> {
        let kept = self.kept.borrow().clone();
        tokio::task::spawn_blocking(move || kept.wanted()).await.ok()
    }

    async fn standings(&self) -> Vec<ArmStanding> {
        let mut standings = Vec::new();
        for arm in self.arms.iter() {
            let absent = match timeout(PROBE_WAIT, arm.probe()).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {} seconds", PROBE_WAIT.as_secs())),
            };
            standings.push(ArmStanding { arm: arm.arm(), absent });
        }
        standings
    }
}
