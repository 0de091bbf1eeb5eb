//! What people really write, and what somebody would write to be taken for somebody else.

use proptest::prelude::*;

use super::*;

#[test]
fn what_means_alike_is_searched_alike() {
    for (written, searched) in [
        // alef, hamza, ta marbuta, alef maqsura
        ("أحمد إبراهيم آدم ٱلله", "احمد ابراهيم ادم الله"),
        ("مدرسة", "مدرسه"),
        ("مستشفى", "مستشفي"),
        ("مسؤول شؤون الموظفين", "مسوول شوون الموظفين"),
        ("هيئة الرقابة", "هييه الرقابه"),
        ("شيء شئ شي", "شي شي شي"),
        ("سماء", "سما"),
        ("القضاء الإداري", "القضا الاداري"),
        // tashkeel, superscript alef, Quranic marks, tatweel
        ("المُحَوِّل", "المحول"),
        ("هٰذا الرَّحْمٰنِ", "هذا الرحمن"),
        ("وزارــــة", "وزاره"),
        ("قُرۡءَانٗا ۞", "قرانا"),
        // digits of three scripts, and full width
        ("٢٠٢٦ ۲۰۲۶ ２０２６", "2026 2026 2026"),
        // Persian twins, Urdu heh, presentation forms, a ligature
        ("کتاب علی", "كتاب علي"),
        ("ہجرۃ", "هجره"),
        ("ﻣﺤﻮّﻝ ﷲ ﻻ", "محول الله لا"),
        // Latin: case, diacritics, letters that stand for two
        ("Café ÉCOLE Łódź Ærø", "cafe ecole lodz aero"),
        ("STRASSE Straße STRAẞE", "strasse strasse strasse"),
        ("İstanbul ISTANBUL ıstanbul", "istanbul istanbul istanbul"),
        ("al-Qurʾān", "al quran"),
        ("Ｍinistry ﬁnance 𝐌", "ministry finance m"),
        // identifiers come apart
        (
            "EG/GOV/CIVIL/registry/persons.v1",
            "eg gov civil registry persons v1",
        ),
        ("birth_date", "birth date"),
        // punctuation and space become one space, invisible characters nothing
        ("  الأحوال،\tالمدنية!\n", "الاحوال المدنيه"),
        ("می\u{200c}خواهم", "ميخواهم"),
        ("pay\u{202e}ment\u{200b}s\u{feff}", "payments"),
        ("", ""),
        (" \u{200f}—؟ ", ""),
    ] {
        assert_eq!(search_key(written), searched, "{written}");
    }
}

#[test]
fn what_means_another_thing_stays_apart() {
    for (one, other) in [
        ("بنك", "بنت"),
        ("مدرسه", "مدرس"),
        ("عمل", "عمله"),
        ("کر", "گر"),
        ("v1", "v2"),
        ("birth date", "birthdate"),
    ] {
        assert_ne!(search_key(one), search_key(other), "{one} {other}");
    }
}

proptest! {
    #[test]
    fn the_key_of_a_key_is_itself(text in "\\PC{0,24}", any in any::<String>()) {
        for text in [text, any] {
            let key = search_key(&text);
            prop_assert_eq!(&search_key(&key), &key);
            prop_assert!(!key.starts_with(' ') && !key.ends_with(' ') && !key.contains("  "));
        }
    }

    #[test]
    fn a_name_without_fault_holds_nothing_hidden(text in any::<String>()) {
        for script in [Script::Arabic, Script::Latin] {
            if display_name_fault(&text, script).is_none() {
                prop_assert!(text.chars().all(|c| hidden(c).is_none()));
                prop_assert!(is_nfc(&text));
            }
        }
    }
}

#[test]
fn names_as_agencies_write_them_are_fine() {
    for name in [
        "وزارة التضامن الاجتماعي",
        "الأحوال المدنية",
        "مصلحة الضرائب (المركز الرئيسي)",
        "المُحَوِّل",
        "بيانات الأشخاص، الإصدار ٢",
        "قانون 151 لسنة 1442 هـ",
        "برنامج «تكافل وكرامة»",
        "مستشفى الدكتور مجدي يعقوب - أسوان",
        "ڤيروس سي: الفحص والعلاج",
    ] {
        assert_eq!(display_name_fault(name, Script::Arabic), None, "{name}");
    }
    for name in [
        "Ministry of Social Solidarity",
        "Health & Population (HQ)",
        "Children’s Fund – Giza",
        "École Supérieure, 2nd",
        "Bayt al-Ḥikma",
        "persons.v1 / lookup",
        "112",
    ] {
        assert_eq!(display_name_fault(name, Script::Latin), None, "{name}");
    }
}

#[test]
fn names_that_deceive_are_refused_with_the_reason() {
    use Script::{Arabic, Latin};
    for (name, script, reason) in [
        // look-alikes from other scripts
        ("\u{41c}inistry", Latin, "another script"),
        ("Ministr\u{443}", Latin, "another script"),
        ("\u{39c}inistry", Latin, "another script"),
        ("M\u{131a3}nistry", Latin, "another script"),
        ("Ministry \u{663}", Latin, "Arabic"),
        ("Ｍinistry", Latin, "stand-in"),
        ("𝐌inistry", Latin, "stand-in"),
        ("Ⅿinistry", Latin, "stand-in"),
        ("ﬁnance", Latin, "stand-in"),
        ("Health\u{a0}Fund", Latin, "stand-in"),
        ("Min\u{1c3}stry", Latin, "another script"),
        ("Minist\u{280}y", Latin, "another script"),
        ("M\u{327}inistry", Latin, "mark"),
        ("M\u{307}inistry", Latin, "form C"),
        ("وزارة الصحة MOH", Arabic, "Latin letter"),
        ("وزارة الصحة \u{41c}", Arabic, "another script"),
        ("Ministry وزارة", Latin, "Arabic"),
        ("ﻭﺯﺍﺭﺓ", Arabic, "stand-in"),
        ("وزارة المالی\u{6cc}", Arabic, "Arabic does not write"),
        ("بن\u{6a9}", Arabic, "Arabic does not write"),
        ("سنة ۲۰۲۶", Arabic, "Arabic does not write"),
        ("و\u{200d}زارة", Arabic, "invisible"),
        // what cannot be seen
        ("وزارة\u{202e}", Arabic, "direction"),
        ("\u{61c}وزارة", Arabic, "direction"),
        ("وزارة\u{200f}", Arabic, "direction"),
        ("Pay\u{2067}ment\u{2069}", Latin, "direction"),
        ("Pay\u{200b}ment", Latin, "invisible"),
        ("Pay\u{2060}ment", Latin, "invisible"),
        ("\u{feff}Payment", Latin, "invisible"),
        ("Pay\u{fe0f}ment", Latin, "invisible"),
        ("Pay\u{ad}ment", Latin, "invisible"),
        ("Pay\u{e0041}ment", Latin, "invisible"),
        ("Pay\u{2028}ment", Latin, "invisible"),
        ("Pay\u{7}ment", Latin, "control"),
        ("Pay\nment", Latin, "control"),
        ("Pay\u{85}ment", Latin, "control"),
        ("Pay\u{e000}ment", Latin, "private"),
        ("Pay\u{10fffd}ment", Latin, "private"),
        // unassigned, signs, markup
        ("Pay\u{378}ment", Latin, "sign"),
        ("Payment 😀", Latin, "sign"),
        ("<b>Payment</b>", Latin, "sign"),
        // form and spaces
        ("E\u{301}cole", Latin, "form C"),
        ("المحو\u{651}\u{650}ل", Arabic, "form C"),
        (" وزارة", Arabic, "space"),
        ("Ministry ", Latin, "space"),
        ("Ministry  of", Latin, "space"),
        ("", Latin, "no letter"),
        (" -- ", Arabic, "no letter"),
        // marks that deceive
        ("وزا\u{640}رة", Arabic, "tatweel"),
        ("ه\u{640}ذه", Arabic, "tatweel"),
        ("وزارة \u{64e}المالية", Arabic, "tashkeel"),
        ("م\u{64c}\u{64d}\u{64e}صر", Arabic, "tashkeel"),
    ] {
        let fault = display_name_fault(name, script).unwrap_or("none");
        assert!(fault.contains(reason), "{name:?}: {fault}, not {reason}");
    }
}

#[test]
fn a_huge_name_is_read_through_and_a_huge_text_becomes_a_key() {
    let long = "وزارة ".repeat(200_000);
    assert!(display_name_fault(&long, Script::Arabic).is_some());
    assert_eq!(display_name_fault(long.trim(), Script::Arabic), None);
    assert_eq!(search_key(&long).len(), "وزاره ".len() * 200_000 - 1);
}
