//! `mohawel event`: words and options.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use proto::id::{EventId, Part, ServiceId, SubscriptionId};

/// `mohawel event`.
#[derive(Debug, Subcommand)]
pub enum Event {
    /// Tell what happened to everybody who follows one operation of this system's service.
    Publish(Box<PublishEvent>),
    /// Begin to be told what an operation of another's service tells.
    Subscribe(Box<Subscribe>),
    /// Be told no more.
    Unsubscribe {
        /// The subscription.
        #[arg(value_parser = super::audit::exchange_id)]
        subscription: SubscriptionId,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
    /// This system's subscriptions, and those of others to what it tells: how many events wait, were taken, were given up.
    Subscriptions {
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
    /// Print events as they come, each acknowledged once it is printed or written. An event may come twice.
    Follow {
        /// The subscription.
        #[arg(value_parser = super::audit::exchange_id)]
        subscription: SubscriptionId,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        /// Write each event into this folder as EVENT.json instead of printing it.
        #[arg(long)]
        into: Option<PathBuf>,
        /// End once nothing is due, after waiting so long for more: 0s, 30s.
        #[arg(long, value_parser = super::span)]
        until_idle: Option<Duration>,
    },
    /// Who has been told of events: of those that this system tells, or follows.
    #[command(visible_alias = "list")]
    Status {
        /// One event, with everybody who is told. When left out, all that are kept, with those that do not have them.
        #[arg(value_parser = super::audit::exchange_id)]
        event: Option<EventId>,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        /// Only events that somebody refused, or was given up on.
        #[arg(long)]
        dead: bool,
        /// Events recorded from this index on.
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Have events brought again that were given up.
    Redeliver {
        /// The subscription.
        #[arg(value_parser = super::audit::exchange_id)]
        subscription: SubscriptionId,
        /// The event. When left out, all of the subscription that were given up.
        #[arg(value_parser = super::audit::exchange_id)]
        event: Option<EventId>,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
}

/// `mohawel event publish`.
#[derive(Debug, Args)]
pub struct PublishEvent {
    /// This system's own service, for example licences.v1.
    #[arg(value_parser = Part::parse)]
    pub service: Part,
    /// The operation whose answers the event is like.
    #[arg(value_parser = Part::parse)]
    pub operation: Part,
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    /// A JSON object, @FILE, or - for standard input. 64 KiB at most.
    #[arg(long)]
    pub data: String,
    /// What it is ordered by, for example the number of a licence. Only this home can tell it from what is sent.
    #[arg(long)]
    pub key: Option<String>,
    /// The id of an event that may have been published already: then it is not published twice.
    #[arg(long, value_parser = super::audit::exchange_id)]
    pub id: Option<EventId>,
}

/// `mohawel event subscribe`.
#[derive(Debug, Args)]
pub struct Subscribe {
    /// INSTANCE/CLASS/AGENCY/SYSTEM/service.
    pub service: ServiceId,
    /// The operation.
    #[arg(value_parser = Part::parse)]
    pub operation: Part,
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    /// The legal reason, a purpose code.
    #[arg(long, value_parser = Part::parse)]
    pub purpose: Part,
    /// Fields, separated by commas. An event with any other field is withheld.
    #[arg(long, value_delimiter = ',', value_parser = Part::parse)]
    pub fields: Vec<Part>,
    /// Begin with what was recorded since then, RFC 3339, as far as it is kept. When left out, with what comes from now on.
    #[arg(long)]
    pub from: Option<String>,
    /// How often an event is brought that is not acknowledged, 1 to 1000.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub attempts: Option<u32>,
    /// The pause after the first time, which doubles: 1s, 5m, 1h at most.
    #[arg(long, value_parser = super::span)]
    pub pause: Option<Duration>,
}
