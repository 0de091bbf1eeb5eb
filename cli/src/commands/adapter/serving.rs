//! `mohawel adapter run`: the stock providers that a TOML file describes, served until the process is told to stop.

use std::path::Path;
use std::time::Duration;

use adapters::provider::{Options, ServeError};
use adapters::stock::Providers;

use crate::commands::{act, signal};
use crate::failure::Failure;
use crate::output::Output;

/// How long the start waits for the switch to take the link before it says so and goes on trying.
const ATTACH_WAIT: Duration = Duration::from_secs(15);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// A usage failure for a home or file that cannot be read; untrusted when the switch is no longer believed.
pub async fn run(home: &Path, providers: &Path, output: Output) -> Result<(), Failure> {
    signal::start_telemetry()?;
    let stop = signal::Stop::listen()?;
    let providers = Providers::load(providers).map_err(Failure::usage)?;
    let swept = providers.sweep().map_err(Failure::usage)?;
    if swept > 0 {
        let by_whom = [
            format!("{swept} parts of files that a killed process left were taken away"),
            format!("أُزيل {swept} من أجزاء الملفات التي تركتها عملية أُنهيت قسرًا"),
        ];
        output.note(output.say(&by_whom[0], &by_whom[1]));
    }
    let adapter = act::connect(home).await?;
    let serving = adapter.serve(providers, Options::default()).await;
    match serving.attached(ATTACH_WAIT).await {
        Ok(()) => output.line(format!(
            "{} {}",
            output.say("serving", "يقدّم الخدمات"),
            adapter.home().system()
        )),
        Err(ServeError::NotAttached) => output.note(output.say(
            "The switch does not take the link yet; trying on.",
            "لم يقبل المحوِّل الاتصال بعد؛ وتستمر المحاولة.",
        )),
        Err(error) => return Err(ended(&error)),
    }
    let standing = adapter.standing().clone();
    tokio::select! {
        reason = standing.lost() => Err(Failure::untrusted(reason)),
        () = stop.wait() => {
            output.note(output.say("stopping", "جارٍ الإيقاف"));
            serving.drain().await.map_err(|error| ended(&error))
        }
    }
}

/// Why a provider is no longer served, with the exit code that fits.
pub fn ended(error: &ServeError) -> Failure {
    match error {
        ServeError::Distrust(_) => Failure::untrusted(error),
        ServeError::NotAttached | ServeError::Broken(_) => Failure::unavailable(error),
    }
}
