//! The agency's side, in the order in which a request goes: files, clock, network, switch, registry, agreement.

use std::path::Path;

use adapters::adapter::Adapter;
use adapters::config::Config;
use adapters::identity::Home;
use audit::clock::Clock;
use certs::Validity;
use certs::tls::{client_config, fixed_time};

use super::call::{self, Intended};
use super::check::Check;
use super::disk;
use super::home;
use super::life::{self, Renewal};
use super::network::{self, Shown, Unshaken};
use super::reviews;
use super::row::{Row, Standing, same};
use super::served::{self, Dated};
use crate::commands::init::now;
use crate::commands::switch_dir::host_of;

/// All checks of the home `dir`, and of `call` when one is intended.
pub async fn examine(dir: &Path, call: Option<&Intended>, clock: &Clock) -> Vec<Row> {
    let mut rows = Vec::new();
    let (row, config) = match home::settings(dir) {
        Ok(found) => found,
        Err(row) => {
            let needed = row.check;
            rows.push(row);
            let all = [
                Check::Permissions,
                Check::Disk,
                Check::Home,
                Check::Certificate,
                Check::Clock,
                Check::Dns,
                Check::Tcp,
            ];
            rows.extend(all.map(|check| check.not_tried(needed)));
            rows.extend(beyond_tcp(call).map(|check| check.not_tried(needed)));
            return rows;
        }
    };
    rows.push(row);
    rows.push(home::permissions(dir, &config));
    rows.push(disk::examine(Check::Disk, dir, disk::HOME));
    let home = match home::open(dir) {
        Ok((row, home)) => {
            rows.push(row);
            Some(home)
        }
        Err(row) => {
            rows.push(row);
            None
        }
    };
    if let Some(home) = &home {
        rows.extend(home::subject_keys(home, &config, clock));
    }
    let own = home.as_ref().and_then(own_life);
    rows.push(match own {
        Some(own) => certificate(own, clock),
        None => Check::Certificate.not_tried(Check::Home),
    });
    // Told before the network, for a wrong clock breaks it; known only behind it.
    let clock_at = rows.len();
    let window_ms = config.window_ms;
    let dated = reach(&config, home.as_ref(), call, clock, &mut rows).await;
    let dated = dated.unwrap_or_else(|| Dated::unanswered(clock));
    rows.insert(clock_at, served::clock(&dated, own, window_ms));
    rows
}

fn own_life(home: &Home) -> Option<Validity> {
    let identity = home.identity().current();
    Validity::of(identity.chain().first()?)
}

fn certificate(own: Validity, clock: &Clock) -> Row {
    let remedy = [
        "A running adapter renews it by itself: run `mohawel adapter run`. When it has ended, ask the operator for a new invitation.",
        "يجددها المحوّل الطرفي أثناء عمله: شغّل mohawel adapter run. وإن كانت قد انتهت فاطلب من المشغّل دعوة جديدة.",
    ];
    match now(clock) {
        Ok(now) => life::judge(
            Check::Certificate,
            &[("", own)],
            Renewal::ByThird,
            now,
            remedy,
        ),
        Err(failure) => Check::Certificate.failed(failure.what, remedy),
    }
}

/// What needs a connection, in order.
fn beyond_tcp(call: Option<&Intended>) -> impl Iterator<Item = Check> {
    let always = [
        Check::Tls,
        Check::Pin,
        Check::Switch,
        Check::Registry,
        Check::Key,
        Check::Alarms,
        Check::Checkpoint,
    ];
    let wanted = call
        .map(|_| [Check::Service, Check::Agreement])
        .into_iter()
        .flatten();
    always.into_iter().chain(wanted)
}

/// Name, port, handshake, and what the switch says; gives the date of its answer, where it answered.
async fn reach(
    config: &Config,
    home: Option<&Home>,
    call: Option<&Intended>,
    clock: &Clock,
    rows: &mut Vec<Row>,
) -> Option<Dated> {
    let mut failed = None;
    let dns = network::dns(&config.exchange).await;
    if dns.is_failed() {
        failed = Some(Check::Dns);
    }
    rows.push(dns);
    rows.push(match failed {
        Some(needed) => Check::Tcp.not_tried(needed),
        None => {
            let tcp = network::tcp(&config.exchange).await;
            failed = tcp.is_failed().then_some(Check::Tcp);
            tcp
        }
    });
    let home = match (home, failed) {
        (Some(home), None) => home,
        (home, failed) => {
            let needed = failed.filter(|_| home.is_some()).unwrap_or(Check::Home);
            rows.extend(beyond_tcp(call).map(|check| check.not_tried(needed)));
            return None;
        }
    };
    let [tls, pin] = Box::pin(shake(home, clock)).await;
    let failed = [&tls, &pin].into_iter().find(|row| row.is_failed());
    let failed = failed.map(|row| row.check);
    rows.extend([tls, pin]);
    match failed {
        None => Box::pin(ask(home, call, clock, rows)).await,
        Some(needed) => {
            rows.extend(
                beyond_tcp(call)
                    .skip(2)
                    .map(|check| check.not_tried(needed)),
            );
            None
        }
    }
}

/// The handshake, and whether it is with the switch that enrolment pinned.
async fn shake(home: &Home, clock: &Clock) -> [Row; 2] {
    let config = home.config();
    let broken = [
        "See what stands between this machine and the switch: only TLS 1.3 with a client certificate is spoken.",
        "افحص ما بين هذا الجهاز والمحوِّل: لا يُقبل إلا TLS 1.3 بشهادة عميل.",
    ];
    let tls = home
        .trust()
        .map_err(|error| error.to_string())
        .and_then(|trust| {
            let now = now(clock).map_err(|failure| failure.what[0].clone())?;
            client_config(home.identity(), &trust, &config.broker_uri, fixed_time(now))
                .map_err(|error| error.to_string())
        });
    let tls = match tls {
        Ok(tls) => tls,
        Err(error) => {
            return [
                Check::Tls.failed(same(error), broken),
                Check::Pin.not_tried(Check::Tls),
            ];
        }
    };
    match network::handshake(&config.exchange, host_of(&config.exchange), tls).await {
        Ok(shown) => [
            Check::Tls.ok(same(format!("TLS 1.3, {}", shown.exchange))),
            Check::Pin.ok(pinned(home, &shown)),
        ],
        Err(Unshaken::Other(reason)) => [
            Check::Tls.ok([
                "a handshake was begun".to_owned(),
                "بدأت المصافحة".to_owned(),
            ]),
            Check::Pin.failed(
                same(reason),
                [
                    "Compare root.pem and broker_uri with what the operator reads out (`mohawel doctor --switch`); a firewall that opens Check::Tls is not let through.",
                    "قارن root.pem و broker_uri بما يقرؤه المشغّل (mohawel doctor --switch)؛ ولا يُقبل جدار ناري يفك تشفير Check::Tls.",
                ],
            ),
        ],
        Err(Unshaken::Time(reason)) => [
            Check::Tls.failed(
                same(reason),
                [
                    "Set this machine's clock (NTP); when it is right, tell the operator that the switch's certificate is not.",
                    "اضبط ساعة هذا الجهاز (NTP)؛ وإن كانت صحيحة فأبلغ المشغّل بأن شهادة المحوِّل خارج مدتها.",
                ],
            ),
            Check::Pin.not_tried(Check::Tls),
        ],
        Err(Unshaken::Broken(reason)) => [Check::Tls.failed(reason, broken), Check::Pin.not_tried(Check::Tls)],
    }
}

fn pinned(home: &Home, shown: &Shown) -> [String; 2] {
    let uri = &home.config().broker_uri;
    match Validity::of(&shown.leaf) {
        Some(life) => [
            format!("{uri}, its certificate until {}", life.not_after.date()),
            format!("{uri}، شهادته حتى {}", life.not_after.date()),
        ],
        None => same(uri),
    }
}

/// Everything that needs the switch to answer.
async fn ask(
    home: &Home,
    call: Option<&Intended>,
    clock: &Clock,
    rows: &mut Vec<Row>,
) -> Option<Dated> {
    let adapter = match Adapter::start(home.clone(), clock.clone()) {
        Ok(adapter) => adapter,
        Err(error) => {
            let remedy = [
                "Look at the message; the home folder holds what it names.",
                "راجع الرسالة؛ والمجلد يحوي ما تذكره.",
            ];
            rows.push(Check::Switch.failed(same(error), remedy));
            rows.extend(
                beyond_tcp(call)
                    .skip(3)
                    .map(|check| check.not_tried(Check::Switch)),
            );
            return None;
        }
    };
    let dated = match served::switch(&adapter).await {
        Ok((switch, dated)) => {
            rows.push(switch);
            dated
        }
        Err(switch) => {
            rows.push(switch);
            rows.extend(
                beyond_tcp(call)
                    .skip(3)
                    .map(|check| check.not_tried(Check::Switch)),
            );
            return None;
        }
    };
    let registry = served::registry(&adapter).await;
    let folded = registry.standing == Standing::Ok;
    rows.push(registry);
    rows.push(if folded {
        served::key(&adapter)
    } else {
        Check::Key.not_tried(Check::Registry)
    });
    rows.push(if folded {
        served::alarms(&adapter)
    } else {
        Check::Alarms.not_tried(Check::Registry)
    });
    rows.push(served::checkpoint(&adapter).await);
    if folded {
        rows.extend(reviews::examine(&adapter).await);
    }
    if let Some(call) = call {
        rows.extend(if folded {
            call::examine(&adapter, call).await
        } else {
            [Check::Service, Check::Agreement].map(|check| check.not_tried(Check::Registry))
        });
    }
    Some(dated)
}
