//! Signed notes, as C2SP signed-note defines them: a text, a blank line, signature lines.
//!
//! Only Ed25519 (type 0x01) is verified here; a line by an unknown key is kept and ignored, a line by
//! a known key with a bad signature refuses the whole note. Reading is strict: a note that was read
//! writes itself back to the same bytes.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::digest::Digest;
use proto::key::{PublicKey, SignError, Signer};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Bytes of a note at most, signatures included.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// Signature lines of a note at most.
pub const NOTE_SIGNATURES_MAX: usize = 64;
/// Bytes of a key name at most.
pub const KEY_NAME_BYTES_MAX: usize = 256;
/// Bytes of one signature at most, key id not counted; leaves room for post-quantum ones.
const SIGNATURE_BYTES_MAX: usize = 8 * 1024;
/// C2SP signature type of a plain Ed25519 signature.
pub const TYPE_ED25519: u8 = 0x01;

/// Every signature line begins with an em dash and a space.
const LINE_START: &str = "\u{2014} ";

/// A key that a note may be signed with: its name and its Ed25519 public half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    public: PublicKey,
    raw: [u8; 32],
    id: [u8; 4],
}

impl NoteKey {
    /// A key named `name`.
    ///
    /// # Errors
    /// [`NoteError::BadKeyName`] for an empty or over-long name or one with a space, a `+` or a
    /// control character; [`NoteError::NotEd25519`] for a key of another algorithm.
    pub fn new(name: &str, public: &PublicKey) -> Result<Self, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::BadKeyName);
        }
        let raw = public.ed25519_bytes().ok_or(NoteError::NotEd25519)?;
        let id = key_id(name, TYPE_ED25519, &raw);
        Ok(Self {
            name: name.to_owned(),
            public: public.clone(),
            raw,
            id,
        })
    }

    /// Reads vkey text: `name+8 hex digits+base64(type ‖ public key)`, without surrounding space.
    ///
    /// # Errors
    /// [`NoteError::BadVkey`] for any other form, another key type or a key id that does not match.
    pub fn from_vkey(text: &str) -> Result<Self, NoteError> {
        let (name, rest) = text.split_once('+').ok_or(NoteError::BadVkey)?;
        // The base64 part may hold a `+` of its own.
        let (id, key) = rest.split_once('+').ok_or(NoteError::BadVkey)?;
        let key = STANDARD.decode(key).map_err(|_| NoteError::BadVkey)?;
        let Some((&TYPE_ED25519, public)) = key.split_first() else {
            return Err(NoteError::BadVkey);
        };
        let raw = <[u8; 32]>::try_from(public).map_err(|_| NoteError::BadVkey)?;
        let public = PublicKey::from_ed25519(&raw).map_err(|_| NoteError::BadVkey)?;
        let key = Self::new(name, &public)?;
        if hex::encode(key.id) == id {
            Ok(key)
        } else {
            Err(NoteError::BadVkey)
        }
    }

    /// The vkey text, without a line end.
    pub fn to_vkey(&self) -> String {
        let mut key = vec![TYPE_ED25519];
        key.extend_from_slice(&self.raw);
        format!(
            "{}+{}+{}",
            self.name,
            hex::encode(self.id),
            STANDARD.encode(key)
        )
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Ed25519 public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The key id that stands in signature lines.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }
}

/// C2SP key id: the first four bytes of SHA-256(name ‖ LF ‖ signature type ‖ public key).
pub fn key_id(name: &str, signature_type: u8, public: &[u8]) -> [u8; 4] {
    let digest = Digest::of_parts(&[name.as_bytes(), b"\n", &[signature_type], public]);
    let [a, b, c, d, ..] = *digest.as_bytes();
    [a, b, c, d]
}

/// One signature line.
#[derive(Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key that made it, or claims to.
    pub key_name: String,
    /// Its key id.
    pub key_id: [u8; 4],
    /// What follows the key id: for Ed25519 the 64 bytes of the signature.
    pub signature: Vec<u8>,
}

/// A text and the signatures under it. Holding one says nothing about who signed:
/// see [`SignedNote::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// A note that nobody signed yet. The text must end in a line feed and hold no other control
    /// characters.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] for any other text, [`NoteError::TooLarge`] for a long one.
    pub fn new(text: &str) -> Result<Self, NoteError> {
        if text.len() >= NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge);
        }
        if !text.ends_with('\n') || !has_only_text(text) {
            return Err(NoteError::Malformed(
                "the text must be lines without control characters",
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            signatures: Vec::new(),
        })
    }

    /// Reads a note of at most [`NOTE_BYTES_MAX`] bytes with 1 to [`NOTE_SIGNATURES_MAX`] lines.
    ///
    /// # Errors
    /// [`NoteError::TooLarge`] or [`NoteError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge);
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::Malformed("not UTF-8"))?;
        // The last blank line: the text itself may hold blank lines.
        let split = note
            .rfind("\n\n")
            .ok_or(NoteError::Malformed("no blank line"))?;
        let (text, rest) = (&note[..=split], &note[split + 2..]);
        let mut parsed = Self::new(text)?;
        let lines = rest
            .strip_suffix('\n')
            .ok_or(NoteError::Malformed("cut short"))?;
        for line in lines.split('\n') {
            if parsed.signatures.len() == NOTE_SIGNATURES_MAX {
                return Err(NoteError::TooLarge);
            }
            parsed.signatures.push(NoteSignature::parse(line)?);
        }
        Ok(parsed)
    }

    /// The signed text, its final line feed included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, verified or not.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature line made elsewhere, such as a witness's.
    ///
    /// # Errors
    /// [`NoteError::TooLarge`] when the note would pass its limits, [`NoteError::BadKeyName`].
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if !is_key_name(&signature.key_name) {
            return Err(NoteError::BadKeyName);
        }
        let line_len = signature.to_string().len() + 1;
        if signature.signature.len() > SIGNATURE_BYTES_MAX
            || self.signatures.len() == NOTE_SIGNATURES_MAX
            || self.to_bytes().len() + line_len > NOTE_BYTES_MAX
        {
            return Err(NoteError::TooLarge);
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Signs the text as `name` with an Ed25519 signer and adds the line.
    ///
    /// # Errors
    /// [`NoteError::BadKeyName`], [`NoteError::NotEd25519`], [`NoteError::Sign`] when the signer
    /// refuses, [`NoteError::TooLarge`].
    pub fn sign(&mut self, name: &str, signer: &dyn Signer) -> Result<(), NoteError> {
        let raw = signer.key().ed25519_bytes().ok_or(NoteError::NotEd25519)?;
        let signature = signer.sign(self.text.as_bytes())?;
        let key_id = key_id(name, TYPE_ED25519, &raw);
        self.add(NoteSignature {
            key_name: name.to_owned(),
            key_id,
            signature,
        })
    }

    /// Verifies every line whose name and key id are those of one of `keys`; says which lines hold,
    /// as positions in [`SignedNote::signatures`]. Lines by other keys are ignored.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] when a known key's line does not verify,
    /// [`NoteError::NotSigned`] when none of `keys` signed.
    pub fn verify(&self, keys: &[NoteKey]) -> Result<Vec<usize>, NoteError> {
        let mut verified = Vec::new();
        for (position, line) in self.signatures.iter().enumerate() {
            let known = |key: &&NoteKey| key.name == line.key_name && key.id == line.key_id;
            let mut candidates = keys.iter().filter(known).peekable();
            if candidates.peek().is_none() {
                continue;
            }
            let text = self.text.as_bytes();
            if !candidates.any(|key| key.public.verify(text, &line.signature)) {
                return Err(NoteError::BadSignature(line.key_name.clone()));
            }
            verified.push(position);
        }
        if verified.is_empty() {
            Err(NoteError::NotSigned)
        } else {
            Ok(verified)
        }
    }

    /// The note's bytes: text, blank line, signature lines.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.text.clone();
        out.push('\n');
        for signature in &self.signatures {
            out.push_str(&signature.to_string());
            out.push('\n');
        }
        out.into_bytes()
    }
}

impl NoteSignature {
    /// Reads one line, without its line feed.
    ///
    /// # Errors
    /// [`NoteError::Malformed`], [`NoteError::BadKeyName`] or [`NoteError::TooLarge`].
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        const SHAPE: NoteError = NoteError::Malformed("not a signature line");
        let rest = line.strip_prefix(LINE_START).ok_or(SHAPE)?;
        let (name, blob) = rest.split_once(' ').ok_or(SHAPE)?;
        if !is_key_name(name) {
            return Err(NoteError::BadKeyName);
        }
        let blob = STANDARD.decode(blob).map_err(|_| SHAPE)?;
        let (id, signature) = blob.split_first_chunk::<4>().ok_or(SHAPE)?;
        if signature.is_empty() {
            return Err(SHAPE);
        }
        if signature.len() > SIGNATURE_BYTES_MAX {
            return Err(NoteError::TooLarge);
        }
        Ok(Self {
            key_name: name.to_owned(),
            key_id: *id,
            signature: signature.to_vec(),
        })
    }
}

impl fmt::Display for NoteSignature {
    /// The line, without its line feed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blob = self.key_id.to_vec();
        blob.extend_from_slice(&self.signature);
        write!(f, "{LINE_START}{} {}", self.key_name, STANDARD.encode(blob))
    }
}

impl fmt::Debug for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.key_name, hex::encode(self.key_id))
    }
}

/// Whether `name` can name a note key: not empty, no space of any kind, no `+`, no control character.
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= KEY_NAME_BYTES_MAX
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// C2SP: no ASCII control characters but the line feed.
fn has_only_text(text: &str) -> bool {
    text.bytes().all(|byte| byte >= 0x20 || byte == b'\n')
}

/// Why bytes are not a note that we accept.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoteError {
    /// The note, one of its signatures or their number is over the limit.
    #[error("the note is over its limits")]
    TooLarge,
    /// The bytes are not in the form of a signed note.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// A key name that C2SP does not allow.
    #[error("a key name must not be empty, long, or hold spaces, '+' or control characters")]
    BadKeyName,
    /// The text is not an Ed25519 vkey.
    #[error("not an Ed25519 vkey (name+key id+base64), or its key id does not match")]
    BadVkey,
    /// A key that we know stands under the note, and its signature is wrong.
    #[error("the signature by {0} does not verify")]
    BadSignature(String),
    /// None of the keys that we know signed.
    #[error("no key that we know signed the note")]
    NotSigned,
    /// The signer could not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Only Ed25519 keys sign notes.
    #[error("only an Ed25519 key can sign checkpoints and notes")]
    NotEd25519,
}
