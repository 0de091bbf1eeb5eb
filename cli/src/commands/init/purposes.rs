//! The catalogue of purposes that a new switch starts with. Operators change it afterwards.

use proto::act::Purpose;
use proto::id::Part;
use serde::Deserialize;

use crate::failure::Failure;

const STANDARD: &str = include_str!("purposes.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    purposes: Vec<FilePurpose>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePurpose {
    code: String,
    name_ar: String,
    name_en: String,
    legal_basis_ar: String,
    legal_basis_en: String,
}

/// The standard catalogue, ascending by code.
///
/// # Errors
/// A usage failure that names the purpose that cannot be one.
pub(super) fn standard() -> Result<Vec<Purpose>, Failure> {
    read(STANDARD)
}

fn read(text: &str) -> Result<Vec<Purpose>, Failure> {
    let file: File = toml::from_str(text).map_err(Failure::usage)?;
    let mut purposes = file
        .purposes
        .into_iter()
        .map(|purpose| {
            Ok(Purpose {
                code: Part::parse(&purpose.code).map_err(Failure::usage)?,
                name_ar: purpose.name_ar,
                name_en: purpose.name_en,
                legal_basis_ar: purpose.legal_basis_ar,
                legal_basis_en: purpose.legal_basis_en,
                ended: false,
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    purposes.sort_by(|one, other| one.code.cmp(&other.code));
    Ok(purposes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_catalogue_is_ascending_and_names_the_test_purpose() {
        let purposes = standard().unwrap();
        assert!(purposes.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(
            purposes
                .iter()
                .any(|purpose| purpose.code.as_str() == "test")
        );
        assert!(read("purposes = [{ code = 'a b' }]").is_err());
    }
}
