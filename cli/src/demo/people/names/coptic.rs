//! Name lists of Coptic families. A household draws all its names from one tradition, because a
//! mixed name would look wrong to every Egyptian reader. The tradition is written nowhere.

use super::Name;

/// Men's given names.
pub(super) static MALE: [Name; 12] = [
    name("مينا", "Mina"),
    name("جرجس", "Girgis"),
    name("بطرس", "Botros"),
    name("كيرلس", "Kyrillos"),
    name("بيشوي", "Bishoy"),
    name("مرقس", "Morkos"),
    name("عماد", "Emad"),
    name("نبيل", "Nabil"),
    name("رأفت", "Raafat"),
    name("أبانوب", "Abanoub"),
    name("عادل", "Adel"),
    name("مجدي", "Magdy"),
];

/// Women's given names.
pub(super) static FEMALE: [Name; 12] = [
    name("مارينا", "Marina"),
    name("مريم", "Mariam"),
    name("ماريان", "Marian"),
    name("كريستين", "Christine"),
    name("إيرين", "Irene"),
    name("فيفيان", "Vivian"),
    name("نرمين", "Nermin"),
    name("سوسن", "Sawsan"),
    name("جاكلين", "Jacqueline"),
    name("دميانة", "Demiana"),
    name("يوستينا", "Youstina"),
    name("نادية", "Nadia"),
];

/// Family names.
pub(super) static FAMILY: [Name; 12] = [
    name("حنا", "Hanna"),
    name("ميخائيل", "Mikhail"),
    name("غبريال", "Ghobrial"),
    name("إسكندر", "Iskander"),
    name("عبد المسيح", "Abdelmessih"),
    name("واصف", "Wassef"),
    name("تادرس", "Tadros"),
    name("سعد", "Saad"),
    name("ملك", "Malak"),
    name("عزيز", "Aziz"),
    name("وهبة", "Wahba"),
    name("صليب", "Salib"),
];

const fn name(ar: &'static str, en: &'static str) -> Name {
    Name { ar, en }
}
