//! Reading a gate's certificate, settings and identities anew while it serves.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::gate::GateError;
use crate::settings::GateSettings;
use crate::shared::Shared;
use crate::snapshots::{Identities, Reread, RereadError};
use crate::tls::{TlsMaterial, VendorTls};

/// Replaces what a gate was started with. Cheap to clone.
#[derive(Clone)]
pub struct Reloads {
    shared: Arc<Shared>,
    reread: mpsc::Sender<Reread>,
}

/// What [`Reloads::put_to_use`] takes.
pub struct Prepared {
    /// None where it would be the same as before.
    tls: Option<VendorTls>,
    settings: GateSettings,
}

/// What a reload has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reloaded {
    /// The gate's own certificate, or the TLS versions that it speaks.
    pub tls: bool,
    pub settings_before: Arc<GateSettings>,
    /// Names of the identities whose files had changed.
    pub identities: Vec<String>,
    /// Upstreams that were closed before and still are, because their files can't be used.
    pub closed: Vec<String>,
}

impl Reloads {
    pub(crate) fn new(shared: Arc<Shared>, reread: mpsc::Sender<Reread>) -> Self {
        Self { shared, reread }
    }

    /// Makes what a reload will put to use, and changes nothing yet.
    ///
    /// # Errors
    /// A certificate, key or setting that can't be used.
    pub fn prepare(&self, material: &TlsMaterial, settings: GateSettings) -> Result<Prepared, GateError> {
        settings.check()?;
        let minimum = settings.tls_minimum;
        // The same certificate under the same rules stays: tickets that were given out are good.
        let tls = if self.shared.tls.load().is_of(material, minimum) {
            None
        } else {
            Some(VendorTls::new(material, minimum, self.shared.clock.clone())?)
        };
        Ok(Prepared { tls, settings })
    }

    /// Reads the identities that are shown to upstreams anew, then puts to use what was prepared.
    /// It holds for handshakes and connections from now on; those that stand are not touched.
    ///
    /// # Errors
    /// An upstream that can be reached now could not be with what its files hold; then nothing has
    /// changed.
    pub async fn put_to_use(&self, prepared: Prepared) -> Result<Reloaded, RereadError> {
        let (answer, answered) = oneshot::channel();
        self.reread.send(answer).await.map_err(|_| RereadError::Gone)?;
        let Identities { changed, closed } = answered.await.map_err(|_| RereadError::Gone)??;
        let Prepared { tls, settings } = prepared;
        let replaced = tls.is_some();
        if let Some(tls) = tls {
            self.shared.tls.store(Arc::new(tls));
        }
        let settings_before = self.shared.settings.swap(Arc::new(settings));
        Ok(Reloaded { tls: replaced, settings_before, identities: changed, closed })
    }
}
