//! Names: what is read, what is refused, what is made.

use super::*;

#[test]
fn names_print_as_they_were_read() {
    for uri in [
        "spiffe://switch.gov.eg/EG/GOV/MOSS/takaful",
        "spiffe://switch.gov.eg/operator/amal",
        "spiffe://switch.gov.eg/auditor/CAO-7",
        "spiffe://s/broker/b.1_x",
        "spiffe://s/operator/x/broker/y",
        "spiffe://switch.gov.eg/approver/hoda",
        "spiffe://switch.gov.eg/dpo/mina",
        "spiffe://switch.gov.eg/administrator/EG/GOV/MOSS/samia",
    ] {
        assert_eq!(uri.parse::<PeerName>().unwrap().to_string(), uri);
    }
    let longest = format!(
        "spiffe://{}/administrator{}",
        "d".repeat(64),
        format!("/{}", "p".repeat(64)).repeat(4)
    );
    assert_eq!(longest.len(), URI_MAX);
    assert!(longest.parse::<PeerName>().is_ok());
    assert_eq!(
        format!("{longest}p").parse::<PeerName>(),
        Err(NameError::TooLong { bytes: URI_MAX + 1 })
    );
}

#[test]
fn everything_else_is_refused() {
    for uri in [
        "",
        "spiffe://",
        "spiffe:///EG/GOV/MOSS/takaful",
        "https://s/EG/GOV/MOSS/takaful",
        "SPIFFE://s/EG/GOV/MOSS/takaful",
        "spiffe://S/EG/GOV/MOSS/takaful",
        "spiffe://s:443/EG/GOV/MOSS/takaful",
        "spiffe://u@s/EG/GOV/MOSS/takaful",
        "spiffe://s./EG/GOV/MOSS/takaful",
        "spiffe://-s/EG/GOV/MOSS/takaful",
        "spiffe://s",
        "spiffe://s/",
        "spiffe://s/EG/GOV/MOSS",
        "spiffe://s/EG/GOV/MOSS/takaful/",
        "spiffe://s/EG/GOV/MOSS/takaful/more",
        "spiffe://s//GOV/MOSS/takaful",
        "spiffe://s/EG/GOV/MO..SS/takaful",
        "spiffe://s/EG/GOV/.MOSS/takaful",
        "spiffe://s/EG/GOV/MOSS/taka%66ul",
        "spiffe://s/EG/GOV/MOSS/takaful?x",
        "spiffe://s/EG/GOV/MOSS/takaful#x",
        "spiffe://s/EG/GOV/MOSS/taka ful",
        "spiffe://s/EG/GOV/MOSS/تكافل",
        "spiffe://s/EG/GOV/MOSS/takaful\0",
        "spiffe://s/agency/x",
        "spiffe://s/Operator/x",
        "spiffe://s/operator/",
        "spiffe://s/dpo/",
        "spiffe://s/DPO/x",
        "spiffe://s/Approver/x",
        "spiffe://s/administrator/x",
        "spiffe://s/administrator/EG/GOV/MOSS/",
        "spiffe://s/administrator/EG/GOV/MOSS/samia/",
        "spiffe://s/administrator/EG/GOV/MOSS/samia/more",
        "spiffe://s/Administrator/EG/GOV/MOSS/samia",
        "spiffe://s/operator/EG/GOV/MOSS/samia",
    ] {
        assert!(uri.parse::<PeerName>().is_err(), "{uri}");
    }
    let long = format!("spiffe://s/operator/{}", "p".repeat(65));
    assert!(matches!(
        long.parse::<PeerName>(),
        Err(NameError::Part { .. })
    ));
    let domain = "s".parse().unwrap();
    assert!(PeerName::system(&domain, "operator/x").is_err());
    assert!(PeerName::broker(&domain, "a/b").is_err());
}

#[test]
fn a_name_that_is_made_is_the_name_that_is_read() {
    let domain = "s".parse().unwrap();
    let made = [
        (PeerName::operator(&domain, "a"), "operator/a", true),
        (PeerName::approver(&domain, "a"), "approver/a", true),
        (PeerName::auditor(&domain, "a"), "auditor/a", true),
        (PeerName::dpo(&domain, "a"), "dpo/a", true),
        (
            PeerName::administrator(&domain, "EG/GOV/MOSS", "a"),
            "administrator/EG/GOV/MOSS/a",
            true,
        ),
        (PeerName::broker(&domain, "a"), "broker/a", false),
        (
            PeerName::system(&domain, "EG/GOV/MOSS/a"),
            "EG/GOV/MOSS/a",
            false,
        ),
    ];
    for (made, path, person) in made {
        let made = made.unwrap();
        assert_eq!(made, format!("spiffe://s/{path}").parse().unwrap());
        assert_eq!(made.role().last_part(), "a");
        assert_eq!(made.role().is_person(), person, "{path}");
    }
    for agency in ["", "EG/GOV", "EG/GOV/MOSS/x", "EG//MOSS", "EG/GOV/MO SS"] {
        assert!(
            PeerName::administrator(&domain, agency, "a").is_err(),
            "{agency}"
        );
    }
    assert!(PeerName::administrator(&domain, "EG/GOV/MOSS", "a/b").is_err());
    assert!(PeerName::dpo(&domain, "").is_err() && PeerName::approver(&domain, "a/b").is_err());
    assert!(PeerName::system(&domain, "administrator/EG/GOV/MOSS/a").is_err());
}
