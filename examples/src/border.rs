//! What stories do at the border: a country is admitted and withdrawn, a grant is opened to one.

use anyhow::Result;
use cli::commands::agreement::abroad;
use cli::commands::operate::instances;
use cli::commands::operator::Operator;
use proto::Digest;
use proto::act::{BorderDeed, InstanceAdmission, OpeningAbroad};
use proto::id::Part;
use proto::registry::Registry;

use crate::desk::Desk;
use crate::{Stage, told};

impl Stage {
    /// The operator admits a country.
    ///
    /// # Errors
    /// The switch.
    pub async fn admit(&self, code: &str, [english, arabic]: [&str; 2]) -> Result<()> {
        let operator = self.operator()?;
        let deed = BorderDeed::Admit(InstanceAdmission {
            operator: operator.name.clone(),
            instance: Part::parse(code)?,
            name_ar: arabic.to_owned(),
            name_en: english.to_owned(),
            legal_basis: "Synthetic treaty of the story, article 1".to_owned(),
        });
        self.at_the_border(&operator, deed).await
    }

    /// The operator withdraws it.
    ///
    /// # Errors
    /// The switch.
    pub async fn withdraw(&self, code: &str, reason: &str) -> Result<()> {
        let operator = self.operator()?;
        let deed = BorderDeed::Withdraw {
            operator: operator.name.clone(),
            instance: Part::parse(code)?,
            reason: reason.to_owned(),
        };
        self.at_the_border(&operator, deed).await
    }

    async fn at_the_border(&self, operator: &Operator, deed: BorderDeed) -> Result<()> {
        // A story's switch has no policy of two.
        let policy = Registry::empty();
        instances::submit(operator, deed, &policy)
            .await
            .map_err(told)?;
        Ok(())
    }
}

impl Desk {
    /// Opens operations of an agreement's first grant to a country, for as long as the agreement; gives the opening.
    ///
    /// # Errors
    /// The switch.
    pub async fn open_abroad(
        &self,
        agreement: Digest,
        operations: &[&str],
        code: &str,
    ) -> Result<Digest> {
        let registry = self.adapter.mirror().snapshot();
        let known = registry.agreement(&agreement);
        let until_ms = known.map_or(0, |known| known.content.not_after_ms);
        let operations = operations.iter().map(|operation| Part::parse(operation));
        let deed = BorderDeed::Open(OpeningAbroad {
            agency: self.adapter.home().system().agency(),
            agreement,
            grant: 1,
            operations: operations.collect::<Result<_, _>>()?,
            instance: Part::parse(code)?,
            legal_basis: "Synthetic treaty of the story, article 2".to_owned(),
            not_after_ms: until_ms,
        });
        let (opening, _) = abroad::submit(&self.adapter, &self.authority, deed)
            .await
            .map_err(told)?;
        Ok(opening)
    }
}
