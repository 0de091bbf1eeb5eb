//! Passphrases: what a person types, or what stands in a private file, to open an encrypted key.
//!
//! Wiped when dropped, never printed. The bytes are used exactly as they were typed: UTF-8, without normalising, so
//! that `openssl -passin file:FILE` takes the same file.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::key_files::{self, KeyFileError};

/// The longest passphrase, in bytes.
pub const PASSPHRASE_MAX: usize = 1024;
/// The fewest characters of a passphrase for a key that is made now. Older and shorter ones still open their keys.
pub const PASSPHRASE_MIN: usize = 12;

/// A passphrase: one line of text, 1 to [`PASSPHRASE_MAX`] bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes what was typed.
    ///
    /// # Errors
    /// [`PassphraseError::Empty`], [`PassphraseError::TooLong`], and [`PassphraseError::Text`] for a line break or
    /// another control character, which nobody could type again.
    pub fn new(text: Zeroizing<String>) -> Result<Self, PassphraseError> {
        if text.is_empty() {
            return Err(PassphraseError::Empty);
        }
        if text.len() > PASSPHRASE_MAX {
            return Err(PassphraseError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(PassphraseError::Text);
        }
        Ok(Self(text))
    }

    /// Reads the one line of an owner-only file. The line break at its end does not belong to the passphrase.
    ///
    /// # Errors
    /// [`PassphraseError::File`] when the file is refused, else as [`Passphrase::new`].
    pub fn load(path: &Path) -> Result<Self, PassphraseError> {
        let in_file = |error: PassphraseError| PassphraseError::InFile {
            path: path.to_owned(),
            error: Box::new(error),
        };
        let bytes = key_files::read_private(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| in_file(PassphraseError::Text))?;
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        Self::new(Zeroizing::new(line.to_owned())).map_err(in_file)
    }

    /// Whether it is long enough for a key that is made now.
    ///
    /// # Errors
    /// [`PassphraseError::Short`] below [`PASSPHRASE_MIN`] characters.
    pub fn suits_a_new_key(&self) -> Result<(), PassphraseError> {
        if self.0.chars().count() < PASSPHRASE_MIN {
            return Err(PassphraseError::Short);
        }
        Ok(())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Why a text is no passphrase. Never holds any part of it.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// Nothing was typed.
    #[error("the passphrase is empty; type one, or say that the key shall have none")]
    Empty,
    /// Longer than [`PASSPHRASE_MAX`].
    #[error("the passphrase is longer than {PASSPHRASE_MAX} bytes")]
    TooLong,
    /// More than one line, a control character, or not UTF-8.
    #[error(
        "the passphrase is not one line of text: take line breaks, tabs and control characters out"
    )]
    Text,
    /// Too short for a new key.
    #[error(
        "the passphrase has fewer than {PASSPHRASE_MIN} characters; take several words, or a longer random one"
    )]
    Short,
    /// The file was refused.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// What stands in the file is no passphrase.
    #[error("{}: {error}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: Box<PassphraseError>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Result<Passphrase, PassphraseError> {
        Passphrase::new(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn one_line_of_text_is_a_passphrase_and_is_never_printed() {
        for good in ["x", "two words", "كلمة السر الطويلة", " spaces count "] {
            let made = passphrase(good).unwrap();
            assert_eq!(made.as_bytes(), good.as_bytes());
            assert_eq!(format!("{made:?}"), "Passphrase(..)");
        }
        assert!(matches!(passphrase(""), Err(PassphraseError::Empty)));
        for bad in ["a\nb", "a\tb", "a\0", "\u{7f}", "a\u{85}b", "x\n"] {
            assert!(
                matches!(passphrase(bad), Err(PassphraseError::Text)),
                "{bad:?}"
            );
        }
        assert!(passphrase(&"x".repeat(PASSPHRASE_MAX)).is_ok());
        assert!(matches!(
            passphrase(&"x".repeat(PASSPHRASE_MAX + 1)),
            Err(PassphraseError::TooLong)
        ));
    }

    #[test]
    fn a_new_key_wants_twelve_characters_whatever_their_bytes() {
        for (text, suits) in [
            ("elevenchars", false),
            ("twelve chars", true),
            ("أحد عشر حرف", false),
            ("اثنا عشر حرفا", true),
        ] {
            let suited = passphrase(text).unwrap().suits_a_new_key().is_ok();
            assert_eq!(suited, suits, "{text}");
        }
    }

    #[test]
    fn a_file_gives_its_one_line_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &[u8]| {
            let path = dir.path().join(name);
            key_files::write_private(&path, text).unwrap();
            Passphrase::load(&path)
        };
        let wanted = passphrase("open sesame").unwrap();
        for (name, text) in [
            ("bare", "open sesame"),
            ("unix", "open sesame\n"),
            ("windows", "open sesame\r\n"),
        ] {
            assert_eq!(file(name, text.as_bytes()).unwrap(), wanted, "{name}");
        }
        for (name, text) in [
            ("blank", &b"\n"[..]),
            ("two", b"open sesame\nopen simsim\n"),
            ("binary", b"\xff\xfe"),
            ("huge", &[b'x'; PASSPHRASE_MAX + 1]),
        ] {
            let refused = file(name, text).unwrap_err();
            assert!(matches!(refused, PassphraseError::InFile { .. }), "{name}");
            let said = refused.to_string();
            assert!(said.contains(name) && !said.contains("sesame"), "{said}");
        }
        let wide = dir.path().join("bare");
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(&wide, everybody).unwrap();
        assert!(matches!(
            Passphrase::load(&wide),
            Err(PassphraseError::File(KeyFileError::Wide { .. }))
        ));
        assert!(matches!(
            Passphrase::load(&dir.path().join("absent")),
            Err(PassphraseError::File(KeyFileError::Read { .. }))
        ));
    }
}
