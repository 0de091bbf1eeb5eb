//! A switch as a process of its own: `switch_process DIR`, with DIR as `tests::ground` makes it. Says where it listens,
//! ends in order on SIGTERM, and with exit code 5 when its log stops.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::PathBuf;
use std::process::ExitCode;

use audit::clock::Clock;
use broker::{Config, Listeners, Switch};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let dir = PathBuf::from(std::env::args_os().nth(1).expect("the switch's folder"));
    let config = Config::load(&dir.join("switch.toml")).unwrap();
    let listeners = Listeners {
        exchange: TcpListener::bind(config.exchange_listen).await.unwrap(),
        enrol: TcpListener::bind(config.enrol_listen).await.unwrap(),
    };
    let switch = match Switch::start(config, listeners, Clock::System).await {
        Ok(switch) => switch,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(5);
        }
    };
    // Before anybody is told that it listens: whoever then says SIGTERM is heard.
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    println!("listening exchange {}", switch.exchange_address());
    println!("listening enrol {}", switch.enrol_address());
    tokio::select! {
        _ = terminate.recv() => match switch.shutdown().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(5)
            }
        },
        reason = switch.stopped() => {
            eprintln!("the log has stopped: {reason}");
            ExitCode::from(5)
        }
    }
}
