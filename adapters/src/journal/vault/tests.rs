//! Kept payloads: they come back, they are nowhere in the clear, and once erased nobody can open them.

use super::*;

fn id(number: u8, role: Role, half: Half) -> ItemId {
    let exchange = format!("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a{number:02x}");
    ItemId {
        exchange: ExchangeId::parse(&exchange).unwrap(),
        role,
        half,
    }
}

fn item(number: u8, until: Day) -> Item {
    Item {
        id: id(number, Role::Consumer, Half::Answer),
        until,
        salt: Salt([number; 32]),
        payload: format!("a person's secret, number {number}").into(),
    }
}

fn today() -> Day {
    Day::of_ms(1_795_000_000_000)
}

/// Every byte under `dir`, file by file.
fn everything(dir: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            all.extend(everything(&entry.path()));
        } else {
            all.push(std::fs::read(entry.path()).unwrap());
        }
    }
    all
}

#[test]
fn a_payload_comes_back_and_lies_nowhere_in_the_clear() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::new(dir.path());
    assert!(vault.open(item(1, today()).id).unwrap().is_none());
    vault.keep(&[]).unwrap();
    assert_eq!(everything(dir.path()), Vec::<Vec<u8>>::new());
    vault
        .keep(&[item(1, today()), item(2, today().after(3))])
        .unwrap();
    // Another run with the same home.
    let again = Vault::new(dir.path());
    again.keep(&[item(3, today())]).unwrap();
    for number in 1..=3 {
        let wanted = item(number, today());
        let opened = again.open(wanted.id).unwrap().unwrap();
        assert_eq!(
            (opened.salt, &opened.payload[..]),
            (wanted.salt, &wanted.payload[..])
        );
    }
    // Another half or role of the same exchange is another item.
    assert!(
        again
            .open(id(1, Role::Consumer, Half::Request))
            .unwrap()
            .is_none()
    );
    assert!(
        again
            .open(id(1, Role::Provider, Half::Answer))
            .unwrap()
            .is_none()
    );
    for bytes in everything(dir.path()) {
        assert!(!bytes.windows(6).any(|window| window == b"secret"));
        assert!(!bytes.windows(8).any(|window| window == [1; 8]));
    }
}

#[test]
fn an_erased_payload_cannot_be_opened_even_from_a_copy_of_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::new(dir.path());
    vault
        .keep(&[item(1, today()), item(2, today()), item(3, today())])
        .unwrap();
    let data = dir.path().join(format!("kept/{}.data", today()));
    let before = std::fs::read(&data).unwrap();
    let wanted = item(2, today()).id;
    let erased = vault
        .erase(&|exchange| exchange == wanted.exchange)
        .unwrap();
    assert_eq!(Vec::from_iter(erased), [wanted.exchange]);
    assert!(vault.open(wanted).unwrap().is_none());
    let after = std::fs::read(&data).unwrap();
    assert_eq!(before.len(), after.len());
    let third = before.len() / 3;
    assert!(after[third..2 * third].iter().all(|byte| *byte == 0));
    // The others stand, and its key is nowhere: the copy is noise.
    for number in [1, 3] {
        assert!(vault.open(item(number, today()).id).unwrap().is_some());
    }
    std::fs::write(&data, &before).unwrap();
    assert!(vault.open(wanted).unwrap().is_none());
    assert_eq!(vault.slots(today()).unwrap().len(), 2);
    // Again, and of something that was never here.
    assert!(
        vault
            .erase(&|exchange| exchange == wanted.exchange)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn what_is_over_goes_with_its_keys_and_not_a_day_earlier() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::new(dir.path());
    assert_eq!(vault.expire(today()).unwrap(), 0);
    vault
        .keep(&[item(1, today()), item(2, today().after(1))])
        .unwrap();
    assert_eq!(vault.expire(today()).unwrap(), 0);
    assert!(vault.open(item(1, today()).id).unwrap().is_some());
    assert_eq!(vault.expire(today().after(1)).unwrap(), 1);
    assert!(vault.open(item(1, today()).id).unwrap().is_none());
    assert!(vault.open(item(2, today()).id).unwrap().is_some());
    assert_eq!(vault.expire(today().after(2)).unwrap(), 1);
    assert_eq!(
        std::fs::read_dir(dir.path().join("kept")).unwrap().count(),
        0
    );
}

#[test]
fn damage_is_told_and_a_write_cut_short_is_not_damage() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::new(dir.path());
    vault.keep(&[item(1, today())]).unwrap();
    let [keys, data] =
        ["keys", "data"].map(|name| dir.path().join(format!("kept/{}.{name}", today())));
    // A process was killed while it wrote the second.
    for path in [&keys, &data] {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.extend_from_slice(b"half of somethi");
        std::fs::write(path, bytes).unwrap();
    }
    vault.keep(&[item(2, today())]).unwrap();
    for number in [1, 2] {
        assert!(vault.open(item(number, today()).id).unwrap().is_some());
    }
    for (path, at) in [(&data, 40), (&keys, 3), (&keys, 20), (&keys, 60)] {
        let whole = std::fs::read(path).unwrap();
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(path, damaged).unwrap();
        let found = vault.open(item(1, today()).id);
        assert!(matches!(found, Err(VaultError::Damaged(_))), "{found:?}");
        std::fs::write(path, whole).unwrap();
    }
    // Another home's key opens nothing.
    std::fs::remove_file(dir.path().join("journal.key")).unwrap();
    vault.keep(&[item(3, today())]).unwrap();
    assert!(matches!(
        vault.open(item(1, today()).id),
        Err(VaultError::Damaged(_))
    ));
    assert!(vault.open(item(3, today()).id).unwrap().is_some());
}
