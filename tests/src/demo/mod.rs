//! The story that the demo tells, part by part, each with what must hold.

mod attackers;
mod explained;
mod part;
mod problem;
mod remint;
mod show;

use std::io;

use remint_emulator::{Emulator, Message, PushReport, PushSubscription};

pub use attackers::attackers;
pub use explained::explained;
pub use part::{Part, Table};
pub use problem::problem;
pub use remint::{a_region_dies, remint_in_the_way};
pub use show::Show;

use crate::chain::{DOMAIN, PUSHER};

/// How many messages are pushed in each part.
pub const MESSAGES: usize = 40;

/// A subscription that pushes to the senders' domain, wherever that is
/// answered, one attempt per message.
///
/// # Errors
/// Never: the endpoint is a URL.
pub fn subscription(
    edge: std::net::SocketAddr,
    audience: Option<String>,
) -> io::Result<PushSubscription> {
    let endpoint = format!("https://{DOMAIN}/push").parse().map_err(io::Error::other)?;
    let mut subscription = PushSubscription::new("orders", endpoint, PUSHER);
    subscription.connect_to = Some(edge);
    subscription.audience = audience;
    // One attempt shows what is refused; a part that needs more says so.
    subscription.give_up_after = Some(1);
    Ok(subscription)
}

/// Pushes [`MESSAGES`] messages.
async fn push(emulator: &Emulator, subscription: &PushSubscription) -> PushReport {
    let messages: Vec<Message> =
        (1..=MESSAGES).map(|number| Message::new(format!("order {number}"))).collect();
    emulator.push(subscription, messages).await
}
