//! The switch's two doors as this machine itself reaches them: the port, the handshake, and whether the certificate
//! that is shown is the one on disk.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use audit::clock::Clock;
use broker::Config;
use certs::tls::{TimeSource, Trust, client_config, enrolment_client_config, fixed_time};
use certs::{Identity, ReloadableIdentity};
use rustls::ClientConfig;

use super::check::Check;
use super::network::{self, Shown, Unshaken};
use super::operator::Parts;
use super::row::{Row, same};
use crate::commands::init::now;
use crate::commands::operator;
use crate::commands::switch_dir::{SwitchDir, host_of, with_port};

/// Both doors, each shaken hands with from this machine.
pub(super) async fn examine(
    switch: &SwitchDir,
    config: &Config,
    parts: &Parts,
    clock: &Clock,
) -> [Row; 2] {
    let running = switch.running_addresses().ok().flatten();
    let told = running.as_ref();
    let exchange = local(
        config.exchange_listen,
        told.map(|told| told.exchange.as_str()),
    );
    let enrol = local(config.enrol_listen, told.map(|told| told.enrol.as_str()));
    let host = host_of(&config.exchange_address);
    let time = match now(clock) {
        Ok(now) => fixed_time(now),
        Err(failure) => {
            let row = |check: Check| check.failed(failure.what.clone(), START);
            return [row(Check::ExchangeDoor), row(Check::EnrolmentDoor)];
        }
    };
    let as_operator = operator_tls(switch, config, parts, &time);
    let exchange = match as_operator {
        Some(tls) => shaken(
            Check::ExchangeDoor,
            &exchange,
            network::handshake(&exchange, host, tls).await,
            parts,
        ),
        None => reached(Check::ExchangeDoor, &exchange).await,
    };
    let enrol_host = told.map_or(host, |told| host_of(&told.enrol));
    let enrol = match enrolment_client_config(parts.authority.root_sha256(), time) {
        Ok(tls) => shaken(
            Check::EnrolmentDoor,
            &enrol,
            network::handshake(&enrol, enrol_host, tls).await,
            parts,
        ),
        Err(error) => Check::EnrolmentDoor.failed(same(error), START),
    };
    [exchange, enrol]
}

const START: [&str; 2] = [
    "Start the switch: `mohawel broker --switch DIR`. Where it runs, see who listens there instead, and what its own messages say.",
    "شغّل المحوِّل: mohawel broker --switch. وإن كان يعمل فتحقق ممن يستمع هناك وراجع رسائله.",
];

/// Where this machine itself reaches a listener; with port 0 where the running switch says it is.
fn local(listen: SocketAddr, told: Option<&str>) -> String {
    let mut address = listen;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let port = told.and_then(|told| told.rsplit_once(':')?.1.parse().ok());
    match (listen.port(), port) {
        (0, Some(port)) => with_port(&address.to_string(), port),
        _ => address.to_string(),
    }
}

/// Check::Tls as this folder's operator, where the folder is here.
fn operator_tls(
    switch: &SwitchDir,
    config: &Config,
    parts: &Parts,
    time: &TimeSource,
) -> Option<Arc<ClientConfig>> {
    let dir = switch.operator();
    let identity = Identity::load(&dir.join(operator::CHAIN), &dir.join(operator::TLS_KEY)).ok()?;
    let domain = parts.authority.trust_domain();
    let trust = Trust::new(domain.clone(), std::slice::from_ref(parts.authority.root())).ok()?;
    let broker = format!("spiffe://{domain}/broker/{}", config.name);
    client_config(
        &ReloadableIdentity::new(identity),
        &trust,
        &broker,
        time.clone(),
    )
    .ok()
}

async fn reached(check: Check, address: &str) -> Row {
    match network::connect(address).await {
        Ok((_, peer)) => check.ok([
            format!("{peer} accepts; without the operator's folder no handshake is tried"),
            format!("{peer} يقبل الاتصال؛ ولا مصافحة دون مجلد المشغّل"),
        ]),
        Err(fault) => check.failed(fault, START),
    }
}

fn shaken(check: Check, address: &str, shown: Result<Shown, Unshaken>, parts: &Parts) -> Row {
    match shown {
        Ok(shown) if parts.identity.chain().first() == Some(&shown.leaf) => {
            check.ok(same(format!("{address}, TLS 1.3, {}", shown.exchange)))
        }
        Ok(_) => check.warning(
            [
                format!("{address} shows another certificate than tls.certificate_chain"),
                format!("{address} يعرض شهادة غير tls.certificate_chain"),
            ],
            [
                "The running broker takes the new one within the hour, or when it is started again.",
                "يأخذ الوسيط الشهادة الجديدة خلال ساعة أو عند إعادة تشغيله.",
            ],
        ),
        Err(Unshaken::Other(reason) | Unshaken::Time(reason)) => {
            check.failed(same(format!("{address}: {reason}")), START)
        }
        Err(Unshaken::Broken(reason)) => check.failed(reason, START),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_knocked_at_where_this_machine_reaches_it() {
        for (listen, told, address) in [
            ("10.0.0.7:7443", None, "10.0.0.7:7443"),
            ("0.0.0.0:7443", Some("switch.example:443"), "127.0.0.1:7443"),
            ("[::]:7443", None, "[::1]:7443"),
            ("127.0.0.1:0", Some("127.0.0.1:40001"), "127.0.0.1:40001"),
            ("0.0.0.0:0", Some("switch.example:40001"), "127.0.0.1:40001"),
            ("127.0.0.1:0", None, "127.0.0.1:0"),
        ] {
            assert_eq!(local(listen.parse().unwrap(), told), address, "{listen}");
        }
    }
}
