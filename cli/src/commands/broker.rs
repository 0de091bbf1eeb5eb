//! `mohawel broker`: run the switch of a folder until it is told to stop, or until its log can no longer commit.

use std::net::SocketAddr;

use adapters::provider::Handle;
use audit::clock::Clock;
use audit::journal::Recovery;
use broker::switch::GivenUp;
use broker::{Config, Listeners, Switch};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::init::{certificates, now};
use super::operator;
use super::signal::{Stop, start_telemetry};
use super::switch_dir::{Addresses, SwitchDir, in_file, with_port};
use crate::args;
use crate::failure::{Exit, Failure};
use crate::output::Output;

mod check;
pub mod echo;
mod failures;

use failures::{limit_passed, log_stopped, not_started};

/// How often the broker's own certificate is looked at, seconds.
const CERTIFICATE_LOOK_S: u64 = 3_600;

/// How a switch is run.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    /// Its folder.
    pub switch: SwitchDir,
    /// Whether the built-in echo service is offered.
    pub echo: bool,
    /// The one clock.
    pub clock: Clock,
    /// What may be given up to start.
    pub given_up: GivenUp,
}

/// A switch that runs, with its echo adapter. Dropped without [`Running::shutdown`] it ends as if power were cut.
#[derive(Debug)]
pub struct Running {
    switch: std::sync::Arc<Switch>,
    dir: SwitchDir,
    addresses: Addresses,
    echo: Result<Handle, Option<Failure>>,
    renewal: AbortOnDropHandle<()>,
}

/// Runs the switch and says where it listens.
///
/// # Errors
/// A usage failure when it does not start; [`Exit::Unavailable`] when its log stops or a configured limit ends it.
pub async fn run(broker: args::Broker, output: Output) -> Result<(), Failure> {
    let switch = SwitchDir::new(&broker.switch);
    if broker.check {
        return check::run(&switch, output);
    }
    start_telemetry()?;
    let stop = Stop::listen()?;
    let options = BrokerOptions {
        switch,
        echo: !broker.no_echo,
        clock: Clock::System,
        given_up: GivenUp {
            recovery: match broker.accept_tail_loss {
                true => Recovery::AcceptTailLoss,
                false => Recovery::Strict,
            },
            without_witnesses: broker.without_witnesses,
        },
    };
    let running = Box::pin(Running::start(options)).await?;
    let value = json!({
        "listening": {
            "exchange": running.switch().exchange_address().to_string(),
            "enrol": running.switch().enrol_address().to_string(),
        },
        "echo": running.echo().is_some(),
    });
    if output.json {
        output.json_line(&value)?;
    }
    // Scripts wait for these two lines: they are the same in every language.
    output.line(format!(
        "listening exchange {}",
        running.switch().exchange_address()
    ));
    output.line(format!(
        "listening enrol {}",
        running.switch().enrol_address()
    ));
    if running.echo().is_some() {
        output.line("echo attached");
    }
    if let Some(failure) = running.echo_failure() {
        output.note(output.say("The echo service is not offered:", "خدمة الصدى غير متاحة:"));
        output.note(failure.text(output.language));
    }
    say_lost(&running, output);
    tokio::select! {
        reason = running.stopped() => {
            running.remove_addresses();
            Err(log_stopped(&reason))
        }
        reason = running.must_end() => {
            Box::pin(running.shutdown()).await?;
            Err(limit_passed(&reason))
        }
        () = stop.wait() => {
            output.note(output.say("stopping", "جارٍ الإيقاف"));
            Box::pin(running.shutdown()).await
        }
    }
}

impl Running {
    /// Starts the switch of a folder: binds, opens the log, serves, and puts the echo service on board.
    ///
    /// # Errors
    /// A usage failure naming what is wrong with the folder; unavailable when a port or the log is in use.
    pub async fn start(options: BrokerOptions) -> Result<Self, Failure> {
        let BrokerOptions {
            switch: dir,
            echo,
            clock,
            given_up,
        } = options;
        let mut config = load(&dir)?;
        // A certificate that has not ended serves on; one that has is refused where the switch starts.
        match certificates::renew_broker(&dir, config.name.as_str(), now(&clock)?) {
            Ok(true) => tracing::info!("the broker's certificate was made anew"),
            Ok(false) => {}
            Err(failure) => tracing::error!(
                error = %failure.what[0], "the broker's certificate could not be made anew"
            ),
        }
        let listeners = Listeners {
            exchange: bind(config.exchange_listen, "exchange_listen").await?,
            enrol: bind(config.enrol_listen, "enrol_listen").await?,
        };
        let addresses = told(&dir, &config, &listeners)?;
        config.exchange_address.clone_from(&addresses.exchange);
        let name = config.name.to_string();
        let starting = Switch::start_recovering(config, listeners, clock.clone(), given_up);
        let switch = Box::pin(starting)
            .await
            .map_err(|error| not_started(&error))?;
        let switch = std::sync::Arc::new(switch);
        dir.say_running(&addresses)?;
        let renewal = renewal(
            dir.clone(),
            name,
            clock.clone(),
            std::sync::Arc::downgrade(&switch),
        );
        let mut running = Self {
            switch,
            dir,
            addresses,
            echo: Err(None),
            renewal: AbortOnDropHandle::new(tokio::spawn(renewal)),
        };
        if echo {
            // Agencies exchange without it: that the echo service is missing must not keep them waiting.
            running.echo = Box::pin(echo::serve(
                &running.dir,
                &running.local_addresses(),
                &clock,
            ))
            .await
            .map_err(Some);
        }
        Ok(running)
    }

    /// The switch itself.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// Its folder.
    pub fn dir(&self) -> &SwitchDir {
        &self.dir
    }

    /// Where agencies reach it.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The echo adapter, where it is offered.
    pub fn echo(&self) -> Option<&Handle> {
        self.echo.as_ref().ok()
    }

    /// Why the echo service could not be offered, where it was asked for.
    pub fn echo_failure(&self) -> Option<&Failure> {
        self.echo.as_ref().err()?.as_ref()
    }

    /// Waits until the log has stopped and gives the reason: nothing is exchanged any more.
    pub async fn stopped(&self) -> std::sync::Arc<str> {
        self.switch.stopped().await
    }

    /// Waits until a configured limit says that the switch must end.
    pub async fn must_end(&self) -> std::sync::Arc<str> {
        self.switch.must_end().await
    }

    /// Ends everything in order: echo, exchanges under way, log.
    ///
    /// # Errors
    /// [`Exit::Unavailable`] when the log failed before or on its way out.
    pub async fn shutdown(self) -> Result<(), Failure> {
        let Self {
            switch,
            dir,
            echo,
            renewal,
            ..
        } = self;
        drop(renewal);
        if let Ok(echo) = echo {
            // What the echo adapter has to say against its own switch, the log's end says too.
            let _ = echo.drain().await;
        }
        let ended = match std::sync::Arc::try_unwrap(switch) {
            Ok(switch) => Box::pin(switch.shutdown())
                .await
                .map_err(|error| log_stopped(&error.to_string())),
            Err(_) => Err(Failure::unavailable(
                "the switch is still being used by a task of this process",
            )),
        };
        dir.say_stopped();
        ended
    }

    fn remove_addresses(&self) {
        self.dir.say_stopped();
    }

    /// How this machine itself reaches the switch.
    fn local_addresses(&self) -> Addresses {
        let local = |bound: SocketAddr| match bound {
            SocketAddr::V4(address) if address.ip().is_unspecified() => {
                format!("127.0.0.1:{}", address.port())
            }
            SocketAddr::V6(address) if address.ip().is_unspecified() => {
                format!("[::1]:{}", address.port())
            }
            bound => bound.to_string(),
        };
        Addresses {
            exchange: local(self.switch.exchange_address()),
            enrol: local(self.switch.enrol_address()),
        }
    }
}

/// The configuration of a folder.
///
/// # Errors
/// A usage failure with every mistake.
pub fn load(switch: &SwitchDir) -> Result<Config, Failure> {
    Config::load(&switch.config()).map_err(|error| in_file(&switch.config(), error))
}

async fn bind(address: SocketAddr, key: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(
            Exit::Unavailable,
            [
                format!("cannot listen at {address}: {error}"),
                format!("تعذّر الاستماع على {address}: {error}"),
            ],
            [
                format!("See who listens there already, or change switch.{key}."),
                format!("تحقق ممن يستمع هناك أو غيّر switch.{key}."),
            ],
        )
    })
}

/// What agencies are told: as configured, with the bound port where a free one was taken.
fn told(dir: &SwitchDir, config: &Config, listeners: &Listeners) -> Result<Addresses, Failure> {
    let exchange = listeners
        .exchange
        .local_addr()
        .map_err(Failure::unavailable)?;
    let enrol = listeners.enrol.local_addr().map_err(Failure::unavailable)?;
    let path = dir.operator().join(operator::FILE);
    // Without the operator's folder, which may be elsewhere, the port that is listened at is all that is known.
    let configured = std::fs::read_to_string(path)
        .ok()
        .and_then(|text| toml::from_str::<operator::File>(&text).ok());
    let enrol_told = configured.map_or_else(
        || with_port(&config.exchange_address, enrol.port()),
        |file| file.enrol,
    );
    let with_bound = |address: &str, listen: SocketAddr, bound: SocketAddr| match listen.port() {
        0 => with_port(address, bound.port()),
        _ => address.to_owned(),
    };
    Ok(Addresses {
        exchange: with_bound(&config.exchange_address, config.exchange_listen, exchange),
        enrol: with_bound(&enrol_told, config.enrol_listen, enrol),
    })
}

/// Makes the broker's certificate anew while the switch runs; new connections see the new one.
async fn renewal(dir: SwitchDir, name: String, clock: Clock, switch: std::sync::Weak<Switch>) {
    loop {
        tokio::time::sleep(std::time::Duration::from_secs(CERTIFICATE_LOOK_S)).await;
        let renewed = now(&clock).and_then(|now| certificates::renew_broker(&dir, &name, now));
        match (renewed, switch.upgrade()) {
            (Ok(false), Some(_)) => {}
            (Ok(true), Some(switch)) => match switch.reload_identity() {
                Ok(()) => tracing::info!("the broker's certificate was made anew"),
                Err(error) => {
                    tracing::error!(%error, "the broker's new certificate cannot be used")
                }
            },
            (Err(failure), Some(_)) => {
                tracing::error!(error = %failure.what[0], "the broker's certificate could not be made anew");
            }
            (_, None) => return,
        }
    }
}

/// Says loudly what the operator gave up for this start.
fn say_lost(running: &Running, output: Output) {
    let Some(report) = running.switch().log().recovered() else {
        return;
    };
    for remark in &report.remarks {
        output.note(format!(
            "{}: {remark}. {} {}.",
            output.say("LOST", "مفقود"),
            output.say(
                "The log goes on; agencies whose receipts name later entries refuse this switch. The damaged tail is kept beside the new one; its end is entry",
                "يستمر السجل؛ وسترفض الجهات التي تحمل إيصالات بقيود لاحقة هذا المحوِّل. وحُفظ الذيل التالف بجانب الجديد؛ ونهايته القيد",
            ),
            report.size
        ));
    }
}

#[cfg(test)]
mod tests;
