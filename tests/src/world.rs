//! Where most scenarios begin: a switch, Social Solidarity as consumer, the civil registry as provider, an agreement.

use std::sync::Arc;

use adapters::Adapter;
use audit::journal::{Journal, TailAndStore};
use proto::digest::Digest;

use crate::agency::TestAgency;
use crate::agreements::Terms;
use crate::check::Told;
use crate::link::RawProvider;
use crate::raw::RawConsumer;
use crate::soon;
use crate::switch::TestSwitch;

/// The consumer's system.
pub const MOSS: &str = "EG/GOV/MOSS/takaful";
/// The provider's system.
pub const CIVIL: &str = "EG/GOV/CIVIL/registry";
/// The provider's service.
pub const PERSONS: &str = "EG/GOV/CIVIL/registry/persons.v1";

/// A switch with two agencies that agreed.
#[derive(Debug)]
pub struct World {
    /// The switch.
    pub switch: TestSwitch,
    /// The consumer.
    pub moss: TestAgency,
    /// The provider.
    pub civil: TestAgency,
    /// What permits the consumer to ask.
    pub agreement: Digest,
    /// SHA-256 of the service's definition.
    pub contract: Digest,
}

impl World {
    /// With the usual limits.
    pub async fn new() -> Self {
        Self::with_limits("").await
    }

    /// With these lines in `[limits]`.
    pub async fn with_limits(limits: &str) -> Self {
        Self::populate(TestSwitch::start_with(limits).await).await
    }

    /// Enrols both agencies at `switch`, publishes, agrees.
    pub async fn populate(switch: TestSwitch) -> Self {
        let moss = TestAgency::enrol(&switch, MOSS).await;
        let civil = TestAgency::enrol(&switch, CIVIL).await;
        let contract = civil.publish(&switch).await;
        let agreement = civil.agree(&switch, &moss, &Terms::for_agency(&moss)).await;
        Self {
            switch,
            moss,
            civil,
            agreement,
            contract,
        }
    }

    /// Stops the switch, puts `wrap` around its journal, starts it again.
    pub async fn over<J: Journal + 'static>(
        self,
        wrap: impl FnOnce(TailAndStore) -> Arc<J>,
    ) -> (Self, Arc<J>) {
        let Self {
            switch,
            moss,
            civil,
            agreement,
            contract,
        } = self;
        let ground = switch.stop().await;
        let (switch, journal) = TestSwitch::over(ground, "", wrap).await;
        let world = Self {
            switch,
            moss,
            civil,
            agreement,
            contract,
        };
        world.point();
        (world, journal)
    }

    /// Starts another switch on what a power cut would leave of this one now. This one then ends, unchecked.
    pub async fn after_a_power_cut(self) -> Self {
        let Self {
            switch,
            moss,
            civil,
            agreement,
            contract,
        } = self;
        let image = switch.ground().image();
        switch.stop().await;
        let switch = TestSwitch::on(image, "").await.unwrap();
        let world = Self {
            switch,
            moss,
            civil,
            agreement,
            contract,
        };
        world.point();
        world
    }

    /// Ends the switch in order and starts it again.
    pub async fn restart(self) -> Self {
        self.restart_after(|_| {}).await
    }

    /// As [`World::restart`], after something happened to the stopped switch's log directory.
    pub async fn restart_after(self, happens: impl FnOnce(&std::path::Path)) -> Self {
        let Self {
            switch,
            moss,
            civil,
            agreement,
            contract,
        } = self;
        let ground = switch.stop().await;
        happens(&ground.log_dir());
        let switch = TestSwitch::on(ground, "").await.unwrap();
        let world = Self {
            switch,
            moss,
            civil,
            agreement,
            contract,
        };
        world.point();
        world
    }

    fn point(&self) {
        for agency in [&self.moss, &self.civil] {
            agency.point_at(self.switch.exchange());
        }
    }

    /// A consumer that builds every byte by hand.
    pub async fn raw_consumer(&self) -> RawConsumer {
        RawConsumer::connect(self, &self.moss, self.switch.exchange()).await
    }

    /// A provider's link held by hand.
    pub async fn raw_provider(&self, max_in_flight: u32) -> RawProvider {
        let provider =
            RawProvider::connect(self.switch.ground(), &self.civil, self.switch.exchange()).await;
        soon("the link is attached", provider.attach(max_in_flight)).await
    }

    /// The consumer's real adapter.
    pub async fn consumer(&self) -> Adapter {
        self.moss.adapter(self.switch.ground()).await
    }

    /// Ends the switch and checks its log.
    pub async fn finish(self) -> Told {
        self.switch.finish().await
    }
}
