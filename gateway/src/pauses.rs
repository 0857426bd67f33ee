//! Pauses between questions that nobody waits for the answers of.

use std::time::Duration;

use tokio::time::sleep;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// A second, and twice as long each time, up to a minute.
pub(crate) struct Pauses(Duration);

impl Pauses {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    /// Waits for the next one to end.
    pub(crate) async fn wait(&mut self) {
        sleep(self.0).await;
        self.0 = self.0.saturating_mul(2).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn they_double_up_to_a_minute() {
        let mut pauses = Pauses::new();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let started = tokio::time::Instant::now();
            pauses.wait().await;
            assert_eq!(started.elapsed().as_secs(), seconds);
        }
    }
}
