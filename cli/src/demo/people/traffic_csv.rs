//! Writes the traffic register as a CSV file.

use std::fs;
use std::path::{Path, PathBuf};

use super::registers::Vehicles;
use super::{PeopleError, Plan};

/// The header line; one column per field of a vehicle, keyed by the owner's national ID.
const COLUMNS: [&str; 8] = [
    "owner_id",
    "owner_name_ar",
    "plate",
    "kind",
    "model_year",
    "governorate_ar",
    "governorate_en",
    "licence_valid_until",
];

/// Writes `plan`'s vehicles to `path` (UTF-8, no byte-order mark, dates as `YYYY-MM-DD`), calls
/// `progress` with people done and in all, and gives the number of rows. The file is written
/// beside `path` and renamed, so that a reader never sees half of it; an older one is replaced.
///
/// # Errors
/// [`PeopleError::Csv`] when the file cannot be written.
pub fn write_csv(
    plan: &Plan,
    path: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<u64, PeopleError> {
    write_and_rename(plan, path, progress).map_err(|source| PeopleError::Csv {
        path: path.to_owned(),
        source,
    })
}

fn write_and_rename(
    plan: &Plan,
    path: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, csv::Error> {
    let part = beside(path);
    let mut file = csv::Writer::from_path(&part)?;
    file.write_record(COLUMNS)?;
    let mut vehicles = Vehicles::new(plan.reference());
    let (mut done, mut told, mut rows) = (0, 0, 0);
    for household in plan.households() {
        for vehicle in vehicles.of(&household) {
            file.write_record([
                vehicle.owner_id.to_string().as_str(),
                &vehicle.owner_name_ar,
                &vehicle.plate,
                vehicle.kind.as_str(),
                &vehicle.model_year.to_string(),
                vehicle.governorate.name_ar,
                vehicle.governorate.name_en,
                &vehicle.licence_valid_until.to_string(),
            ])?;
            rows += 1;
        }
        done += household.members.len() as u64;
        if done - told >= 10_000 {
            told = done;
            progress(done, plan.total());
        }
    }
    file.flush()?;
    drop(file);
    fs::rename(&part, path)?;
    progress(done, plan.total());
    Ok(rows)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}
