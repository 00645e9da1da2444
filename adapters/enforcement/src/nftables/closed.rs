//! The table of what is closed, as it is known here and as the kernel has it.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use portcullis_network::ruleset::{self, CLOSED, ClosedNetwork};

use super::kernel::Kernel;
use crate::ArmError;

/// Networks in one transaction: with more of them the whole table is as fast, and is written by `nft`.
const AT_ONCE_MAX: usize = 1_000;

/// What is in the sets. Networks in it never overlap.
#[derive(Default)]
pub(super) struct Closed {
    /// With the comment that says why and whose.
    networks: BTreeMap<IpNet, String>,
    /// Whether the kernel had just these, when it was asked or told last.
    known: bool,
    /// Cuts so far.
    cuts: u64,
}

impl Closed {
    pub fn cuts(&self) -> u64 {
        self.cuts
    }

    /// From here on, nothing is opened by a plan that was made before.
    pub fn cut_comes(&mut self) {
        self.cuts = self.cuts.wrapping_add(1);
    }

    /// Has the kernel asked anew before the next change: others may have changed it meanwhile.
    pub fn doubt(&mut self) {
        self.known = false;
    }

    /// Adds networks, and says which were open.
    pub fn close(&mut self, networks: &[ClosedNetwork]) -> Result<Vec<bool>, ArmError> {
        if !self.known {
            self.look()?;
        }
        let open: Vec<bool> = networks.iter().map(|of| !self.covers(of.network)).collect();
        let mut added: Vec<ClosedNetwork> = Vec::new();
        for (closed, _) in networks.iter().zip(&open).filter(|(_, open)| **open) {
            if added.iter().any(|of| of.network.contains(&closed.network)) {
                continue;
            }
            added.retain(|of| !closed.network.contains(&of.network));
            added.push(closed.clone());
            if added.len() > AT_ONCE_MAX {
                return Err(ArmError::Failed {
                    doing: "closing networks",
                    why: "too many at once".to_owned(),
                });
            }
        }
        let gone: Vec<IpNet> = added.iter().flat_map(|of| self.within(of.network)).collect();
        self.change(&gone, &added)?;
        Ok(open)
    }

    /// What the table has to hold with more networks, and which of these were open.
    pub fn whole(&mut self, networks: Vec<ClosedNetwork>) -> (Vec<ClosedNetwork>, Vec<bool>) {
        let open = networks.iter().map(|of| !self.known || !self.covers(of.network)).collect();
        // Whoever loads it may be broken off, and it be loaded all the same.
        self.known = false;
        let known = self
            .networks
            .iter()
            .map(|(network, comment)| ClosedNetwork { network: *network, comment: comment.clone() });
        let mut all: Vec<ClosedNetwork> = known.chain(networks).collect();
        // What holds others comes before them.
        all.sort();
        let mut whole: Vec<ClosedNetwork> = Vec::with_capacity(all.len());
        for closed in all {
            if !whole.last().is_some_and(|outer| outer.network.contains(&closed.network)) {
                whole.push(closed);
            }
        }
        (whole, open)
    }

    /// Takes away what isn't wanted any more, unless something was cut since `began`: the next plan does it then.
    pub fn open_all_but(&mut self, wanted: &[ClosedNetwork], began: u64) -> Result<(), ArmError> {
        if self.cuts != began {
            return Ok(());
        }
        let keep: BTreeSet<IpNet> = wanted.iter().map(|of| of.network).collect();
        let gone: Vec<IpNet> =
            self.networks.keys().copied().filter(|network| !keep.contains(network)).collect();
        for chunk in gone.chunks(AT_ONCE_MAX) {
            // Of a wide network, a part may stay closed: both change in one step.
            let part = |of: &&ClosedNetwork| {
                !self.networks.contains_key(&of.network)
                    && chunk.iter().any(|gone| gone.contains(&of.network))
            };
            let added: Vec<ClosedNetwork> = wanted.iter().filter(part).cloned().collect();
            self.change(chunk, &added)?;
        }
        Ok(())
    }

    pub fn covers(&self, network: IpNet) -> bool {
        // Networks that hold it begin at its address or before; they don't overlap, so the nearest is the one.
        let before = self.networks.range(..=network.trunc()).next_back();
        before.is_some_and(|(outer, _)| outer.contains(&network))
    }

    /// Reads what the kernel has. An error where the table isn't there, or doesn't drop what is in its sets; what
    /// was known stays known.
    pub fn look(&mut self) -> Result<(), ArmError> {
        self.known = false;
        let mut kernel = Kernel::open()?;
        let chains = kernel.chains(CLOSED)?;
        for wanted in ruleset::closed(&[]).chains {
            let rules: Vec<&str> = wanted.rules.iter().map(|rule| rule.comment).collect();
            let there =
                chains.iter().any(|chain| chain.name == wanted.name && chain.hooked && chain.rules == rules);
            if !there {
                let why =
                    format!("chain `{}` of table `{CLOSED}` is not there as it was written", wanted.name);
                return Err(ArmError::Failed { doing: "reading the packet filter back", why });
            }
        }
        let mut read: [BTreeMap<IpNet, String>; 2] = Default::default();
        for (networks, sets) in read.iter_mut().zip([["from4", "from6"], ["to4", "to6"]]) {
            for set in sets {
                networks.extend(kernel.elements(CLOSED, set)?.into_iter().map(|of| (of.network, of.comment)));
            }
        }
        let [from, to] = read;
        if !from.keys().eq(to.keys()) {
            let why = format!("the sets of table `{CLOSED}` hold different networks");
            return Err(ArmError::Failed { doing: "reading the packet filter back", why });
        }
        self.networks = from;
        self.known = true;
        Ok(())
    }

    fn within(&self, network: IpNet) -> impl Iterator<Item = IpNet> + '_ {
        let behind = self.networks.range(network..).map(|(inner, _)| *inner);
        behind.take_while(move |inner| network.contains(inner))
    }

    fn change(&mut self, gone: &[IpNet], added: &[ClosedNetwork]) -> Result<(), ArmError> {
        if gone.is_empty() && added.is_empty() {
            return Ok(());
        }
        self.known = false;
        Kernel::open()?.change(CLOSED, gone, added)?;
        self.networks.retain(|network, _| !gone.contains(network));
        self.networks.extend(added.iter().map(|of| (of.network, of.comment.clone())));
        self.known = true;
        Ok(())
    }
}
