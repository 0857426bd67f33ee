//! Part 1: what goes wrong without Remint.

use std::io;
use std::path::Path;

use remint_emulator::Emulator;

use super::{MESSAGES, Part, Table, push, subscription};
use crate::chain::{Envoy, REGIONS, SERVICE, region_url};
use crate::shipped::EnvoyConfig;

/// Pushes messages with a token for one region to a plain load balancer in
/// front of two.
///
/// # Errors
/// If Envoy does not start.
pub async fn problem(emulator: &Emulator, folder: &Path) -> io::Result<Part> {
    let regions: Vec<_> = REGIONS.iter().filter_map(|it| emulator.region(SERVICE, it)).collect();
    let addresses: Vec<_> = regions.iter().map(|region| region.addr()).collect();
    let config = EnvoyConfig::shipped("plain-load-balancer.yaml")?.cluster("regions", &addresses);
    let envoy = Envoy::start(&config, folder).await?;

    emulator.timeline().clear();
    let audience = region_url(emulator, REGIONS[0]);
    let report = push(emulator, &subscription(envoy.address(), Some(audience))?).await;
    envoy.stop().await?;

    let story = format!(
        "Two regions behind a plain load balancer. Pub/Sub pushes {MESSAGES} messages to the \
         load balancer's domain, with a token for {}.",
        REGIONS[0]
    );
    let mut part =
        Part::new("1. The problem", story, Table::new(&["region", "calls", "accepted", "401"]));
    let timeline = emulator.timeline();
    for region in REGIONS {
        let (accepted, refused) = (timeline.accepted(region), timeline.refused(region));
        part.table.row(&[&region, &(accepted + refused), &accepted, &refused]);
    }
    let statuses = report.first_statuses();
    let refused = statuses.get(&401).copied().unwrap_or(0);
    part.notes.push(format!("{refused} of {MESSAGES} messages were refused with 401."));
    part.expect(
        "about half of the messages are refused (10 to 30 of 40)",
        (MESSAGES / 4..=MESSAGES * 3 / 4).contains(&refused),
    );
    part.expect(
        "each answer is 200 or 401",
        statuses.keys().all(|status| [200, 401].contains(status)),
    );
    part.expect(
        format!("{} refuses all, {} none", REGIONS[1], REGIONS[0]),
        timeline.accepted(REGIONS[1]) == 0 && timeline.refused(REGIONS[0]) == 0,
    );
    Ok(part)
}
