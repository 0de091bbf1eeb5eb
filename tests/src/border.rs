//! What is done at the border: another country is admitted and withdrawn, grants are opened to it.

use audit::receipt::Receipt;
use proto::act::{BorderAct, BorderDeed, InstanceAdmission, OpeningAbroad};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::limits::label;
use tonic::Status;

use crate::agency::TestAgency;
use crate::agreements::{part, parts};
use crate::ground::OPERATOR;
use crate::operator::Person;
use crate::switch::TestSwitch;

impl TestSwitch {
    /// The first operator admits `instance`.
    pub async fn admit(&self, instance: &str) {
        let deed = BorderDeed::Admit(InstanceAdmission {
            operator: part(OPERATOR),
            instance: part(instance),
            name_ar: "بلد آخر".to_owned(),
            name_en: "Another country".to_owned(),
            legal_basis: "Treaty 7 of 2026".to_owned(),
        });
        self.at_the_border(&self.operator(), deed).await.unwrap();
    }

    /// The first operator withdraws it.
    pub async fn withdraw(&self, instance: &str) {
        let deed = BorderDeed::Withdraw {
            operator: part(OPERATOR),
            instance: part(instance),
            reason: "The treaty ended".to_owned(),
        };
        self.at_the_border(&self.operator(), deed).await.unwrap();
    }

    /// `by` does this at the border.
    ///
    /// # Errors
    /// What the switch says.
    pub async fn at_the_border(&self, by: &Person, deed: BorderDeed) -> Result<Receipt, Status> {
        let issued_at_ms = self.now_ms();
        let header = BorderAct { issued_at_ms, deed }.encode();
        self.operate_under(by, Kind::BorderAct, label::BORDER, header)
            .await
    }
}

impl TestAgency {
    /// Opens `read` of the first grant of `agreement` to `instance` until `not_after_ms`; gives the opening's id.
    ///
    /// # Errors
    /// What the switch says.
    pub async fn open_abroad(
        &self,
        switch: &TestSwitch,
        agreement: Digest,
        instance: &str,
        not_after_ms: u64,
    ) -> Result<Digest, Status> {
        let deed = BorderDeed::Open(OpeningAbroad {
            agency: self.agency(),
            agreement,
            grant: 1,
            operations: parts(&["read"]),
            instance: part(instance),
            legal_basis: "Treaty 7 of 2026, article 2".to_owned(),
            not_after_ms,
        });
        self.border(switch, deed).await
    }

    /// Ends an opening.
    ///
    /// # Errors
    /// What the switch says.
    pub async fn close_abroad(
        &self,
        switch: &TestSwitch,
        opening: Digest,
    ) -> Result<Digest, Status> {
        let deed = BorderDeed::Close {
            agency: self.agency(),
            opening,
            reason: "The case is over".to_owned(),
        };
        self.border(switch, deed).await
    }

    async fn border(&self, switch: &TestSwitch, deed: BorderDeed) -> Result<Digest, Status> {
        let issued_at_ms = switch.now_ms();
        let act = BorderAct { issued_at_ms, deed };
        self.submit(switch, Kind::BorderAct, label::BORDER, act.encode())
            .await?;
        Ok(act.id())
    }
}
