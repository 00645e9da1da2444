//! Credentials of tunnels: made, kept sealed, recorded by their fingerprints, and shown to the vendor once.

pub mod kept;
mod views;

use std::sync::Arc;

use aws_lc_rs::agreement::{PrivateKey, X25519};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use portcullis_api::problem::Problem;
use portcullis_api::tunnels::{
    TunnelCredentialsRequest, TunnelFile, TunnelPersonRequest, TunnelPersonRevokeRequest, TunnelRenderAnswer,
    TunnelRenderRequest, TunnelView, TunnelsView,
};
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::event::CertificateUse;
use portcullis_domain::ids::{OperatorId, TunnelId};
use portcullis_domain::personal::Personal;
use portcullis_domain::spec::{TunnelAuthentication, TunnelSpec};
use portcullis_domain::state::State;
use portcullis_domain::state::tunnels::{NewCredentials, NewPerson, Person, TunnelStanding};
use portcullis_domain::tunnel::{CredentialPart, Fingerprint, TunnelCredentials};
use portcullis_network::order::{Measures, TunnelMeasure};
use portcullis_network::rendering::{Side, Theirs, files};
use uuid::Uuid;

use self::kept::Kept;
use crate::certificates::{CertificateError, DAYS_MAX};
use crate::control::Control;
use crate::error::ExecuteError;
use crate::metrics::write_metric;
use crate::network::tunnels::{of_gateway, of_person, person_identity};
use crate::process::{Authority, Order, TunnelVault};

/// Before the base64url of a pre-shared key, so that no reader takes it for hex or base64 of something else.
const KEY_PREFIX: &str = "psk_";

/// What the canary's peer needs beside its own key.
#[derive(Clone, PartialEq, Eq)]
pub struct CanaryKeys {
    pub preshared: [u8; 32],
    /// Public key of our interface.
    pub interface: [u8; 32],
}

impl CanaryKeys {
    fn of(kept: &Kept) -> Option<Self> {
        let decoded = |text: &Option<String>| STANDARD.decode(text.as_ref()?).ok()?.try_into().ok();
        Some(Self {
            preshared: decoded(&kept.preshared_key)?,
            interface: decoded(&kept.interface_public_key)?,
        })
    }
}

impl Control {
    /// Every tunnel, closed ones too.
    #[must_use]
    pub fn tunnels(&self) -> TunnelsView {
        let (state, now) = (self.state(), self.clock().now());
        let vault = self.tunnel_vault().ok();
        let view = |standing| views::view(&state, &standing, vault.as_deref(), &self.network_measures(), now);
        TunnelsView { tunnels: state.tunnel_standings().map(view).collect() }
    }

    /// # Errors
    /// There is none of this name.
    pub fn tunnel(&self, name: &str) -> Result<TunnelView, CertificateError> {
        let (state, now) = (self.state(), self.clock().now());
        let standing = found(&state, name)?;
        let vault = self.tunnel_vault().ok();
        Ok(views::view(&state, &standing, vault.as_deref(), &self.network_measures(), now))
    }

    /// Makes credentials anew. They are kept first, then recorded: from that moment on the former are void.
    ///
    /// # Errors
    /// The tunnel isn't there, is severed or for people, or they can't be kept or recorded.
    pub async fn issue_tunnel_credentials(
        &self,
        name: &str,
        request: TunnelCredentialsRequest,
        by: OperatorId,
    ) -> Result<TunnelView, CertificateError> {
        let state = self.state();
        let standing = found(&state, name)?;
        let former = state.tunnels.credentials.get(&standing.id()).map(|former| former.id);
        let peer = standing.spec.ipsec.as_ref().and_then(|ipsec| ipsec.peer_identity.clone());
        let (kept, new) =
            self.make(standing.spec, peer.unwrap_or_default(), request.request, request.days)?;
        let vault = self.tunnel_vault()?;
        let tunnel = name.to_owned();
        let id = new.id;
        let command = Command::IssueTunnelCredentials { tunnel, credentials: new, by };
        self.keep_and_record(&*vault, id, &kept, command).await?;
        if let Some(former) = former {
            forget(&*vault, former);
        }
        self.tunnel(name)
    }

    /// The same for a WireGuard tunnel of the canary's, by an exercise: what its own peer needs of them is handed over here,
    /// and shown to nobody later.
    ///
    /// # Errors
    /// The tunnel isn't there, not the canary's or not by WireGuard, the canary is severed, or they can't be kept or recorded.
    pub async fn issue_canary_tunnel(
        &self,
        name: &str,
        run: Uuid,
        by: Option<OperatorId>,
    ) -> Result<CanaryKeys, CertificateError> {
        let state = self.state();
        let standing = found(&state, name)?;
        if standing.spec.wireguard.is_none() {
            let detail = format!("tunnel `{name}` is not by WireGuard");
            return Err(refused(409, detail, "the canary has a peer of its own for WireGuard alone"));
        }
        let former = state.tunnels.credentials.get(&standing.id()).map(|former| former.id);
        let (kept, new) = self.wireguard(self.new_id());
        let kept = Kept { shown: true, ..kept };
        let keys = CanaryKeys::of(&kept).ok_or_else(|| unknown("Tunnel", name))?;
        let vault = self.tunnel_vault()?;
        let (tunnel, id) = (name.to_owned(), new.id);
        let command = Command::IssueCanaryTunnel { tunnel, credentials: new, run, by };
        self.keep_and_record(&*vault, id, &kept, command).await?;
        if let Some(former) = former {
            forget(&*vault, former);
        }
        Ok(keys)
    }

    /// Lets one of a vendor's people in, with a certificate and an address of their own.
    ///
    /// # Errors
    /// As with [`Self::issue_tunnel_credentials`]; or there is somebody of this name already.
    pub async fn add_tunnel_person(
        &self,
        name: &str,
        request: TunnelPersonRequest,
        by: OperatorId,
    ) -> Result<TunnelView, CertificateError> {
        let state = self.state();
        let standing = found(&state, name)?;
        let person = TunnelId(self.new_id());
        let local =
            standing.spec.ipsec.as_ref().map(|ipsec| ipsec.local_identity.as_str()).unwrap_or_default();
        let identity = person_identity(person, local);
        let (kept, credentials) = self.make(standing.spec, identity, request.request, request.days)?;
        let vault = self.tunnel_vault()?;
        let id = credentials.id;
        let new = NewPerson { id: person, name: Personal::Plain(request.name), credentials };
        let command = Command::AddTunnelPerson { tunnel: name.to_owned(), person: Box::new(new), by };
        self.keep_and_record(&*vault, id, &kept, command).await?;
        self.tunnel(name)
    }

    /// Shuts one of a vendor's people out; again changes nothing.
    ///
    /// # Errors
    /// There is no such person, no reason, or the ledger can't be written.
    pub async fn revoke_tunnel_person(
        &self,
        name: &str,
        request: TunnelPersonRevokeRequest,
        by: OperatorId,
    ) -> Result<TunnelView, CertificateError> {
        let TunnelPersonRevokeRequest { person, reason } = request;
        let state = self.state();
        let former =
            named(&state, &found(&state, name)?, &person).and_then(|found| found.credentials.clone());
        let command = Command::RevokeTunnelPerson { tunnel: name.to_owned(), person, by, reason };
        self.execute(command).await?;
        if let (Some(former), Ok(vault)) = (former, self.tunnel_vault()) {
            forget(&*vault, former.id);
        }
        self.tunnel(name)
    }

    /// The files of both sides. With secrets, they are shown for the only time: what is the vendor's alone isn't kept here
    /// any longer.
    ///
    /// # Errors
    /// There is no such tunnel or person, or the secrets were shown already.
    pub fn render_tunnel(
        &self,
        name: &str,
        request: &TunnelRenderRequest,
    ) -> Result<TunnelRenderAnswer, CertificateError> {
        let (state, now) = (self.state(), self.clock().now());
        let standing = found(&state, name)?;
        let vault = self.tunnel_vault()?;
        let person = match &request.person {
            Some(person) => {
                let unknown = || unknown("person", person);
                Some(named(&state, &standing, person).ok_or_else(unknown)?)
            }
            None if standing.spec.is_for_people() => {
                return Err(refused(
                    422,
                    format!("tunnel `{name}` is for people, each with a configuration of their own"),
                    "name one with `--person`; `portcullis tunnel show` lists them",
                ));
            }
            None => None,
        };
        let tunnel = match person {
            Some(person) => of_person(&state, &standing, person, Some(&*vault), now),
            None => of_gateway(&state, &standing, Some(&*vault), now),
        };
        let tunnel = tunnel.ok_or_else(|| unknown("Tunnel", name))?;
        let credentials = match person {
            Some(person) => person.credentials.as_ref(),
            None => state.tunnels.credentials.get(&standing.id()),
        };
        let credentials = credentials.filter(|issued| state.credentials_hold(issued, now));
        let mut kept = credentials.and_then(|issued| read(&*vault, issued));
        if request.with_secrets {
            show_once(name, &*vault, credentials, kept.as_mut())?;
        }
        let kept = kept.unwrap_or_default();
        let theirs = Theirs {
            chain: kept.their_chain,
            private_key: kept.their_key,
            our_public_key: kept.interface_public_key,
        };
        let of_side = |side, word: &str| -> Vec<TunnelFile> {
            let files = files(&tunnel, side, &theirs, request.with_secrets).into_iter();
            files
                .map(|file| TunnelFile {
                    side: word.to_owned(),
                    path: file.path,
                    text: file.text,
                    secret: file.secret,
                })
                .collect()
        };
        Ok(TunnelRenderAnswer {
            files: [of_side(Side::Ours, "ours"), of_side(Side::Vendors, "vendor")].concat(),
        })
    }

    pub(crate) fn tunnel_vault(&self) -> Result<Arc<dyn TunnelVault>, CertificateError> {
        self.authority()?.tunnel_vault().ok_or_else(|| {
            refused(
                503,
                "this process keeps no credentials".to_owned(),
                "they are issued where the authority is",
            )
        })
    }

    async fn keep_and_record(
        &self,
        vault: &dyn TunnelVault,
        id: Uuid,
        kept: &Kept,
        command: Command,
    ) -> Result<(), CertificateError> {
        vault.put(id, &kept.write()).map_err(CertificateError::Problem)?;
        match self.execute(command).await {
            Ok(_) => Ok(()),
            Err(error) => {
                forget(vault, id);
                Err(error.into())
            }
        }
    }

    fn make(
        &self,
        spec: &TunnelSpec,
        peer: String,
        request: Option<String>,
        days: Option<u32>,
    ) -> Result<(Kept, NewCredentials), CertificateError> {
        let id = self.new_id();
        let no_request = |kind: &str| {
            let hint = "leave the request out: it is for certificates";
            refused(422, format!("a tunnel {kind} takes no certificate request"), hint)
        };
        let Some(ipsec) = &spec.ipsec else {
            if request.is_some() {
                return Err(no_request("by WireGuard"));
            }
            return Ok(self.wireguard(id));
        };
        match ipsec.authentication {
            TunnelAuthentication::Psk if request.is_some() => Err(no_request("by a shared secret")),
            TunnelAuthentication::Psk => Ok(self.preshared(id)),
            TunnelAuthentication::Certificate => {
                let authority = self.authority()?;
                certificates(&*authority, id, (&ipsec.local_identity, peer), request, days)
            }
        }
    }

    fn preshared(&self, id: Uuid) -> (Kept, NewCredentials) {
        let key = format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(self.random()));
        let print = Fingerprint { of: CredentialPart::PresharedKey, sha256: hex_digest(key.as_bytes()) };
        let kept = Kept { preshared_key: Some(key), ..Kept::default() };
        (kept, NewCredentials { id, fingerprints: vec![print], not_after: None })
    }

    fn wireguard(&self, id: Uuid) -> (Kept, NewCredentials) {
        let shared = STANDARD.encode(self.random());
        let mut private = self.random();
        // As `wg genkey` has it (RFC 7748, section 5).
        let [first, .., last] = &mut private;
        *first &= 248;
        *last = *last & 127 | 64;
        // Every 32 bytes are a key of this curve.
        let key = PrivateKey::from_private_key(&X25519, &private).ok();
        let public = key.and_then(|key| key.compute_public_key().ok());
        let public = public.map(|key| key.as_ref().to_vec()).unwrap_or_default();
        let fingerprints = vec![
            Fingerprint { of: CredentialPart::PresharedKey, sha256: hex_digest(shared.as_bytes()) },
            Fingerprint { of: CredentialPart::InterfaceKey, sha256: hex_digest(&public) },
        ];
        let kept = Kept {
            preshared_key: Some(shared),
            interface_key: Some(STANDARD.encode(private)),
            interface_public_key: Some(STANDARD.encode(public)),
            ..Kept::default()
        };
        (kept, NewCredentials { id, fingerprints, not_after: None })
    }

    fn random(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        (self.entropy())(&mut bytes);
        bytes
    }
}

/// What flows, for Prometheus.
pub(crate) fn metrics(state: &State, measures: &Measures, text: &mut String) {
    let named: Vec<(String, &TunnelMeasure)> = state
        .tunnel_standings()
        .filter_map(|standing| {
            let measure = measures.tunnels.iter().find(|measure| measure.tunnel == standing.id())?;
            Some((standing.name.to_owned(), measure))
        })
        .collect();
    if named.is_empty() {
        return;
    }
    let count = |number: u64| number as f64;
    let up = named.iter().map(|(name, measure)| (vec![name.clone()], f64::from(u8::from(measure.up))));
    write_metric(text, "portcullis_tunnel_up", up);
    let bytes = named.iter().flat_map(|(name, measure)| {
        [("in", measure.bytes_in), ("out", measure.bytes_out)]
            .map(|(direction, bytes)| (vec![name.clone(), direction.to_owned()], count(bytes)))
    });
    write_metric(text, "portcullis_tunnel_bytes", bytes);
    let ages = named
        .iter()
        .filter_map(|(name, measure)| Some((vec![name.clone()], count(measure.handshake_age_seconds?))));
    write_metric(text, "portcullis_tunnel_handshake_age_seconds", ages);
}

/// A certificate for each side, under the authority of tunnels.
fn certificates(
    authority: &dyn Authority,
    id: Uuid,
    (ours, theirs): (&str, String),
    request: Option<String>,
    days: Option<u32>,
) -> Result<(Kept, NewCredentials), CertificateError> {
    let days = days.unwrap_or_else(|| authority.days());
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(refused(422, format!("a certificate can't be good for {days} days"), "1 to 397 days"));
    }
    let sign = |name: &str, request: Option<String>| {
        let order = Order { usage: CertificateUse::Tunnels, name: name.to_owned(), request, days };
        authority.sign(&order).map_err(CertificateError::Problem)
    };
    let (ours, theirs) = (sign(ours, None)?, sign(&theirs, request)?);
    let ends: Timestamp = ours.not_after.min(theirs.not_after);
    let fingerprints = vec![
        Fingerprint { of: CredentialPart::OurKey, sha256: ours.key_sha256 },
        Fingerprint { of: CredentialPart::TheirKey, sha256: theirs.key_sha256 },
    ];
    let kept = Kept {
        our_chain: Some(ours.chain_pem),
        our_key: ours.key_pem,
        their_chain: Some(theirs.chain_pem),
        their_key: theirs.key_pem,
        authority: Some(authority.tunnel_authority().map_err(CertificateError::Problem)?),
        ..Kept::default()
    };
    Ok((kept, NewCredentials { id, fingerprints, not_after: Some(ends) }))
}

/// Marks them as shown before anybody has them, and takes the vendor's own key from what is kept.
fn show_once(
    name: &str,
    vault: &dyn TunnelVault,
    credentials: Option<&TunnelCredentials>,
    kept: Option<&mut Kept>,
) -> Result<(), CertificateError> {
    let hint = format!("`portcullis tunnel credentials {name}` issues others, and the former are void then");
    let (Some(issued), Some(kept)) = (credentials, kept) else {
        return Err(refused(409, format!("tunnel `{name}` has no credentials of now"), &hint));
    };
    if kept.shown {
        return Err(refused(409, "these secrets were shown already".to_owned(), &hint));
    }
    let left = Kept { shown: true, their_key: None, ..kept.clone() };
    vault.put(issued.id, &left.write()).map_err(CertificateError::Problem)
}

fn read(vault: &dyn TunnelVault, issued: &TunnelCredentials) -> Option<Kept> {
    vault.get(issued.id).ok().flatten().and_then(|bytes| Kept::read(&bytes))
}

/// What can't be removed opens nothing: the ledger says that it is void.
fn forget(vault: &dyn TunnelVault, id: Uuid) {
    if let Err(problem) = vault.remove(id) {
        tracing::warn!(problem = %problem.detail, %id, "former credentials of a tunnel stay sealed on the disk");
    }
}

fn found<'a>(state: &'a State, name: &str) -> Result<TunnelStanding<'a>, CertificateError> {
    state.tunnel(name).ok_or_else(|| unknown("Tunnel", name))
}

/// By id or by name.
fn named<'a>(state: &'a State, standing: &TunnelStanding<'_>, person: &str) -> Option<&'a Person> {
    state
        .people_of(standing.id())
        .find(|found| found.added.id.to_string() == person || found.added.name.text() == person)
}

fn unknown(kind: &'static str, name: &str) -> CertificateError {
    ExecuteError::from(Refusal::Unknown { kind, name: name.to_owned() }).into()
}

fn refused(status: u16, detail: String, hint: &str) -> CertificateError {
    CertificateError::Problem(Box::new(Problem::new(status, "nothing was done", detail).hint(hint)))
}

fn hex_digest(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
