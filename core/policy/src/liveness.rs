//! Liveness, apart from the snapshot: what may end an exchange that has begun.
//!
//! Each vendor, integration and client has one cell for the life of the process, whatever
//! snapshots come and go. An exchange registers first, then looks at its cells, and looks again
//! before it forwards and before each chunk that leaves.

mod mappings;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use portcullis_domain::access::Access;
use portcullis_domain::ids::{ClientId, IssuerId};
use portcullis_domain::reason::Reason;
use portcullis_domain::target::Target;
use uuid::Uuid;

use crate::access::{AccessFrom, AccessLine};
use crate::facts::{ClientFacts, ClientKeyFacts, SnapshotFacts};
use crate::link::RememberedSeverance;
use crate::posture::{Attested, AttestedCell, PostureCell, PostureFacts};
pub use mappings::Mapping;
use mappings::Mappings;

/// Epoch above, severed below: a newer epoch always wins, so an older snapshot changes nothing.
#[derive(Debug)]
pub struct Cell {
    state: AtomicU64,
    /// Still declared.
    present: AtomicBool,
    /// First instant in force, in microseconds since the Unix epoch.
    starts_us: AtomicI64,
    /// First instant no longer in force.
    contract_ends_us: AtomicI64,
    grant_ends_us: AtomicI64,
    /// Of a client: certificates that aren't registered may be its own.
    by_subject: AtomicBool,
    /// The last second whose tokens from elsewhere are dead.
    cut_off_seconds: AtomicI64,
    /// Of a vendor: what it may have, and from when on.
    access: ArcSwap<AccessLine>,
}

impl Cell {
    fn new() -> Self {
        Self {
            state: AtomicU64::new(1 << 1),
            present: AtomicBool::new(true),
            starts_us: AtomicI64::new(i64::MIN),
            contract_ends_us: AtomicI64::new(i64::MAX),
            grant_ends_us: AtomicI64::new(i64::MAX),
            by_subject: AtomicBool::new(false),
            cut_off_seconds: AtomicI64::new(i64::MIN),
            access: ArcSwap::default(),
        }
    }

    /// Tokens that were issued elsewhere until this second are dead; an earlier one is ignored.
    pub fn cut_off(&self, seconds: i64) {
        self.cut_off_seconds.fetch_max(seconds, Ordering::SeqCst);
    }

    #[must_use]
    pub fn cut_off_seconds(&self) -> i64 {
        self.cut_off_seconds.load(Ordering::SeqCst)
    }

    /// Takes over an epoch with what holds in it; an older one is ignored.
    pub fn raise(&self, epoch: u64, severed: bool) {
        self.state.fetch_max(epoch << 1 | u64::from(severed), Ordering::SeqCst);
    }

    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.state.load(Ordering::SeqCst) >> 1
    }

    #[must_use]
    pub fn severed(&self) -> bool {
        self.state.load(Ordering::SeqCst) & 1 == 1
    }

    /// What the vendor may have from now on.
    pub fn set_access(&self, access: Arc<AccessLine>) {
        self.access.store(access);
    }

    /// What the vendor may have at `now_us`, and why.
    #[must_use]
    pub fn access(&self, now_us: i64) -> Option<AccessFrom> {
        self.access.load().at(now_us).cloned()
    }

    /// Whether a tenth of its records is all that the vendor may have.
    #[must_use]
    pub fn is_limited(&self, now_us: i64) -> bool {
        self.access.load().level(now_us) >= Access::Limited
    }

    /// Why, where it is less than `access`; as the vendor is told.
    fn less_than(&self, access: Access, now_us: i64) -> Option<Reason> {
        let line = self.access.load();
        line.at(now_us).filter(|from| from.level > access).map(AccessFrom::told)
    }

    pub fn set_present(&self, present: bool) {
        self.present.store(present, Ordering::SeqCst);
    }

    pub fn set_by_subject(&self, by_subject: bool) {
        self.by_subject.store(by_subject, Ordering::SeqCst);
    }

    pub fn set_term(&self, starts_us: i64, contract_ends_us: i64, grant_ends_us: i64) {
        self.starts_us.store(starts_us, Ordering::SeqCst);
        self.contract_ends_us.store(contract_ends_us, Ordering::SeqCst);
        self.grant_ends_us.store(grant_ends_us, Ordering::SeqCst);
    }
}

/// The term of one key of one client, or of somebody else's word for it, for the life of the process.
#[derive(Debug)]
pub struct KeyCell {
    /// The first moment in which the key is refused, in microseconds since the Unix epoch.
    until_us: AtomicI64,
    /// From when on its holder is told.
    warn_from_us: AtomicI64,
    /// The snapshot knows it; else it can only be a certificate that its authority stands for.
    registered: AtomicBool,
    lapses: AtomicBool,
    /// When it was registered, in microseconds since the Unix epoch; `i64::MIN` where nobody knows.
    registered_us: AtomicI64,
    attested: AttestedCell,
}

impl KeyCell {
    fn new() -> Self {
        Self {
            until_us: AtomicI64::new(i64::MIN),
            warn_from_us: AtomicI64::new(i64::MAX),
            registered: AtomicBool::new(false),
            lapses: AtomicBool::new(false),
            registered_us: AtomicI64::new(i64::MIN),
            attested: AttestedCell::default(),
        }
    }

    fn set(&self, facts: &ClientKeyFacts) {
        self.lapses.store(facts.lapses, Ordering::SeqCst);
        self.warn_from_us.store(facts.warn_from_us, Ordering::SeqCst);
        self.registered_us.store(facts.registered_us.unwrap_or(i64::MIN), Ordering::SeqCst);
        self.registered.store(true, Ordering::SeqCst);
        self.until_us.store(facts.until_us, Ordering::SeqCst);
    }

    fn forget(&self) {
        self.until_us.store(i64::MIN, Ordering::SeqCst);
        self.warn_from_us.store(i64::MAX, Ordering::SeqCst);
        self.registered.store(false, Ordering::SeqCst);
    }

    /// One load for a key that is good.
    fn check(&self, client: &Cell, now_us: i64) -> Result<(), Reason> {
        if now_us < self.until_us.load(Ordering::SeqCst) {
            return Ok(());
        }
        let registered = self.registered.load(Ordering::SeqCst);
        if !registered && client.by_subject.load(Ordering::SeqCst) {
            return Ok(());
        }
        let lapsed = registered && self.lapses.load(Ordering::SeqCst);
        Err(if lapsed { Reason::ClientKeyLapsed } else { Reason::ClientKeyEnded })
    }

    /// When the key is over, if its holder is to be told by now.
    #[must_use]
    pub fn warning(&self, now_us: i64) -> Option<i64> {
        let told = now_us >= self.warn_from_us.load(Ordering::Relaxed);
        told.then(|| self.until_us.load(Ordering::Relaxed))
    }

    /// Whether the key should have been replaced by now. One that was, and may be used for a while beside the new one, is
    /// not overdue.
    #[must_use]
    pub fn is_overdue(&self, now_us: i64) -> bool {
        self.lapses.load(Ordering::Relaxed) && now_us >= self.warn_from_us.load(Ordering::Relaxed)
    }

    /// When the key was registered, in microseconds since the Unix epoch, if that is known.
    #[must_use]
    pub fn registered_us(&self) -> Option<i64> {
        Some(self.registered_us.load(Ordering::Relaxed)).filter(|registered| *registered > i64::MIN)
    }

    /// Of a key that isn't exportable: from where it has signed a statement lately.
    #[must_use]
    pub fn attested(&self) -> &AttestedCell {
        &self.attested
    }
}

/// How long the keys of an issuer may be used without having been fetched again.
#[derive(Debug)]
pub struct Freshness {
    good_until_seconds: AtomicI64,
    /// A manifest gives the keys: they are good as long as it does.
    declared: AtomicBool,
    /// When control was asked last to look for a new key.
    asked_seconds: AtomicI64,
}

impl Default for Freshness {
    fn default() -> Self {
        let never = || AtomicI64::new(i64::MIN);
        Self { good_until_seconds: never(), declared: AtomicBool::new(false), asked_seconds: never() }
    }
}

impl Freshness {
    /// Takes over what a snapshot says: `i64::MAX` holds until the next one says otherwise.
    pub fn take_over(&self, seconds: i64) {
        let declared = seconds == i64::MAX;
        if !declared {
            self.good_until(seconds);
        }
        self.declared.store(declared, Ordering::SeqCst);
    }

    /// Takes over what was learnt; an earlier end is ignored.
    pub fn good_until(&self, seconds: i64) {
        self.good_until_seconds.fetch_max(seconds, Ordering::SeqCst);
    }

    #[must_use]
    pub fn is_good(&self, now_seconds: i64) -> bool {
        self.declared.load(Ordering::SeqCst) || now_seconds < self.good_until_seconds.load(Ordering::SeqCst)
    }

    /// Whether it is time to ask for new keys: once in `pause_seconds`, whoever wants it.
    #[must_use]
    pub fn may_ask(&self, now_seconds: i64, pause_seconds: i64) -> bool {
        let asked = self.asked_seconds.load(Ordering::SeqCst);
        now_seconds.saturating_sub(asked) >= pause_seconds
            && self
                .asked_seconds
                .compare_exchange(asked, now_seconds, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
    }
}

/// The three cells that an exchange hangs on.
#[derive(Clone, Debug)]
pub struct Lifeline {
    pub vendor: Arc<Cell>,
    pub integration: Arc<Cell>,
    pub client: Arc<Cell>,
}

impl Lifeline {
    /// Whether the client's own key is good now.
    ///
    /// # Errors
    /// It has ended, or lapsed.
    pub fn check_key(&self, key: &KeyCell, now_us: i64) -> Result<(), Reason> {
        key.check(&self.client, now_us)
    }

    /// Whether something new may begin, where what has begun may go on.
    ///
    /// # Errors
    /// The vendor is held.
    pub fn check_open(&self, now_us: i64) -> Result<(), Reason> {
        self.vendor.less_than(Access::Limited, now_us).map_or(Ok(()), Err)
    }

    /// # Errors
    /// Why the exchange may not go on.
    pub fn check(&self, now_us: i64) -> Result<(), Reason> {
        if self.vendor.severed() {
            return Err(Reason::VendorSevered);
        }
        if self.integration.severed() {
            return Err(Reason::IntegrationSevered);
        }
        if self.client.severed() {
            return Err(Reason::ClientSevered);
        }
        if let Some(reason) = self.vendor.less_than(Access::Held, now_us) {
            return Err(reason);
        }
        let term = &self.integration;
        if now_us < term.starts_us.load(Ordering::SeqCst)
            || now_us >= term.contract_ends_us.load(Ordering::SeqCst)
        {
            return Err(Reason::ContractNotInForce);
        }
        if now_us >= term.grant_ends_us.load(Ordering::SeqCst) {
            return Err(Reason::GrantEnded);
        }
        if !self.client.present.load(Ordering::SeqCst) || !self.integration.present.load(Ordering::SeqCst) {
            return Err(Reason::ClientUnknown);
        }
        Ok(())
    }
}

/// Every cell of a gate, and what is refused by name.
#[derive(Debug, Default)]
pub struct Liveness {
    // Locked only where a snapshot is compiled or a severance arrives, never on the request path.
    cells: Mutex<HashMap<Uuid, Arc<Cell>>>,
    /// Client and thumbprint → term. Locked as seldom: a known token holds the cell of its key.
    keys: Mutex<HashMap<ClientId, BTreeMap<String, Arc<KeyCell>>>>,
    /// Whom issuers and trust domains speak for, likewise.
    mappings: Mappings,
    refused_keys: ArcSwap<HashSet<String>>,
    refused_sessions: ArcSwap<HashSet<String>>,
    revoked_tokens: ArcSwap<HashMap<String, i64>>,
    /// What was closed here before a snapshot told of it: key or session → the version of the
    /// snapshot in use at that moment. An older snapshot that arrives late must not reopen it.
    ahead: Mutex<HashMap<String, u64>>,
    fresh: Mutex<HashMap<IssuerId, Arc<Freshness>>>,
    postures: Mutex<HashMap<ClientId, Arc<PostureCell>>>,
    version: AtomicU64,
}

/// The whole of what a snapshot refuses by name.
#[derive(Clone, Default, Debug)]
pub struct RefusedNames {
    pub keys: HashSet<String>,
    pub sessions: HashSet<String>,
    /// Token id → expiry in seconds since the Unix epoch.
    pub tokens: HashMap<String, i64>,
    /// Keys and sessions that were restored, with the ledger's size after that.
    pub lifted: HashMap<String, u64>,
}

impl Liveness {
    /// The cell of `id`, made at its first use.
    pub fn cell(&self, id: Uuid) -> Arc<Cell> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(id).or_insert_with(|| Arc::new(Cell::new())))
    }

    /// The cell of a client's key. One that no snapshot knows yet is refused until one does.
    pub fn key(&self, client: ClientId, thumbprint: &str) -> Arc<KeyCell> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let of_client = keys.entry(client).or_default();
        if let Some(known) = of_client.get(thumbprint) {
            return Arc::clone(known);
        }
        let new = Arc::new(KeyCell::new());
        of_client.insert(thumbprint.to_owned(), Arc::clone(&new));
        new
    }

    /// Whether this key is registered for the client, and good. Whatever is asked about, nothing is kept of it.
    #[must_use]
    pub fn holds_key(&self, client: ClientId, thumbprint: &str, now_us: i64) -> bool {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(&client).and_then(|of_client| of_client.get(thumbprint)).is_some_and(|key| {
            key.registered.load(Ordering::SeqCst) && now_us < key.until_us.load(Ordering::SeqCst)
        })
    }

    /// Takes over the terms of all clients' keys. Those that are gone are refused from now on, and
    /// forgotten once no token holds them.
    pub fn set_keys(&self, clients: &[ClientFacts]) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known: HashMap<ClientId, &[ClientKeyFacts]> = HashMap::with_capacity(clients.len());
        for client in clients {
            known.insert(client.id, &client.keys);
            let of_client = keys.entry(client.id).or_default();
            for key in &client.keys {
                match of_client.get(&key.thumbprint) {
                    Some(cell) => cell.set(key),
                    None => {
                        let cell = KeyCell::new();
                        cell.set(key);
                        of_client.insert(key.thumbprint.clone(), Arc::new(cell));
                    }
                }
            }
        }
        keys.retain(|client, cells| {
            let known = known.get(client).copied().unwrap_or_default();
            cells.retain(|thumbprint, cell| {
                let stays = known.iter().any(|key| key.thumbprint == *thumbprint);
                if !stays {
                    cell.forget();
                }
                stays || Arc::strong_count(cell) > 1
            });
            !cells.is_empty()
        });
    }

    /// The cell of somebody else's word for a client. Locked as seldom as that of a key.
    pub fn mapping(&self, mapping: Mapping) -> Arc<KeyCell> {
        self.mappings.cell(mapping)
    }

    /// Takes over whom issuers and trust domains speak for.
    pub fn set_mappings(&self, facts: &SnapshotFacts) {
        self.mappings.set(facts);
    }

    /// How long the keys of an issuer are good, made at its first use.
    pub fn freshness(&self, issuer: IssuerId) -> Arc<Freshness> {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(fresh.entry(issuer).or_default())
    }

    /// What is held of a client's machine, made at its first use. A compiled snapshot holds it for the requests.
    pub fn posture(&self, client: ClientId) -> Arc<PostureCell> {
        let mut postures = self.postures.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(postures.entry(client).or_default())
    }

    /// Takes over what is held of a client's machine from now on.
    pub fn set_posture(&self, client: ClientId, facts: &PostureFacts, attested: Option<&Attested>) {
        self.posture(client).take_over(facts);
        if let Some(attested) = attested {
            self.key(client, &attested.thumbprint).attested.set(attested.prefix, attested.until_seconds);
        }
    }

    /// Marks every cell that is not among `present` as gone.
    pub fn keep_only(&self, present: &HashSet<Uuid>) {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, cell) in cells.iter() {
            cell.set_present(present.contains(id));
        }
    }

    /// Closes `target` for every core at once.
    pub fn sever(&self, target: &Target, epoch: u64, keys: &[String]) {
        match target {
            Target::Vendor { id } => self.cell(id.0).raise(epoch, true),
            Target::Integration { id } => self.cell(id.0).raise(epoch, true),
            Target::Client { id } => self.cell(id.0).raise(epoch, true),
            Target::Key { .. } => {}
            Target::Session { session, .. } => {
                self.mark_ahead(std::slice::from_ref(session));
                add(&self.refused_sessions, [session.as_str()]);
            }
        }
        self.cut_keys(keys);
    }

    /// Tokens of an older epoch of `target` are dead from now on.
    pub fn sign_out(&self, target: &Target, epoch: u64, cut_off_seconds: i64) {
        match target {
            Target::Vendor { .. } | Target::Integration { .. } | Target::Client { .. } => {
                let cell = self.cell(target.id());
                cell.cut_off(cut_off_seconds);
                cell.raise(epoch, false);
            }
            // They have no epoch.
            Target::Key { .. } | Target::Session { .. } => {}
        }
    }

    /// Closes what was severed while an earlier process ran: as if it were now, under the snapshot of then.
    pub fn recall(&self, remembered: &RememberedSeverance) {
        match &remembered.target {
            Target::Vendor { id } => self.cell(id.0).raise(remembered.epoch, true),
            Target::Integration { id } => self.cell(id.0).raise(remembered.epoch, true),
            Target::Client { id } => self.cell(id.0).raise(remembered.epoch, true),
            Target::Key { .. } => {}
            Target::Session { session, .. } => {
                self.mark_ahead_of(std::slice::from_ref(session), remembered.version);
                add(&self.refused_sessions, [session.as_str()]);
            }
        }
        self.mark_ahead_of(&remembered.keys, remembered.version);
        add(&self.refused_keys, remembered.keys.iter().map(String::as_str));
    }

    fn mark_ahead_of(&self, names: &[String], version: u64) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.extend(names.iter().map(|name| (name.clone(), version)));
    }

    /// The version of the newest snapshot whose refusals were taken over.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    /// Closes keys at once, whatever the snapshot in use says.
    pub fn cut_keys(&self, keys: &[String]) {
        self.mark_ahead(keys);
        add(&self.refused_keys, keys.iter().map(String::as_str));
    }

    fn mark_ahead(&self, names: &[String]) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock: a version from before the snapshot that comes now would be older than
        // restorations in it, and the next one would reopen what was closed after them.
        let version = self.version.load(Ordering::SeqCst);
        ahead.extend(names.iter().map(|name| (name.clone(), version)));
    }

    /// Takes over what the snapshot of `version` refuses by name, and keeps what was closed since
    /// it was made.
    pub fn replace(&self, version: u64, refused: RefusedNames, now_seconds: i64) {
        let RefusedNames { mut keys, mut sessions, tokens, lifted } = refused;
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        self.version.store(version, Ordering::SeqCst);
        ahead.retain(|name, closed_at| {
            let told = keys.contains(name) || sessions.contains(name);
            let restored = lifted.get(name).is_some_and(|at| at > closed_at);
            !told && !restored
        });
        // A name is a key's or a session's; both sets may hold it, since neither is looked up for the other.
        keys.extend(ahead.keys().cloned());
        sessions.extend(ahead.keys().cloned());
        self.refused_keys.store(Arc::new(keys));
        self.refused_sessions.store(Arc::new(sessions));
        // A revocation may arrive at this very moment: it must not be overwritten by an older set.
        self.revoked_tokens.rcu(|known| {
            let all = tokens.iter().chain(known.iter()).map(|(id, expires)| (id.clone(), *expires));
            all.filter(|(_, expires)| *expires > now_seconds).collect::<HashMap<_, _>>()
        });
    }

    pub fn revoke_token(&self, token_id: &str, expires_at: i64) {
        self.revoked_tokens.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.insert(token_id.to_owned(), expires_at);
            known
        });
    }

    #[must_use]
    pub fn key_refused(&self, thumbprint: &str) -> bool {
        self.refused_keys.load().contains(thumbprint)
    }

    #[must_use]
    pub fn session_refused(&self, session: &str) -> bool {
        self.refused_sessions.load().contains(session)
    }

    #[must_use]
    pub fn token_revoked(&self, token_id: &str) -> bool {
        self.revoked_tokens.load().contains_key(token_id)
    }
}

fn add<'a>(set: &ArcSwap<HashSet<String>>, new: impl IntoIterator<Item = &'a str> + Clone) {
    set.rcu(|known| {
        let mut known = HashSet::clone(known);
        known.extend(new.clone().into_iter().map(str::to_owned));
        known
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_epoch_never_reopens() {
        let cell = Cell::new();
        cell.raise(2, true);
        cell.raise(1, false);
        assert!(cell.severed());
        assert_eq!(cell.epoch(), 2);
        cell.raise(3, false);
        assert!(!cell.severed());
        cell.raise(2, true);
        assert!(!cell.severed());
    }

    #[test]
    fn keys_are_asked_for_once_in_a_while_and_an_earlier_end_changes_nothing() {
        let fresh = Freshness::default();
        assert!(!fresh.is_good(0));
        fresh.good_until(100);
        fresh.good_until(50);
        assert!(fresh.is_good(99) && !fresh.is_good(100));
        assert!(fresh.may_ask(7, 60));
        assert!(!fresh.may_ask(66, 60));
        assert!(fresh.may_ask(67, 60));
    }

    #[test]
    fn keys_that_are_fetched_from_now_on_grow_stale_again() {
        let fresh = Freshness::default();
        fresh.take_over(i64::MAX);
        assert!(fresh.is_good(i64::MAX - 1), "of a manifest");
        fresh.good_until(50);
        assert!(fresh.is_good(51), "a fetch that ended late changes nothing");
        fresh.take_over(0);
        assert!(fresh.is_good(49) && !fresh.is_good(50), "nothing was fetched since");
        fresh.take_over(100);
        fresh.take_over(i64::MAX);
        fresh.take_over(50);
        assert!(fresh.is_good(99) && !fresh.is_good(100));
    }

    #[test]
    fn terms_and_removal_end_a_lifeline() {
        let liveness = Liveness::default();
        let ids = [Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)];
        let line = Lifeline {
            vendor: liveness.cell(ids[0]),
            integration: liveness.cell(ids[1]),
            client: liveness.cell(ids[2]),
        };
        line.integration.set_term(100, 200, 150);
        assert_eq!(line.check(99), Err(Reason::ContractNotInForce));
        assert_eq!(line.check(100), Ok(()));
        assert_eq!(line.check(150), Err(Reason::GrantEnded));
        assert_eq!(line.check(200), Err(Reason::ContractNotInForce));
        liveness.keep_only(&HashSet::from([ids[0], ids[1]]));
        assert_eq!(line.check(100), Err(Reason::ClientUnknown));
        liveness.keep_only(&ids.into_iter().collect());
        line.vendor.raise(2, true);
        assert_eq!(line.check(100), Err(Reason::VendorSevered));
    }

    #[test]
    fn what_was_closed_here_outlives_an_older_snapshot_and_not_its_restoration() {
        let liveness = Liveness::default();
        let with = |keys: &[&str], lifted: &[(&str, u64)]| RefusedNames {
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            lifted: lifted.iter().map(|(key, at)| ((*key).to_owned(), *at)).collect(),
            ..RefusedNames::default()
        };
        liveness.replace(5, with(&[], &[]), 0);
        liveness.cut_keys(&["k".to_owned()]);
        liveness.replace(6, with(&[], &[("k", 4)]), 0);
        assert!(liveness.key_refused("k"), "restored before it was cut again");
        liveness.replace(7, with(&["k"], &[]), 0);
        assert!(liveness.key_refused("k"));
        liveness.replace(8, with(&[], &[("k", 8)]), 0);
        assert!(!liveness.key_refused("k"));
        liveness.cut_keys(&["k".to_owned()]);
        liveness.replace(10, with(&[], &[("k", 10)]), 0);
        assert!(!liveness.key_refused("k"), "cut and restored between two snapshots");
    }
}
