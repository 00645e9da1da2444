use super::*;

fn vault(folder: &Path) -> Vault {
    Vault::open(folder, None).unwrap()
}

fn words(error: anyhow::Error) -> String {
    format!("{error:#}")
}

#[test]
fn what_is_sealed_opens_where_it_was_written_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let sealed = vault(&keys);
    let (a, b) = (keys.join("a.key"), keys.join("b.key"));
    sealed.write(&a, b"secret of a").unwrap();
    let stored = fs::read(&a).unwrap();
    assert!(!stored.windows(6).any(|part| part == b"secret"));
    assert_eq!(sealed.read(&a).unwrap(), b"secret of a");
    fs::copy(&a, &b).unwrap();
    assert!(words(sealed.read(&b).unwrap_err()).contains("is damaged\nhint: "));
    fs::remove_file(&b).unwrap();
    // Every byte counts; a change is an error, never a panic or another secret.
    for place in 0..stored.len() {
        let mut changed = stored.clone();
        changed[place] ^= 1;
        fs::write(&a, &changed).unwrap();
        if let Ok(read) = sealed.read(&a) {
            assert!(read == changed || read == b"secret of a", "{place}");
        }
    }
    // What lay open is sealed at the next opening; what was brought is left alone.
    fs::write(&a, "open").unwrap();
    fs::write(keys.join("gate.external.key"), "brought").unwrap();
    let again = vault(&keys);
    assert_ne!(fs::read(&a).unwrap(), b"open");
    assert_eq!(again.read(&a).unwrap(), b"open");
    assert_eq!(fs::read(keys.join("gate.external.key")).unwrap(), b"brought");
}

#[test]
fn a_master_key_that_is_gone_or_another_is_told_with_what_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    vault(&keys).write(&keys.join("a.key"), b"secret").unwrap();
    let own = keys.join(OWN_MASTER);
    let held = fs::read(&own).unwrap();
    fs::remove_file(&own).unwrap();
    let missing = words(Vault::open(&keys, None).err().unwrap());
    for part in
        ["the master key is not there", "every client must get a new token", "proofs verify", "replace-lost"]
    {
        assert!(missing.contains(part), "{missing}");
    }
    assert!(!own.exists(), "nothing is made in its place");
    let other = folder.path().join("other.key");
    new_master(&other).unwrap();
    assert!(new_master(&other).is_err());
    let wrong = words(Vault::open(&keys, Some(&other)).err().unwrap());
    assert!(wrong.contains("is another than") && wrong.contains("`a.key` first"), "{wrong}");
    for nonsense in ["", "short", &"x".repeat(44), "é"] {
        fs::write(&other, nonsense).unwrap();
        assert!(words(Vault::open(&keys, Some(&other)).err().unwrap()).contains("it is not a master key"));
    }
    fs::write(&own, held).unwrap();
    assert_eq!(vault(&keys).read(&keys.join("a.key")).unwrap(), b"secret");
}

/// Breaking off is played by putting back any of the files as they were after any step.
#[test]
fn a_rewrap_that_breaks_off_leaves_one_key_that_opens_everything() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let first = folder.path().join("first");
    let second = folder.path().join("second");
    new_master(&first).unwrap();
    new_master(&second).unwrap();
    let names = ["a.key", "b.pem", "signing/c.pem"];
    fs::create_dir_all(keys.join("signing")).unwrap();
    let sealed = Vault::open(&keys, Some(&first)).unwrap();
    for name in names {
        sealed.write(&keys.join(name), name.as_bytes()).unwrap();
    }
    let read = || names.map(|name| fs::read(keys.join(name)).unwrap());
    let before = read();
    let all_open = |master: &Path| {
        Vault::open(&keys, Some(master)).is_ok_and(|vault| {
            names.iter().all(|name| vault.read(&keys.join(name)).unwrap() == name.as_bytes())
        })
    };
    assert_eq!(rewrap(&keys, Some(&first), &second).unwrap(), 3);
    assert!(all_open(&second) && !all_open(&first));
    let after = read();
    // The first key's wraps gone from some files only, or the second's there in some only.
    let both: Vec<Vec<u8>> = before
        .iter()
        .zip(&after)
        .map(|(before, after)| {
            let (mut before, after) = (parse(before).unwrap(), parse(after).unwrap());
            before.wraps.extend(after.wraps);
            serde_json::to_vec(&before).unwrap()
        })
        .collect();
    for done in 0..=names.len() {
        let put = |early: &[Vec<u8>], late: &[Vec<u8>]| {
            for (place, name) in names.iter().enumerate() {
                let bytes = if place < done { &late[place] } else { &early[place] };
                fs::write(keys.join(name), bytes).unwrap();
            }
        };
        put(&before, &both);
        assert!(all_open(&first), "{done}");
        rewrap(&keys, Some(&first), &second).unwrap();
        assert!(all_open(&second) && !all_open(&first), "{done}");
        put(&both, &after);
        assert!(all_open(&second), "{done}");
        rewrap(&keys, Some(&first), &second).unwrap();
        assert!(all_open(&second) && !all_open(&first), "{done}");
    }
    // Again changes nothing.
    rewrap(&keys, Some(&second), &second).unwrap();
    assert!(all_open(&second));
}
