//! Lines wait for stderr in a queue, so that requests never do: who reads a
//! container's log may be slow, or have stopped, and a pipe holds 64 KiB.
//!
//! What finds the queue full is lost and counted. The other choice, to wait,
//! would have the whole gateway stand still for its log.

use std::io::{BufWriter, Write};
use std::sync::OnceLock;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// How many lines wait: about ten megabytes of those about requests.
const LINES: usize = 8192;
/// What is written at once, if there is so much.
const AT_ONCE: usize = 64 * 1024;

/// As the subscriber, there is one for the whole process.
static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// Writes lines for as long as it lives, and at its end those that still wait,
/// for a second at most.
#[must_use]
pub struct Writing {
    _guard: WorkerGuard,
}

/// How many lines of this process's log were lost.
pub(crate) fn lost_lines() -> u64 {
    let lost = LOST.get().map(ErrorCounter::dropped_lines);
    lost.map_or(0, |lost| u64::try_from(lost).unwrap_or(u64::MAX))
}

/// The way to stderr.
pub(super) fn to_stderr() -> (NonBlocking, Writing) {
    let (queue, writing) = to(std::io::stderr(), LINES);
    // The first log of a process is its only one.
    let _ = LOST.set(queue.error_counter());
    (queue, writing)
}

fn to(writer: impl Write + Send + 'static, lines: usize) -> (NonBlocking, Writing) {
    let builder = NonBlockingBuilder::default().buffered_lines_limit(lines).lossy(true);
    // It is flushed as soon as no line waits.
    let writer = BufWriter::with_capacity(AT_ONCE, writer);
    let (queue, guard) = builder.thread_name("log").finish(writer);
    (queue, Writing { _guard: guard })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Says when it is written to, and waits then until it may go on.
    struct Blocked {
        is_written_to: Sender<()>,
        may_go_on: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.is_written_to.send(());
            let _ = self.may_go_on.recv();
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_wait_and_those_that_find_no_place_are_counted() {
        let ((is_written_to, writes), (go, may_go_on)) = (channel(), channel());
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let blocked = Blocked { is_written_to, may_go_on, written: Arc::clone(&written) };
        let (mut queue, writing) = to(blocked, 4);
        queue.write_all(b"first\n").unwrap();
        writes.recv().unwrap();
        for number in 0..7 {
            queue.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        assert_eq!(queue.error_counter().dropped_lines(), 3);
        drop(go);
        drop(writing);
        assert_eq!(*written.lock().unwrap(), b"first\n0\n1\n2\n3\n");
    }
}
