//! What is checked, in the words of machines and of people.

/// One check, of either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// An adapter's `adapter.toml` and the files it names.
    Settings,
    /// A switch's `switch.toml` and the files it names.
    Configuration,
    /// Who may read and write the files.
    Permissions,
    /// Room left.
    Disk,
    /// An adapter's keys, certificates and pins together.
    Home,
    /// A switch's keys, certificates, authority and log together.
    Parts,
    /// The adapter's certificate.
    Certificate,
    /// The broker's certificate.
    BrokerCertificate,
    /// Root and intermediates.
    AuthorityCertificates,
    /// This machine's clock.
    Clock,
    /// The name of the exchange door's host.
    Dns,
    /// Its port.
    Tcp,
    /// The handshake.
    Tls,
    /// Whether it is the switch that enrolment pinned.
    Pin,
    /// Whether the switch serves this system.
    Switch,
    /// The registry, folded here.
    Registry,
    /// The adapter's seal key in the registry.
    Key,
    /// Keys of the agency that nobody here knows of.
    Alarms,
    /// The published checkpoint against all that was seen.
    Checkpoint,
    /// Whether the service offers what is intended.
    Service,
    /// Reviews after the glass was broken, where an agreement wants them.
    Reviews,
    /// What permits what is intended.
    Agreement,
    /// The log directory.
    Log,
    /// Cosignatures under the published checkpoint, where witnesses are configured.
    Witnesses,
    /// Keys for pseudonyms of persons, where the home has a folder for them.
    SubjectKeys,
    /// What people compare over the telephone.
    Pins,
    /// Where members connect.
    ExchangeDoor,
    /// Where newcomers connect.
    EnrolmentDoor,
}

impl Check {
    /// A stable word.
    pub fn id(self) -> &'static str {
        self.words().0
    }

    /// What people read, English then Arabic.
    pub fn name(self) -> [&'static str; 2] {
        self.words().1
    }

    fn words(self) -> (&'static str, [&'static str; 2]) {
        match self {
            Self::Settings => ("settings", ["settings", "الإعدادات"]),
            Self::Configuration => ("configuration", ["configuration", "الإعدادات"]),
            Self::Permissions => ("permissions", ["permissions", "الأذونات"]),
            Self::Disk => ("disk", ["disk", "القرص"]),
            Self::Home => ("home", ["keys and pins", "المفاتيح والتثبيت"]),
            Self::Parts => ("parts", ["keys and authority", "المفاتيح والسلطة"]),
            Self::Certificate => ("certificate", ["certificate", "الشهادة"]),
            Self::BrokerCertificate => (
                "broker_certificate",
                ["broker's certificate", "شهادة الوسيط"],
            ),
            Self::AuthorityCertificates => (
                "authority_certificates",
                ["authority's certificates", "شهادات السلطة"],
            ),
            Self::Clock => ("clock", ["clock", "الساعة"]),
            Self::Dns => ("dns", ["name", "الاسم"]),
            Self::Tcp => ("tcp", ["port", "المنفذ"]),
            Self::Tls => ("tls", ["TLS", "TLS"]),
            Self::Pin => ("pin", ["pin", "التثبيت"]),
            Self::Switch => ("switch", ["switch", "المحوِّل"]),
            Self::Registry => ("registry", ["registry", "السجل العام"]),
            Self::Key => ("key", ["seal key", "مفتاح الختم"]),
            Self::Alarms => ("alarms", ["alarms", "الإنذارات"]),
            Self::Checkpoint => ("checkpoint", ["checkpoint", "نقطة التحقق"]),
            Self::Service => ("service", ["service", "الخدمة"]),
            Self::Agreement => ("agreement", ["agreement", "الاتفاقية"]),
            Self::Reviews => ("reviews", ["reviews", "المراجعات"]),
            Self::Log => ("log", ["log", "سجل القيود"]),
            Self::Witnesses => ("witnesses", ["witnesses", "الشهود"]),
            Self::SubjectKeys => ("subject_keys", ["subject keys", "مفاتيح الأشخاص"]),
            Self::Pins => ("pins", ["pins", "التثبيت"]),
            Self::ExchangeDoor => ("exchange_door", ["exchange door", "باب التبادل"]),
            Self::EnrolmentDoor => ("enrolment_door", ["enrolment door", "باب التسجيل"]),
        }
    }
}
