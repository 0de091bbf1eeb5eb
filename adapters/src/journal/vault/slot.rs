//! Keys and what they encrypt: one key for each item, wrapped under a key for its day, in slots of one length.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use bytes::BufMut as _;
use proto::commitment::Salt;
use proto::id::ExchangeId;
use proto::limits::{PAYLOAD_BYTES_MAX, SALT_BYTES};
use zeroize::{Zeroize as _, Zeroizing};

use super::{Day, Item, Opened, VaultError, wipe};

/// Names the use of a derived key and of each encryption.
const LABEL: &[u8] = b"mohawel/adapter/kept/v1";
pub(super) const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
pub(super) const ID_BYTES: usize = 18;
/// One item's key in a key file: `id ‖ place ‖ nonce ‖ key, encrypted ‖ tag ‖ CRC-32C`.
pub(super) const SLOT_BYTES: usize = ID_BYTES + PLACE_BYTES + NONCE_LEN + KEY_BYTES + TAG_BYTES + 4;
/// Where the item lies in the data file: `u64 offset ‖ u32 length`.
const PLACE_BYTES: usize = 12;
/// Bytes of one encrypted item at most.
const ITEM_BYTES_MAX: usize = SALT_BYTES + PAYLOAD_BYTES_MAX + TAG_BYTES;

pub(super) type IdBytes = [u8; ID_BYTES];

/// Where an item's encrypted bytes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) len: u32,
}

impl Place {
    pub(super) fn read(self, file: &mut File) -> io::Result<Vec<u8>> {
        if self.len as usize > ITEM_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; self.len as usize];
        file.seek(SeekFrom::Start(self.at))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn wipe(self, file: &mut File) -> io::Result<()> {
        wipe(file, self.at, u64::from(self.len))
    }
}

/// One item's key as it lies in the key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot(pub(super) [u8; SLOT_BYTES]);

impl Slot {
    /// `None` when its checksum says that it is damaged.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let slot: [u8; SLOT_BYTES] = bytes.try_into().ok()?;
        let (body, crc) = slot.split_last_chunk::<4>()?;
        (crc32c::crc32c(body).to_be_bytes() == *crc).then_some(Self(slot))
    }

    pub(super) fn id(&self) -> &[u8] {
        &self.0[..ID_BYTES]
    }

    pub(super) fn exchange(&self) -> Option<ExchangeId> {
        ExchangeId::from_slice(&self.0[..16])
    }

    pub(super) fn place(&self) -> Place {
        let (mut at, mut len) = ([0; 8], [0; 4]);
        at.copy_from_slice(&self.0[ID_BYTES..ID_BYTES + 8]);
        len.copy_from_slice(&self.0[ID_BYTES + 8..ID_BYTES + PLACE_BYTES]);
        Place {
            at: u64::from_be_bytes(at),
            len: u32::from_be_bytes(len),
        }
    }

    /// The key inside; `None` when it was not wrapped for this slot and day.
    pub(super) fn unwrap(&self, wrapping: &LessSafeKey, day: Day) -> Option<Zeroizing<Vec<u8>>> {
        let (head, rest) = self.0.split_at(ID_BYTES + PLACE_BYTES);
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
        let mut key = Zeroizing::new(rest[..KEY_BYTES + TAG_BYTES].to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        wrapping
            .open_in_place(nonce, Aad::from(Bound::to(day).with(head)), &mut key)
            .ok()?;
        key.truncate(KEY_BYTES);
        Some(key)
    }
}

/// Random bytes for one item: its key, and the nonce under which that key is wrapped.
pub(super) type Fresh = [u8; KEY_BYTES + NONCE_LEN];

/// Fresh keys and nonces for so many items, drawn at once.
pub(super) fn fresh(items: usize) -> Result<Zeroizing<Vec<Fresh>>, VaultError> {
    let mut all = Zeroizing::new(vec![[0; KEY_BYTES + NONCE_LEN]; items]);
    rand::fill(all.as_flattened_mut()).map_err(|_| VaultError::Crypto)?;
    Ok(all)
}

/// Wraps an item's fresh key under the day's key, with its nonce.
pub(super) fn wrap(
    wrapping: &LessSafeKey,
    bound: &Bound,
    id: IdBytes,
    place: Place,
    fresh: &Fresh,
) -> Result<[u8; SLOT_BYTES], VaultError> {
    const HEAD: usize = ID_BYTES + PLACE_BYTES;
    let (key, nonce) = fresh.split_at(KEY_BYTES);
    let mut slot = [0; SLOT_BYTES];
    let mut rest = &mut slot[..];
    rest.put_slice(&id);
    rest.put_u64(place.at);
    rest.put_u32(place.len);
    rest.put_slice(nonce);
    rest.put_slice(key);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Crypto)?;
    let (head, rest) = slot.split_at_mut(HEAD);
    let (wrapped, rest) = rest[NONCE_LEN..].split_at_mut(KEY_BYTES);
    let tag = wrapping
        .seal_in_place_separate_tag(nonce, Aad::from(bound.with(head)), wrapped)
        .map_err(|_| VaultError::Crypto)?;
    rest[..TAG_BYTES].copy_from_slice(tag.as_ref());
    let crc = crc32c::crc32c(&slot[..SLOT_BYTES - 4]);
    slot[SLOT_BYTES - 4..].copy_from_slice(&crc.to_be_bytes());
    Ok(slot)
}

/// Appends salt and payload, encrypted where they lie; gives how many bytes that are. The fresh key encrypts nothing else,
/// so the nonce may stand still.
pub(super) fn seal(
    fresh: &Fresh,
    bound: &Bound,
    item: &Item,
    out: &mut Vec<u8>,
) -> Result<usize, VaultError> {
    let from = out.len();
    out.reserve(SALT_BYTES + item.payload.len() + TAG_BYTES);
    out.extend_from_slice(&item.salt.0);
    out.extend_from_slice(&item.payload);
    let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    let sealed = cipher(&fresh[..KEY_BYTES]).and_then(|cipher| {
        cipher
            .seal_in_place_separate_tag(
                nonce,
                Aad::from(bound.with(&item.id.bytes())),
                &mut out[from..],
            )
            .map_err(|_| VaultError::Crypto)
    });
    match sealed {
        Ok(tag) => out.extend_from_slice(tag.as_ref()),
        Err(error) => {
            // Nothing in the clear stays behind.
            out[from..].zeroize();
            out.truncate(from);
            return Err(error);
        }
    }
    Ok(out.len() - from)
}

pub(super) fn open(key: &[u8], day: Day, id: &[u8], mut sealed: Vec<u8>) -> Option<Opened> {
    let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    let clear = cipher(key)
        .ok()?
        .open_in_place(nonce, Aad::from(Bound::to(day).with(id)), &mut sealed)
        .ok()?;
    let (salt, payload) = clear.split_first_chunk::<SALT_BYTES>()?;
    Some(Opened {
        salt: Salt(*salt),
        payload: payload.to_vec(),
    })
}

fn cipher(key: &[u8]) -> Result<LessSafeKey, VaultError> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| VaultError::Crypto)?;
    Ok(LessSafeKey::new(key))
}

/// The key that wraps the keys of one day: with a day's own, no key ever wraps more than one day's items.
pub(super) fn wrapping_key(master: &[u8], day: Day) -> Result<LessSafeKey, VaultError> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, LABEL);
    let day = day.to_string();
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    salt.extract(master)
        .expand(&[day.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|derived| derived.fill(&mut key[..]))
        .map_err(|_| VaultError::Crypto)?;
    cipher(&key[..])
}

/// Binds what is encrypted to its use and its day, and then to its id.
pub(super) struct Bound(Vec<u8>);

impl Bound {
    pub(super) fn to(day: Day) -> Self {
        Self([LABEL, day.to_string().as_bytes()].concat())
    }

    fn with(&self, id: &[u8]) -> Vec<u8> {
        [&self.0, id].concat()
    }
}
