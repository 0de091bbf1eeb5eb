//! Egypt's 27 governorates: the places where the generated people live.
//!
//! Names and codes are the real ones; a person's residence uses them, a generated national ID
//! never does (see [`super::ids`]).

use super::rng::Chance;

/// Sum of all [`Governorate::weight`] values.
pub const TOTAL_WEIGHT: u32 = 10_000;

/// Code that real IDs carry for people born abroad. No place of residence.
pub const BORN_ABROAD: u8 = 88;

/// One governorate.
#[derive(Debug, PartialEq, Eq)]
pub struct Governorate {
    /// The two-digit code used in real national IDs, 1 to 35.
    pub code: u8,
    /// English name.
    pub name_en: &'static str,
    /// Arabic name.
    pub name_ar: &'static str,
    /// Rough share of the population in ten-thousandths, rounded from public estimates of the
    /// early 2020s: enough for a believable spread, not a statistic.
    pub weight: u32,
}

/// All 27 governorates in the order of their codes.
pub static GOVERNORATES: [Governorate; 27] = [
    row(1, "Cairo", "القاهرة", 974),
    row(2, "Alexandria", "الإسكندرية", 525),
    row(3, "Port Said", "بورسعيد", 75),
    row(4, "Suez", "السويس", 75),
    row(11, "Damietta", "دمياط", 153),
    row(12, "Dakahlia", "الدقهلية", 673),
    row(13, "Sharqia", "الشرقية", 754),
    row(14, "Qalyubia", "القليوبية", 583),
    row(15, "Kafr El Sheikh", "كفر الشيخ", 353),
    row(16, "Gharbia", "الغربية", 520),
    row(17, "Monufia", "المنوفية", 454),
    row(18, "Beheira", "البحيرة", 654),
    row(19, "Ismailia", "الإسماعيلية", 139),
    row(21, "Giza", "الجيزة", 902),
    row(22, "Beni Suef", "بني سويف", 344),
    row(23, "Fayoum", "الفيوم", 387),
    row(24, "Minya", "المنيا", 602),
    row(25, "Asyut", "أسيوط", 482),
    row(26, "Sohag", "سوهاج", 544),
    row(27, "Qena", "قنا", 344),
    row(28, "Aswan", "أسوان", 158),
    row(29, "Luxor", "الأقصر", 132),
    row(31, "Red Sea", "البحر الأحمر", 39),
    row(32, "New Valley", "الوادي الجديد", 26),
    row(33, "Matrouh", "مطروح", 53),
    row(34, "North Sinai", "شمال سيناء", 44),
    row(35, "South Sinai", "جنوب سيناء", 11),
];

/// The governorate with this code, or `None`.
pub fn find(code: u8) -> Option<&'static Governorate> {
    GOVERNORATES
        .iter()
        .find(|governorate| governorate.code == code)
}

/// Whether real national IDs carry this code (a governorate, or born abroad).
pub fn is_assigned(code: u8) -> bool {
    code == BORN_ABROAD || find(code).is_some()
}

/// Draws a governorate according to the weights.
pub(super) fn draw(chance: &mut Chance) -> &'static Governorate {
    let mut left = chance.below(u64::from(TOTAL_WEIGHT)) as u32;
    for governorate in &GOVERNORATES {
        if left < governorate.weight {
            return governorate;
        }
        left -= governorate.weight;
    }
    // Not reached while the weights sum to the total, which a test asserts.
    &GOVERNORATES[0]
}

const fn row(code: u8, name_en: &'static str, name_ar: &'static str, weight: u32) -> Governorate {
    Governorate {
        code,
        name_en,
        name_ar,
        weight,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_and_codes_rise() {
        let sum: u32 = GOVERNORATES.iter().map(|place| place.weight).sum();
        assert_eq!(sum, TOTAL_WEIGHT);
        assert!(
            GOVERNORATES
                .windows(2)
                .all(|pair| pair[0].code < pair[1].code)
        );
    }

    #[test]
    fn draws_follow_the_weights() {
        let mut chance = Chance::new(7);
        let mut counts = std::collections::HashMap::new();
        for _ in 0..100_000 {
            *counts.entry(draw(&mut chance).code).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 27, "every governorate is drawn");
        for place in &GOVERNORATES {
            let expected = f64::from(place.weight) * 10.0;
            let seen = f64::from(counts[&place.code]);
            let slack = 5.0 * expected.sqrt() + 5.0;
            assert!((seen - expected).abs() < slack, "{}: {seen}", place.name_en);
        }
    }
}
