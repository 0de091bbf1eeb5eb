//! Everything behind the one binary: the command tree, its commands, the demo.
//!
//! [`args`] is what can be typed, [`commands`] what each does, [`failure`] how they end badly,
//! [`output`] how they speak, [`passphrase`] how they ask for one, [`mod@bench`] the load generator, [`demo`] the story with its synthetic people.

pub mod args;
pub mod bench;
pub mod commands;
pub mod demo;
pub mod failure;
pub mod output;
pub mod passphrase;
#[cfg(test)]
mod testing;

use std::pin::Pin;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::args::{Cli, Command, Registry};
use crate::failure::Failure;
use crate::output::Output;

/// Reads the command line, runs the command, prints what went wrong, gives the exit code.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let output = Output {
        language: cli.lang.into(),
        json: cli.json,
    };
    // The one provider for every TLS configuration in this process; a second call would be refused.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let done = dispatch(cli.command, output);
    match done.and_then(|()| output::lost()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.note(failure.text(output.language));
            failure.exit.into()
        }
    }
}

fn dispatch(command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Audit(audit) => commands::audit::run(audit, output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "mohawel", &mut script);
            output::write_all(&script);
            Ok(())
        }
        Command::Init(init) => block_on(commands::init::run(init, output)),
        Command::Broker(broker) => block_on(commands::broker::run(broker, output)),
        Command::Backup(what) => commands::backup::backup(&what, output),
        Command::Restore(what) => commands::backup::restore(&what, output),
        Command::Agency(agency) => block_on(commands::agency::run(agency, output)),
        Command::Adapter(adapter) => block_on(commands::adapter::run(adapter, output)),
        Command::Service(service) => block_on(commands::service::run(service, output)),
        Command::Agreement(agreement) => block_on(commands::agreement::run(agreement, output)),
        Command::System(system) => block_on(commands::members::system(system, output)),
        Command::Key(key) => block_on(commands::members::key(key, output)),
        Command::LogKey(keys) => commands::log_key::run(keys, output),
        Command::Instance(instance) => {
            block_on(commands::operate::instances::run(instance, output))
        }
        Command::Purpose(purpose) => block_on(commands::operate::purposes::run(purpose, output)),
        Command::Role(role) => block_on(commands::operate::roles::run(role, output)),
        Command::Approval(approvals) => {
            block_on(commands::operate::approvals::run(approvals, output))
        }
        Command::Policy(policy) => block_on(commands::operate::approvals::policy(policy, output)),
        Command::Registry(Registry::Digest(source)) => {
            block_on(commands::registry::digest(source, output))
        }
        Command::Certs(certs) => block_on(commands::certs::run(certs, output)),
        Command::Directory(directory) => block_on(commands::directory::run(directory, output)),
        Command::Doctor(doctor) => block_on(commands::doctor::run(doctor, output)),
        Command::Explain(args) => block_on(commands::explain::run(args, output)),
        Command::WhoCan(args) => block_on(commands::explain::readers(args, output)),
        Command::Plan(plan) => block_on(commands::declare::plan(plan, output)),
        Command::Apply(apply) => block_on(commands::declare::apply(apply, output)),
        Command::Export(export) => block_on(commands::declare::export(export, output)),
        Command::Call(call) => block_on(commands::call::run(call, output)),
        Command::Compose(compose) => block_on(commands::compose::run(compose, output)),
        Command::Submission(submission) => block_on(commands::submission::run(submission, output)),
        Command::Event(event) => block_on(commands::event::run(event, output)),
        Command::Batch(batch) => block_on(commands::batch::run(batch, output)),
        Command::Review(review) => block_on(commands::review::run(review, output)),
        Command::Witness(witness) => block_on(commands::witness::run(witness, output)),
        Command::Bench(bench) => bench::run(bench, output),
        Command::Demo(demo) => block_on(demo::run(demo, output)),
    }
}

/// Runs a command. Behind one type for all: else tokio's runtime is compiled into this crate once for each of them.
pub(crate) fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let work: Pin<Box<dyn Future<Output = _> + '_>> = Box::pin(work);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::unavailable)?;
    runtime.block_on(work)
}
