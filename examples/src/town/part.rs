//! What a story's process is when it is not the story: `mohawel`, the mail service, or the payment office.

use std::path::Path;
use std::process::ExitCode;

use crate::{mail_service, pay_office};

/// The argument by which this binary becomes the mail service.
pub(super) const MAIL: &str = "mail-service";
/// The argument by which it becomes the payment office.
pub(super) const PAY: &str = "pay-office";

/// What this process is when it is not the story: `mohawel`, or the mail service.
pub fn part_of_the_story() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        None | Some("--lang" | "--households" | "--help") => None,
        Some(MAIL) => Some(mail(&arguments)),
        Some(PAY) => Some(pay(&arguments)),
        Some(_) => Some(cli::run()),
    }
}

fn mail(arguments: &[String]) -> ExitCode {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (Some(home), Some(server)) = (arguments.get(1), arguments.get(2)) else {
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Runtime::new();
    match runtime.map(|runtime| runtime.block_on(mail_service::run(Path::new(home), server))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn pay(arguments: &[String]) -> ExitCode {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let Some(home) = arguments.get(1) else {
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Runtime::new();
    match runtime.map(|runtime| runtime.block_on(pay_office::run(Path::new(home)))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
