//! The process keeps one capability, `CAP_NET_ADMIN`, and hands it to `nft` and `wg`, which it starts; all others are
//! gone for good, from those that it starts, too.

use rustix::fs::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs, set_thread_gid, set_thread_groups, set_thread_uid,
};

#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    #[error(
        "this process may not change networks: it has no CAP_NET_ADMIN\nhint: start it as root, which it drops all else of, or with `AmbientCapabilities=CAP_NET_ADMIN` by systemd"
    )]
    Missing,
    #[error("{doing}: {source}")]
    Failed { doing: &'static str, source: rustix::io::Errno },
}

/// Who the process is from then on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    /// Groups beside its own: those of the sockets of charon and WireGuard.
    pub groups: Vec<u32>,
}

/// Whether the process has the one right that it needs.
///
/// # Errors
/// It hasn't, or the kernel doesn't say.
pub fn check() -> Result<CapabilitySets, PrivilegeError> {
    let doing = "reading capabilities";
    let sets = capabilities(None).map_err(|source| PrivilegeError::Failed { doing, source })?;
    sets.permitted.contains(CapabilitySet::NET_ADMIN).then_some(sets).ok_or(PrivilegeError::Missing)
}

/// Drops every right but one. Call it before any thread is started: it holds for this one and its children.
///
/// # Errors
/// The right isn't there, or the kernel refuses.
pub fn confine(user: Option<&User>) -> Result<(), PrivilegeError> {
    let failed = |doing| move |source| PrivilegeError::Failed { doing, source };
    let before = check()?;
    if before.effective.contains(CapabilitySet::SETPCAP) {
        // Before the user changes: it takes a right that goes with that.
        for bit in 0..64 {
            let one = CapabilitySet::from_bits_retain(1 << bit);
            if one != CapabilitySet::NET_ADMIN && capability_is_in_bounding_set(one).unwrap_or(false) {
                remove_capability_from_bounding_set(one).map_err(failed("giving up capabilities"))?;
            }
        }
    }
    if let Some(user) = user {
        set_keep_capabilities(true).map_err(failed("keeping CAP_NET_ADMIN"))?;
        let groups: Vec<Gid> = user.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        set_thread_groups(&groups).map_err(failed("joining groups"))?;
        set_thread_gid(Gid::from_raw(user.gid)).map_err(failed("changing the group"))?;
        set_thread_uid(Uid::from_raw(user.uid)).map_err(failed("changing the user"))?;
    }
    let only = CapabilitySet::NET_ADMIN;
    set_capabilities(None, CapabilitySets { effective: only, permitted: only, inheritable: only })
        .map_err(failed("giving up capabilities"))?;
    configure_capability_in_ambient_set(only, true).map_err(failed("handing on CAP_NET_ADMIN"))?;
    set_no_new_privs(true).map_err(failed("refusing new privileges"))
}

/// Finds a user, and the groups that list it, in the texts of `/etc/passwd` and `/etc/group`; a number is taken as it is.
#[must_use]
pub fn find_user(name: &str, passwd: &str, group: &str) -> Option<User> {
    let (known, uid, gid) = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (known, _, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        (known == name || uid == name).then_some(())?;
        Some((known, uid.parse().ok()?, gid.parse().ok()?))
    })?;
    let groups = group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (_, _, id, members) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        members.split(',').any(|member| member == known).then(|| id.parse().ok())?
    });
    Some(User { uid, gid, groups: groups.collect() })
}

/// The number of a group in the text of `/etc/group`; a number is taken as it is.
#[must_use]
pub fn find_group(name: &str, group: &str) -> Option<u32> {
    let known = group.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (known, _, id) = (fields.next()?, fields.next()?, fields.next()?);
        (known == name).then(|| id.parse().ok())?
    });
    known.or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_found_by_name_or_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nnetcut:x:990:991::/:/bin/false\nbroken\n";
        let group =
            "root:x:0:\nvici:x:500:charon,netcut\nwg:x:501:netcut\nother:x:502:netcutter\nbad:x:a:netcut\n";
        let user = User { uid: 990, gid: 991, groups: vec![500, 501] };
        assert_eq!(find_user("netcut", passwd, group), Some(user.clone()));
        assert_eq!(find_user("990", passwd, group), Some(user));
        assert_eq!(find_user("nobody", passwd, group), None);
        assert_eq!(find_group("wg", group), Some(501));
        assert_eq!(find_group("77", group), Some(77));
        assert_eq!(find_group("none", group), None);
    }
}
