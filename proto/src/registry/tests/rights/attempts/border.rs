//! What is tried at the border: a country withdrawn and admitted again, grants opened to one and closed.

use super::*;
use crate::act::{BorderAct, BorderDeed, InstanceAdmission, OpeningAbroad};

impl Play {
    /// Seals an act at the border; gives its id.
    pub(super) fn border(&mut self, deed: BorderDeed, signer: &Ed25519, dial: u8) -> Digest {
        let issued_at_ms = self.world.issue();
        let header = BorderAct { issued_at_ms, deed }.encode();
        let id = Digest::of(&header);
        self.put(Kind::BorderAct, label::BORDER, header, signer, dial);
        id
    }

    pub(super) fn admission(operator: &str) -> BorderDeed {
        BorderDeed::Admit(InstanceAdmission {
            operator: part(operator),
            instance: part("JO"),
            name_ar: "الأردن".to_owned(),
            name_en: "Jordan".to_owned(),
            legal_basis: "Treaty 7".to_owned(),
        })
    }

    /// Withdraws the country, or admits it again.
    pub(super) fn withdraw(&mut self, attempt: &Attempt) {
        let who = attempt.pick(0, &PEOPLE[..2]);
        let deed = if self.world.registry.admits("JO") {
            BorderDeed::Withdraw {
                operator: part(who),
                instance: part("JO"),
                reason: "the treaty ended".to_owned(),
            }
        } else {
            Self::admission(who)
        };
        let signer = self.signer(who, attempt.dials[1]);
        let id = self.border(deed, &signer, attempt.dials[2]);
        self.deeds.push(id);
    }

    /// Opens a grant, or ends what was opened.
    pub(super) fn open(&mut self, attempt: &Attempt) {
        let closes = attempt.dials[0].is_multiple_of(6) && !self.openings.is_empty();
        if closes {
            let (agency, opening) = attempt.pick(1, &self.openings);
            let who = match attempt.dials[2] % 8 {
                0 => attempt.pick(3, &AGENCIES).to_owned(),
                _ => agency.to_string(),
            };
            let deed = BorderDeed::Close {
                agency: self::agency(&who),
                opening,
                reason: "over".to_owned(),
            };
            let signer = self.signer(&who, attempt.dials[4]);
            self.border(deed, &signer, attempt.dials[5]);
            return;
        }
        // Every other time of the one that is across the border from the beginning.
        let of = match attempt.dials[1] % 2 {
            0 => self.agreements[2].clone(),
            _ => attempt.pick(1, &self.agreements),
        };
        let who = match attempt.dials[2] % 8 {
            0 => attempt.pick(3, &AGENCIES).to_owned(),
            _ => of.provider.to_string(),
        };
        let opening = OpeningAbroad {
            agency: agency(&who),
            agreement: of.id(),
            grant: 1 + u32::from(attempt.dials[3] > 220),
            operations: match attempt.dials[6] % 4 {
                0 => attempt.some(6, 2, OPERATIONS),
                _ => of.grants[0].operations.clone(),
            },
            instance: match (attempt.dials[6] / 4 % 8, of.provider.instance()) {
                (0, _) => part("SA"),
                (1, _) | (_, "JO") => part("EG"),
                _ => part("JO"),
            },
            legal_basis: "Treaty 7".to_owned(),
            not_after_ms: match attempt.dials[7] % 4 {
                0 => self.world.now_ms + 250,
                1 => of.not_after_ms + u64::from(attempt.dials[7] / 128),
                _ => of.not_after_ms,
            },
        };
        let signer = self.signer(&who, attempt.dials[4]);
        let by = opening.agency.clone();
        let id = self.border(BorderDeed::Open(opening), &signer, attempt.dials[5]);
        self.openings.push((by, id));
    }
}
