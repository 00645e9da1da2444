//! Packets, by nftables: the tables of [`portcullis_network::ruleset`], and no others.
//!
//! A plan is put into force by `nft`, which reads the text that people are shown, in one transaction for a table.
//! A cut adds its networks to the sets of [`CLOSED`] by netlink, and what the kernel has is read back the same way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_network::cut::Cut;
use portcullis_network::order::{Arm, Bypass, DropMeasure, Measures, PathReport};
use portcullis_network::plan::{ClosedBy, NetworkPlan, Standing};
use portcullis_network::ruleset::{self, CLOSED, ClosedNetwork, Count, SEGMENTS};

use crate::turn::{Turn, Turns};
use crate::{Answer, ArmError, Inspection, NetworkArm};

mod closed;
mod compare;
mod kernel;
mod run;

use closed::Closed;
pub use run::Nft;
use run::aside;

/// The arm of packets.
#[derive(Clone)]
pub struct Packets {
    nft: Nft,
    closed: Arc<Mutex<Closed>>,
    /// Who writes the table of what is closed: between what is known of it and the word that it is loaded, nobody else.
    turns: Turns,
}

impl Packets {
    /// Runs `program`, such as `nft`, which is looked for on the path where it has no directory.
    #[must_use]
    pub fn new(program: String) -> Self {
        Self { nft: Nft::new(program), closed: Arc::default(), turns: Turns::default() }
    }

    /// What differs between the plan and what the kernel has, in words; nothing where it is in force.
    ///
    /// # Errors
    /// The kernel can't be asked.
    pub async fn differences(&self, plan: &NetworkPlan) -> Result<Vec<String>, ArmError> {
        self.differ(Arc::new(plan.clone())).await
    }

    async fn differ(&self, plan: Arc<NetworkPlan>) -> Result<Vec<String>, ArmError> {
        let listed = self.nft.tables().await?;
        let differ = move || {
            let mut differences = Vec::new();
            for table in ruleset::tables(&plan) {
                differences.extend(compare::differences(&table, &listed));
            }
            if !plan.segmented && compare::has_table(&listed, SEGMENTS) {
                differences.push(format!("table `{SEGMENTS}` is there, though segmentation is off"));
            }
            differences
        };
        aside(differ).await
    }

    async fn put_into_force(&self, plan: &NetworkPlan) -> Result<(), ArmError> {
        // Rendering and comparing it takes long where it is big: on threads that nothing waits for.
        let plan = Arc::new(plan.clone());
        let closing = Arc::clone(&plan);
        let wanted = aside(move || ruleset::closed_networks(&closing)).await?;
        let began = self
            .locked(|closed| {
                closed.doubt();
                Ok(closed.cuts())
            })
            .await?;
        // First what closes, then the segments, and what opens at last: nothing passes in between that neither
        // the plan before nor this one lets pass.
        self.close(wanted.clone(), self.turns.wait().await).await?;
        if plan.segmented {
            let segments = Arc::clone(&plan);
            let script =
                aside(move || counts().map(|counts| ruleset::segments(&segments, &counts).replacing()));
            self.nft.load(script.await??, None).await?;
        } else {
            self.nft.load(ruleset::removing(SEGMENTS), None).await?;
        }
        let turn = self.turns.wait().await;
        self.locked(move |closed| {
            let _turn = turn;
            closed.open_all_but(&wanted, began)
        })
        .await?;
        let differences = self.differ(plan).await?;
        match &*differences {
            [] => Ok(()),
            some => Err(ArmError::Failed {
                doing: "reading the packet filter back",
                why: some.iter().take(5).cloned().collect::<Vec<_>>().join("; "),
            }),
        }
    }

    /// Adds to the sets of what is closed; writes their table where it isn't there, or isn't as we wrote it.
    async fn close(&self, networks: Vec<ClosedNetwork>, turn: Turn) -> Result<Vec<bool>, ArmError> {
        let (adding, held) = (networks.clone(), turn.clone());
        let added = self.locked(move |closed| {
            let _held = held;
            closed.close(&adding)
        });
        match added.await {
            Ok(open) => return Ok(open),
            Err(ArmError::Absent(why)) => return Err(ArmError::Absent(why)),
            // Not there, changed by somebody, or too much at once: the whole table is written.
            Err(_) => {}
        }
        let (script, open) = self
            .locked(move |closed| {
                let (whole, open) = closed.whole(networks);
                Ok((ruleset::closed(&whole).replacing(), open))
            })
            .await?;
        self.nft.load(script, Some(turn.clone())).await?;
        self.locked(move |closed| {
            let _held = turn;
            closed.look().map(|()| open)
        })
        .await
    }

    async fn checked(&self, cut: &Cut) -> Result<Vec<PathReport>, ArmError> {
        let networks = cut.networks.clone();
        if networks.is_empty() {
            return Ok(Vec::new());
        }
        self.locked(move |closed| {
            closed.look()?;
            let open: Vec<String> = networks
                .iter()
                .filter(|network| !closed.covers(**network))
                .map(ToString::to_string)
                .collect();
            if !open.is_empty() {
                return Err(ArmError::Open(format!(
                    "{} in table `{CLOSED}`: not in the sets",
                    open.join(", ")
                )));
            }
            let how = "read back: in the sets `from` and `to`, which the hooked chains drop";
            Ok(networks.iter().map(|network| path(&network.to_string(), false, how)).collect())
        })
        .await
    }

    /// On a thread that may wait for the kernel.
    async fn locked<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Closed) -> Result<T, ArmError> + Send + 'static,
    ) -> Result<T, ArmError> {
        let closed = Arc::clone(&self.closed);
        let work = move || work(&mut closed.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| ArmError::Failed { doing: "asking the kernel", why: error.to_string() })?
    }
}

impl NetworkArm for Packets {
    fn arm(&self) -> Arm {
        Arm::Packets
    }

    fn probe(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.nft.probe().await?;
            self.locked(|_| kernel::probe()).await
        })
    }

    fn enforce<'a>(&'a self, plan: &'a NetworkPlan) -> Answer<'a, ()> {
        Box::pin(async move {
            match self.put_into_force(plan).await {
                // A host without a packet filter lacks nothing while there is nothing to drop.
                Err(ArmError::Absent(_)) if !plan.segmented && plan.closed_networks().is_empty() => Ok(()),
                result => result,
            }
        })
    }

    fn sever<'a>(&'a self, cut: &'a Cut) -> Answer<'a, Vec<PathReport>> {
        Box::pin(async move {
            if cut.networks.is_empty() {
                return Ok(Vec::new());
            }
            let why = ClosedBy::Severance { severance: cut.severance };
            let comment = ruleset::closed_comment(&cut.owner, Standing::Closed { why });
            let networks = cut
                .networks
                .iter()
                .map(|network| ClosedNetwork { network: network.trunc(), comment: comment.clone() });
            let networks = networks.collect();
            self.locked(|closed| {
                closed.cut_comes();
                Ok(())
            })
            .await?;
            let turn = self.turns.cut().await;
            let was_open = self.close(networks, turn.clone()).await?;
            turn.is_good()?;
            let paths = cut.networks.iter().zip(was_open.into_iter().chain(std::iter::repeat(true)));
            Ok(paths
                .map(|(network, open)| {
                    path(&network.to_string(), open, "added to the sets of what is dropped")
                })
                .collect())
        })
    }

    fn verify<'a>(&'a self, cut: &'a Cut) -> Answer<'a, Vec<PathReport>> {
        Box::pin(self.checked(cut))
    }

    fn measure<'a>(&'a self, _: &'a NetworkPlan) -> Answer<'a, Measures> {
        Box::pin(async {
            let dropped = self.locked(|_| dropped()).await?;
            Ok(Measures { dropped, ..Measures::default() })
        })
    }

    fn inspect<'a>(&'a self, plan: &'a NetworkPlan) -> Answer<'a, Inspection> {
        Box::pin(async {
            // What isn't as it should be comes first, under a kind of its own.
            let differences = self.differences(plan).await?.into_iter().map(|what| Bypass {
                kind: "difference".to_owned(),
                what,
                why: "the kernel has something else than the plan".to_owned(),
                hint: "it is put right within a minute; who changes it?".to_owned(),
            });
            let mut found: Vec<Bypass> = differences.collect();
            let bypasses = crate::bypasses::inspect(&self.nft, plan).await?;
            found.extend(bypasses.found);
            Ok(Inspection { found, ..bypasses })
        })
    }
}

fn path(network: &str, was_open: bool, how: &str) -> PathReport {
    PathReport {
        path: format!("network/{network}"),
        was_open,
        closed_us: None,
        verified_us: None,
        how: how.to_owned(),
    }
}

/// Named counters of the segments, which a new table begins with.
fn counts() -> Result<BTreeMap<String, Count>, ArmError> {
    Ok(kernel::Kernel::open()?.counters(SEGMENTS)?.into_iter().collect())
}

/// What was dropped of each vendor: outside the plan, and from what is closed.
fn dropped() -> Result<Vec<DropMeasure>, ArmError> {
    let mut kernel = kernel::Kernel::open()?;
    let mut vendors: BTreeMap<_, Count> = BTreeMap::new();
    for (name, count) in kernel.counters(SEGMENTS)? {
        if let Some(vendor) = ruleset::vendor_of_counter(&name) {
            add(vendors.entry(vendor).or_default(), count);
        }
    }
    for element in kernel.elements(CLOSED, "from4")?.into_iter().chain(kernel.elements(CLOSED, "from6")?) {
        if let Some(vendor) = ruleset::vendor_of_comment(&element.comment) {
            add(vendors.entry(vendor).or_default(), element.count);
        }
    }
    let dropped = vendors.into_iter();
    Ok(dropped
        .map(|(vendor, count)| DropMeasure { vendor, packets: count.packets, bytes: count.bytes })
        .collect())
}

fn add(sum: &mut Count, count: Count) {
    sum.packets = sum.packets.saturating_add(count.packets);
    sum.bytes = sum.bytes.saturating_add(count.bytes);
}
