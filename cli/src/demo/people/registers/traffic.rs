//! The traffic register: vehicles and their licences.

use time::{Date, Duration};

use super::Register;
use crate::demo::people::governorates::Governorate;
use crate::demo::people::households::{Household, Person};
use crate::demo::people::ids::NationalId;
use crate::demo::people::rng::Chance;

/// The seventeen letters that Egyptian plates use.
const LETTERS: [char; 17] = [
    'أ', 'ب', 'ج', 'د', 'ر', 'س', 'ص', 'ط', 'ع', 'ف', 'ق', 'ل', 'م', 'ن', 'ه', 'و', 'ى',
];

/// Plates that can be made: three letters, and three digits from 1 to 9 after the zero.
const PLATES: u64 = 17 * 17 * 17 * 9 * 9 * 9;

/// A prime that divides no factor of [`PLATES`], so counting in this step meets each plate once.
const PLATE_STEP: u64 = 1_299_709;
const _: () = assert!(!PLATES.is_multiple_of(PLATE_STEP));

/// What kind of vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VehicleKind {
    /// Private car.
    Private,
    /// Motorcycle.
    Motorcycle,
    /// Taxi.
    Taxi,
    /// Pickup or light lorry.
    Pickup,
    /// Three-wheeler.
    TukTuk,
}

impl VehicleKind {
    /// The word in the register.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Motorcycle => "motorcycle",
            Self::Taxi => "taxi",
            Self::Pickup => "pickup",
            Self::TukTuk => "tuk_tuk",
        }
    }
}

/// One licensed vehicle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vehicle {
    /// Three letters and four Arabic-Indic digits, for example `س ط ع ٠١٢٣`. The first digit is
    /// always zero, which real plates never carry: no generated plate is on a real car.
    pub plate: String,
    /// The owner.
    pub owner_id: NationalId,
    /// The owner's name as this register spells it.
    pub owner_name_ar: String,
    /// Where it is licensed.
    pub governorate: &'static Governorate,
    /// What kind.
    pub kind: VehicleKind,
    /// Model year.
    pub model_year: i32,
    /// Last day of the licence; about one in seven has run out.
    pub licence_valid_until: Date,
}

/// Licenses vehicles; counts plates, so that none is given twice in one pass over a population.
#[derive(Debug)]
pub struct Vehicles {
    reference: Date,
    issued: u64,
}

impl Vehicles {
    /// A register as of `reference`, still empty.
    pub fn new(reference: Date) -> Self {
        Self {
            reference,
            issued: 0,
        }
    }

    /// The vehicles of the next household's adults. Call once per household, in order.
    pub fn of(&mut self, household: &Household) -> Vec<Vehicle> {
        let mut chance = Chance::new(household.seed_for(Register::Traffic));
        let means = u64::from(household.means);
        let mut vehicles = Vec::new();
        // A second vehicle is rarer than a first.
        for share in [5 + means / 2, means / 8] {
            if !chance.percent(share) {
                break;
            }
            let drivers: Vec<&Person> = household
                .living()
                .filter(|person| (18..80).contains(&person.age_on(self.reference)))
                .collect();
            // The head stands first and owns the vehicle more often than not.
            if let Some(owner) = drivers.get(chance.early_index(drivers.len())) {
                vehicles.push(self.license(owner, means, &mut chance));
            }
        }
        vehicles
    }

    fn license(&mut self, owner: &Person, means: u64, chance: &mut Chance) -> Vehicle {
        let kind = match chance.below(100) {
            _ if means > 60 => VehicleKind::Private,
            0..35 => VehicleKind::Motorcycle,
            35..50 => VehicleKind::TukTuk,
            50..65 => VehicleKind::Pickup,
            65..75 => VehicleKind::Taxi,
            _ => VehicleKind::Private,
        };
        let age = chance.between(0, 12) + chance.between(0, 12);
        let plate = write_plate(self.issued);
        self.issued += 1;
        Vehicle {
            plate,
            owner_id: owner.national_id,
            owner_name_ar: owner.name_ar(Register::Traffic),
            governorate: owner.governorate,
            kind,
            model_year: self.reference.year() - age as i32,
            licence_valid_until: self
                .reference
                .saturating_add(Duration::days(chance.between(-180, 1_094))),
        }
    }
}

/// The plate with this order number.
fn write_plate(order: u64) -> String {
    let mut rest = (order % PLATES) * PLATE_STEP % PLATES;
    let mut digits = ['٠'; 4];
    for digit in digits.iter_mut().skip(1) {
        *digit = char::from_u32(0x661 + (rest % 9) as u32).unwrap_or('١');
        rest /= 9;
    }
    let mut plate = String::with_capacity(16);
    for _ in 0..3 {
        plate.push(LETTERS[(rest % 17) as usize]);
        plate.push(' ');
        rest /= 17;
    }
    plate.extend(digits);
    plate
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn plates_differ_and_begin_with_zero() {
        let mut seen = HashSet::new();
        for order in 0..200_000 {
            let plate = write_plate(order);
            assert!(plate.contains(" ٠"), "{plate}");
            assert!(seen.insert(plate));
        }
        assert_eq!(
            write_plate(PLATES),
            write_plate(0),
            "the cycle closes only after all plates"
        );
    }
}
