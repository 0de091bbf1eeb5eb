//! One value for a whole registry: equal histories give equal values, on every machine and in every version.
//!
//! SHA-256 over one line for each record, the lines sorted: what it is, its name, the log indexes that made
//! it so, and where it stands. Contents are named by the entries that carry them, which the log already proves.

use super::{ApplicationState, Registry, WaitingFor};
use crate::digest::Digest;

impl Registry {
    /// The value. Walks everything: not for the way of an exchange.
    pub fn digest(&self) -> Digest {
        let mut lines = vec![format!("registry {} {:?}", self.size, self.policy.0)];
        lines.push(format!("genesis {}", self.genesis_sha256));
        self.people_lines(&mut lines);
        self.agency_lines(&mut lines);
        self.service_lines(&mut lines);
        self.agreement_lines(&mut lines);
        self.border_lines(&mut lines);
        lines.sort_unstable();
        Digest::of(lines.join("\n").as_bytes())
    }

    fn people_lines(&self, lines: &mut Vec<String>) {
        for person in self.people() {
            lines.push(format!(
                "person {} {} {} {:?}",
                person.role, person.name, person.index, person.ended
            ));
        }
        for record in self.purposes() {
            lines.push(format!(
                "purpose {} {} {}",
                record.purpose.code, record.index, record.purpose.ended
            ));
        }
        for (id, record) in self.waiting() {
            let what = match &record.what {
                WaitingFor::Act(act) => act.deed.name(),
                WaitingFor::Invitation(_) => "invitation",
                WaitingFor::Border(act) => act.deed.name(),
            };
            lines.push(format!("waiting {id} {what} {}", record.index));
        }
        for record in self.invitations() {
            let token = record.invitation.token;
            lines.push(format!(
                "invitation {token} {} {} {:?}",
                record.index, record.approved, record.used
            ));
        }
        for (id, record) in self.applications() {
            let state = match &record.state {
                ApplicationState::Waiting => "waiting",
                ApplicationState::Approved { .. } => "approved",
                ApplicationState::Rejected { .. } => "rejected",
                ApplicationState::Enrolled => "enrolled",
            };
            lines.push(format!("application {id} {} {state}", record.index));
        }
    }

    fn agency_lines(&self, lines: &mut Vec<String>) {
        for agency in self.agencies() {
            let replacement = agency
                .replacement
                .as_ref()
                .map(|replacement| (replacement.act.to_string(), replacement.due_at_ms));
            lines.push(format!(
                "agency {} {} {} {:?} {} {replacement:?} {:?}",
                agency.id,
                agency.index,
                agency.authority_key.kid(),
                agency.suspended.as_ref().map(|(index, _)| index),
                agency.daily_quota,
                agency.administrators,
            ));
        }
        for record in self.encryption_keys() {
            lines.push(format!(
                "encryption_key {} {}",
                record.binding.system, record.index
            ));
        }
        for system in self.systems() {
            lines.push(format!(
                "system {} {} {:?}",
                system.id, system.index, system.ended
            ));
        }
        for key in self.keys() {
            lines.push(format!(
                "key {} {} {} {} {:?}",
                key.key.kid(),
                key.system,
                key.adapter,
                key.index,
                key.ended
            ));
        }
        for record in self.log_keys() {
            lines.push(format!(
                "log_key {} {}",
                record.succession.key.kid(),
                record.index
            ));
        }
        for certificate in self.certificates() {
            lines.push(format!(
                "certificate {} {} {} {:?}",
                certificate.sha256, certificate.uri, certificate.index, certificate.revoked
            ));
        }
    }

    fn service_lines(&self, lines: &mut Vec<String>) {
        for service in self.services() {
            let off: Vec<_> = service
                .notices
                .iter()
                .map(|notice| (notice.operation.as_ref(), notice.index))
                .collect();
            lines.push(format!(
                "service {} {} {} {off:?}",
                service.definition.id(),
                service.contract,
                service.index
            ));
        }
    }

    fn border_lines(&self, lines: &mut Vec<String>) {
        for instance in self.instances() {
            lines.push(format!(
                "instance {} {} {:?}",
                instance.id,
                instance.index,
                instance.withdrawn.as_ref().map(|(index, _)| index)
            ));
        }
        for record in self.openings() {
            lines.push(format!(
                "opening {} {} {:?}",
                record.id,
                record.index,
                record.ended.as_ref().map(|(index, _)| index)
            ));
        }
    }

    fn agreement_lines(&self, lines: &mut Vec<String>) {
        for agreement in self.agreements() {
            let acts: Vec<u64> = agreement.acts.iter().map(|act| act.index).collect();
            lines.push(format!(
                "agreement {} {} {:?} {acts:?}",
                agreement.id,
                agreement.state.name(),
                agreement.superseded_from_ms
            ));
        }
        for record in self.delegations() {
            lines.push(format!(
                "delegation {} {} {} {:?}",
                record.id, record.agreement, record.index, record.ended
            ));
        }
    }
}
