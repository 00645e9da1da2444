//! What an exercise does with the canary's own tunnel: packets flow through it, it is tried after the cut, and it is
//! open again by other keys.

use http::Method;
use portcullis_exercise::run::PathTried;
use portcullis_exercise::spec::Expect;

use super::{Stage, Stream, until};
use crate::canary::KeyPairs;
use crate::canary::tunnel::{Course, Held, Tunnel};
use crate::machine::{Call, Machine};

const DOWNLOAD: &str = "download through the wireguard tunnel";
const NONE: &str = "no tunnel is rehearsed: `portcullis exercise canary --wireguard` adds one";

/// The canary's tunnel in a run.
pub enum Tunnelled {
    /// None is declared.
    Absent,
    /// It carries nothing, though it is declared.
    Broken(String),
    Open {
        tunnel: Box<Tunnel>,
        flowing: Option<Stream>,
    },
}

impl Tunnelled {
    pub fn held(&self) -> Option<Held> {
        match self {
            Self::Open { tunnel, .. } => Some(tunnel.held()),
            Self::Absent | Self::Broken(_) => None,
        }
    }
}

impl Stage {
    /// Opens what is declared, with credentials that nobody had before. That it doesn't open is told of when it is tried:
    /// the other paths are proven all the same.
    pub async fn open_tunnel(&mut self) {
        self.tunnelled = self.tunnel_by(&self.keys).await;
    }

    async fn tunnel_by(&self, keys: &KeyPairs) -> Tunnelled {
        let listen = self.canary.0.listen;
        let Some(course) = Course::declared(&self.control.state(), listen) else { return Tunnelled::Absent };
        let cause = (self.run, self.by);
        match Tunnel::open(&self.control, course, keys.wireguard, listen, cause).await {
            Ok(tunnel) => Tunnelled::Open { tunnel: Box::new(tunnel), flowing: None },
            Err(why) => Tunnelled::Broken(why),
        }
    }

    /// A download through it; what to say of it.
    pub async fn stream_tunnelled(&mut self) -> String {
        let why = match &mut self.tunnelled {
            Tunnelled::Absent => return NONE.to_owned(),
            Tunnelled::Broken(why) => why.clone(),
            Tunnelled::Open { tunnel, flowing } => {
                let call = Call::new(Method::GET, "/canary/live");
                let opened = match super::machine_tunnelled(&self.canary, &self.keys, tunnel) {
                    Ok(machine) => Stream::open(&machine, DOWNLOAD, &call).await,
                    Err(problem) => Err(problem.detail),
                };
                match opened {
                    Ok(stream) if until(|| stream.has_begun()).await => {
                        *flowing = Some(stream);
                        return "one through the tunnel".to_owned();
                    }
                    Ok(_) => "nothing flows".to_owned(),
                    Err(why) => why,
                }
            }
        };
        let said = format!("the tunnel carries nothing: {why}");
        self.tunnelled = Tunnelled::Broken(why);
        said
    }

    /// Every way through the tunnel that was open before.
    pub async fn verify_tunnelled(&self, cut_at: u64) -> Vec<PathTried> {
        let path = |path: &str, closed, how, bytes_after| PathTried {
            path: path.to_owned(),
            closed,
            how,
            bytes_after,
        };
        let (tunnel, flowing) = match &self.tunnelled {
            Tunnelled::Absent => return Vec::new(),
            Tunnelled::Broken(why) => {
                let how = format!("it could not be tried, as it carried nothing before the cut: {why}");
                return vec![path("wireguard tunnel", false, how, 0)];
            }
            Tunnelled::Open { tunnel, flowing } => (tunnel, flowing),
        };
        let mut paths = Vec::new();
        // Under the keys of before; what was under way when the cut came has arrived meanwhile.
        let (shut, how) = tunnel.is_shut().await;
        paths.push(path("new handshake of the wireguard tunnel", shut, how, 0));
        let (silent, how, packets) = tunnel.is_silent().await;
        paths.push(path("new connection through the wireguard tunnel", silent, how, packets));
        if let Some(stream) = flowing {
            // Where the peer went first, no reset comes: it is silent by now, twenty records later.
            let after = stream.newest().saturating_sub(cut_at);
            let how = match (after, stream.has_ended()) {
                (0, true) => "reset, and nothing made after the receipt came".to_owned(),
                (0, false) => "silent, and nothing made after the receipt came".to_owned(),
                (after, _) => format!("what was made {after} µs after the receipt came"),
            };
            paths.push(path(DOWNLOAD, after == 0, how, u64::from(after > 0)));
        }
        paths
    }

    /// Open again by keys that the canary has made and registered itself, and closed to those of before.
    pub async fn restore_tunnelled(
        &mut self,
        keys: &KeyPairs,
        former: Option<Held>,
    ) -> Result<&'static str, String> {
        let tunnel = match self.tunnel_by(keys).await {
            Tunnelled::Absent => return Ok(""),
            Tunnelled::Broken(why) => return Err(format!("the tunnel is not open again: {why}")),
            Tunnelled::Open { tunnel, .. } => tunnel,
        };
        let machine: std::sync::Arc<Machine> =
            super::machine_tunnelled(&self.canary, keys, &tunnel).map_err(|problem| problem.detail)?;
        match self.ask_in_time(&machine).await? {
            (Expect::Answered, _) => {}
            (came, note) => {
                return Err(format!("the tunnel carries no request again: {} {note}", came.as_str()));
            }
        }
        if let Some(former) = former
            && tunnel.takes(&former).await?
        {
            return Err("the tunnel takes the old key".to_owned());
        }
        Ok(", the tunnel too")
    }
}
