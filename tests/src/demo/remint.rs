//! Parts 2 and 3: the same messages through Remint, with two regions and with
//! one.

use std::io;

use remint_emulator::PushReport;
use remint_emulator::timeline::Call;

use super::{MESSAGES, Part, Table, push, subscription};
use crate::chain::{Chain, REGIONS, SERVICE, region_url};

/// Pushes the same messages with the same token through filter and gateway.
///
/// # Errors
/// If the gateway's metrics can't be read.
pub async fn remint_in_the_way(chain: &Chain) -> io::Result<Part> {
    let story = format!(
        "The same {MESSAGES} messages to the same domain, with the same token for {}. Now Envoy \
         with the filter answers there, behind it the gateway.",
        REGIONS[0]
    );
    let mut part = Part::new("2. Remint in the way", story, regions_table());
    let report = pushed(chain, &mut part).await?;
    expect_all_delivered(&mut part, &report);
    for region in REGIONS {
        part.expect(format!("{region} is used"), chain.emulator.timeline().accepted(region) > 0);
    }
    expect_own_audiences(&mut part, chain);
    Ok(part)
}

/// Stops the region that the token was made for, and pushes again.
///
/// # Errors
/// If the gateway's metrics can't be read, or the region does not come back.
pub async fn a_region_dies(chain: &Chain) -> io::Result<Part> {
    let [dead, alive] = REGIONS;
    let region = chain.emulator.region(SERVICE, dead).ok_or(io::ErrorKind::NotFound)?;
    let story = format!(
        "{dead}, for which the senders' tokens are made, dies. The same {MESSAGES} messages \
         again."
    );
    let mut part = Part::new("3. A region dies", story, regions_table());
    region.stop().await;
    let retries_before = chain.gateway.counter("remint_retries_total").await?;
    let report = pushed(chain, &mut part).await;
    region.start().await?;
    let report = report?;
    let retries = chain.gateway.counter("remint_retries_total").await? - retries_before;
    part.notes.push(format!("Requests that were tried again in the other region: {retries}."));
    expect_all_delivered(&mut part, &report);
    let timeline = chain.emulator.timeline();
    part.expect(
        format!("all are delivered by {alive}"),
        timeline.accepted(alive) == MESSAGES && timeline.accepted(dead) == 0,
    );
    part.expect("at least one request was tried again", retries > 0);
    expect_own_audiences(&mut part, chain);
    Ok(part)
}

fn regions_table() -> Table {
    Table::new(&["region", "accepted", "refused", "audience that it saw"])
}

/// Pushes, and puts into the table what the regions saw of it.
async fn pushed(chain: &Chain, part: &mut Part) -> io::Result<PushReport> {
    let emulator = &chain.emulator;
    emulator.timeline().clear();
    let audience = region_url(emulator, REGIONS[0]);
    let report = push(emulator, &subscription(chain.edge(), Some(audience))?).await;
    let calls = emulator.timeline().calls();
    for region in REGIONS {
        let timeline = emulator.timeline();
        let mut audiences: Vec<&str> =
            calls.iter().filter(|call| call.region == region).map(audience_of).collect();
        audiences.sort_unstable();
        audiences.dedup();
        let audiences = audiences.join(", ");
        part.table.row(&[
            &region,
            &timeline.accepted(region),
            &timeline.refused(region),
            &audiences,
        ]);
    }
    Ok(report)
}

fn audience_of(call: &Call) -> &str {
    call.audience.as_deref().unwrap_or("none")
}

fn expect_all_delivered(part: &mut Part, report: &PushReport) {
    part.expect(
        format!("all {MESSAGES} messages are delivered at the first attempt"),
        report.delivered() == MESSAGES,
    );
}

fn expect_own_audiences(part: &mut Part, chain: &Chain) {
    let calls = chain.emulator.timeline().calls();
    let is_own = |call: &Call| audience_of(call) == region_url(&chain.emulator, &call.region);
    part.expect(
        "each request carries the URL of the region that it reaches",
        !calls.is_empty() && calls.iter().all(is_own),
    );
}
