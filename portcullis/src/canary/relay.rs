//! A door on this machine that leads into the tunnel: a socket in a folder that only this user can enter, for clients
//! that know nothing of tunnels.

use std::net::SocketAddrV4;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_wireguard::Peer;
use tokio::io::copy_bidirectional;
use tokio::net::UnixListener;
use tokio::task::{JoinHandle, JoinSet};

/// How long the gate may take to take a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// It is shut, with every connection through it, when this is dropped.
pub struct Relay {
    folder: PathBuf,
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Relay {
    pub fn start(peer: Arc<Peer>, to: SocketAddrV4) -> std::io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("portcullis-canary-{}", unique()));
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let path = folder.join("gate");
        let listener = UnixListener::bind(&path).inspect_err(|_| drop(std::fs::remove_dir(&folder)))?;
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                // What has ended is forgotten.
                while open.try_join_next().is_some() {}
                let peer = Arc::clone(&peer);
                open.spawn(async move {
                    // Whoever came is hung up on where nothing is taken; the peer counts connections.
                    if let Ok(mut far) = peer.connect(to, PATIENCE).await {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Ok(Self { folder, path, task })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn unique() -> String {
    let mut bytes = [0; 8];
    crate::clock::entropy()(&mut bytes);
    format!("{:016x}", u64::from_ne_bytes(bytes))
}
