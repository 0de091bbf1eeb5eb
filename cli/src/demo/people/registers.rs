//! What each agency's register holds about the same households: derived rows, never stored state.
//!
//! Every row follows from its household alone, so the registers agree with each other where real
//! ones would (a poor family applies for Takaful and owns no car) and differ where real ones do:
//! in the spelling of names, and in what applicants declare.

mod insurance;
mod solidarity;
mod traffic;

pub use insurance::{InsuranceRecord, Sector, insurance};
pub use solidarity::{
    Application, ApplicationStatus, Programme, SocialSolidarityBackend, application,
};
pub use traffic::{Vehicle, VehicleKind, Vehicles};

/// The registers that write people's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Register {
    /// Persons and households; spells as the identity card does.
    CivilRegistry,
    /// Takaful and Karama applications.
    SocialSolidarity,
    /// Wages and pensions.
    SocialInsurance,
    /// Vehicles.
    Traffic,
}

impl Register {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::CivilRegistry,
        Self::SocialSolidarity,
        Self::SocialInsurance,
        Self::Traffic,
    ];

    /// Keeps the registers' draws about one household apart.
    pub(super) fn salt(self) -> u64 {
        match self {
            Self::CivilRegistry => 0x6369_7669_6C00_0001,
            Self::SocialSolidarity => 0x736F_6C69_6400_0002,
            Self::SocialInsurance => 0x696E_7375_7200_0003,
            Self::Traffic => 0x7472_6166_6600_0004,
        }
    }
}
