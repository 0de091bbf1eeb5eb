//! The five agencies of the demo: who they are, what they offer, what they agreed on.

use std::path::Path;

use super::stores::Postgres;

/// One agency with one system, as the demo sets it up.
#[derive(Debug)]
pub(super) struct Agency {
    /// Folder name, and the last part of the agency's name in lower case.
    pub key: &'static str,
    /// INSTANCE/CLASS/AGENCY.
    pub id: &'static str,
    /// The system's own name.
    pub system: &'static str,
    /// Shown to people.
    pub name_en: &'static str,
    /// Shown to people.
    pub name_ar: &'static str,
    /// What keeps its rows, English then Arabic; empty for a consumer only.
    pub store: [&'static str; 2],
    /// The service definition, TOML; empty for a consumer only.
    pub service: &'static str,
}

impl Agency {
    /// INSTANCE/CLASS/AGENCY/SYSTEM.
    pub(super) fn system_id(&self) -> String {
        format!("{}/{}", self.id, self.system)
    }
}

/// All five, in the order in which they join.
pub(super) const AGENCIES: [Agency; 5] = [
    Agency {
        key: "civil",
        id: "EG/GOV/CIVIL",
        system: "registry",
        name_en: "Civil Registry",
        name_ar: "السجل المدني",
        store: ["SQLite", "SQLite"],
        service: r#"service = "persons.v1"
name_en = "Persons and households"
name_ar = "الأشخاص والأسر"

[[operations]]
name = "household"
name_en = "The household of a person"
name_ar = "أسرة شخص"
fields = ["governorate_ar", "governorate_en", "household_id", "living_members", "minors"]

[[operations]]
name = "lookup"
name_en = "One person by national ID"
name_ar = "شخص بالرقم القومي"
fields = ["alive", "birth_date", "father_id", "governorate_ar", "marital_status", "mother_id", "name_ar", "name_en", "sex"]
"#,
    },
    Agency {
        key: "moss",
        id: "EG/GOV/MOSS",
        system: "takaful",
        name_en: "Ministry of Social Solidarity",
        name_ar: "وزارة التضامن الاجتماعي",
        store: ["an HTTP backend", "خادم HTTP"],
        service: r#"service = "applications.v1"
name_en = "Takaful and Karama applications"
name_ar = "طلبات تكافل وكرامة"

[[operations]]
name = "status"
name_en = "Where an application stands"
name_ar = "موقف طلب"
fields = ["applied_on", "monthly_amount_egp", "programme", "status"]
"#,
    },
    Agency {
        key: "nosi",
        id: "EG/GOV/NOSI",
        system: "insurance",
        name_en: "National Organization for Social Insurance",
        name_ar: "الهيئة القومية للتأمين الاجتماعي",
        store: ["PostgreSQL", "PostgreSQL"],
        service: r#"service = "insured.v1"
name_en = "Insured persons"
name_ar = "المؤمَّن عليهم"

[[operations]]
name = "lookup"
name_en = "Insurance of one person"
name_ar = "تأمين شخص"
fields = ["insured", "monthly_pension_egp", "monthly_wage_egp", "sector"]
"#,
    },
    Agency {
        key: "traffic",
        id: "EG/GOV/TRAFFIC",
        system: "vehicles",
        name_en: "General Traffic Department",
        name_ar: "الإدارة العامة للمرور",
        store: ["a CSV file", "ملف CSV"],
        service: r#"service = "vehicles.v1"
name_en = "Vehicles by owner"
name_ar = "المركبات حسب المالك"

[[operations]]
name = "owned"
name_en = "Vehicles that a person owns"
name_ar = "المركبات التي يملكها شخص"
fields = ["kind", "licence_valid_until", "model_year", "plate"]
"#,
    },
    Agency {
        key: "giza",
        id: "EG/GOV/GIZA",
        system: "centre",
        name_en: "Giza Governorate service centre",
        name_ar: "مركز خدمات محافظة الجيزة",
        store: ["", ""],
        service: "",
    },
];

/// The agency with that folder name; the first when there is none.
pub(super) fn agency(key: &str) -> &'static Agency {
    AGENCIES
        .iter()
        .find(|agency| agency.key == key)
        .unwrap_or(&AGENCIES[0])
}

/// An agreement of the demo: its proposer, its acceptor and its terms in TOML.
#[derive(Debug)]
pub(super) struct Terms {
    /// Folder name of the consumer, which proposes.
    pub consumer: &'static str,
    /// Folder name of the provider, which accepts.
    pub provider: &'static str,
    /// The terms.
    pub toml: &'static str,
}

/// What the five agreed on. Giza has no agreement with the civil registry: the story needs that.
pub(super) const AGREEMENTS: [Terms; 4] = [
    Terms {
        consumer: "moss",
        provider: "civil",
        toml: r#"consumer = "EG/GOV/MOSS"
provider = "EG/GOV/CIVIL"
days = 365

[[grants]]
system = "registry"
service = "persons.v1"
operations = ["household", "lookup"]
purposes = ["takaful-eligibility"]
fields = ["alive", "birth_date", "governorate_ar", "governorate_en", "household_id", "living_members", "minors", "name_ar", "name_en", "sex"]
legal_basis = "Synthetic legal basis for the demo"
daily_quota = 100000
retention_days = 90
"#,
    },
    Terms {
        consumer: "moss",
        provider: "nosi",
        toml: r#"consumer = "EG/GOV/MOSS"
provider = "EG/GOV/NOSI"
days = 365

[[grants]]
system = "insurance"
service = "insured.v1"
operations = ["lookup"]
purposes = ["takaful-eligibility"]
fields = ["insured", "monthly_pension_egp", "monthly_wage_egp", "sector"]
legal_basis = "Synthetic legal basis for the demo"
daily_quota = 0
retention_days = 90
"#,
    },
    Terms {
        consumer: "moss",
        provider: "traffic",
        toml: r#"consumer = "EG/GOV/MOSS"
provider = "EG/GOV/TRAFFIC"
days = 365

[[grants]]
system = "vehicles"
service = "vehicles.v1"
operations = ["owned"]
purposes = ["takaful-eligibility"]
fields = ["kind", "model_year"]
legal_basis = "Synthetic legal basis for the demo"
daily_quota = 0
retention_days = 90
"#,
    },
    Terms {
        consumer: "giza",
        provider: "moss",
        toml: r#"consumer = "EG/GOV/GIZA"
provider = "EG/GOV/MOSS"
days = 365

[[grants]]
system = "takaful"
service = "applications.v1"
operations = ["status"]
purposes = ["citizen-service"]
fields = ["applied_on", "programme", "status"]
legal_basis = "Synthetic legal basis for the demo"
daily_quota = 0
retention_days = 30
"#,
    },
];

/// Where the rows of the four providers are.
#[derive(Debug)]
pub(super) struct Stores<'a> {
    /// SQLite file of the civil registry.
    pub civil: &'a Path,
    /// host:port of the HTTP backend of social solidarity.
    pub moss: &'a str,
    /// The PostgreSQL server of social insurance, if there is one.
    pub nosi_postgres: Option<&'a Postgres>,
    /// SQLite file of social insurance where there is no PostgreSQL.
    pub nosi_file: &'a Path,
    /// CSV file of traffic.
    pub traffic: &'a Path,
}
