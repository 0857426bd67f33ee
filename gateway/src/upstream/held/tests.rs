use std::task::Waker;

use http::HeaderValue;
use prometheus_client::metrics::gauge::Gauge;
use proptest::prelude::*;

use super::*;

/// A body that comes in pieces, with a pause before each.
struct Scripted {
    frames: VecDeque<Frame<Bytes>>,
    is_ready: bool,
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.is_ready = !self.is_ready;
        if self.is_ready { Poll::Pending } else { Poll::Ready(self.frames.pop_front().map(Ok)) }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.frames.iter().filter_map(|frame| frame.data_ref()).map(Bytes::len);
        SizeHint::with_exact(left.sum::<usize>() as u64)
    }
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("7"))])
}

fn scripted(pieces: &[Vec<u8>], has_trailers: bool) -> Scripted {
    let data = pieces.iter().map(|piece| Frame::data(Bytes::from(piece.clone())));
    let trailers = has_trailers.then(|| Frame::trailers(trailers()));
    Scripted { frames: data.chain(trailers).collect(), is_ready: false }
}

fn held(body: Scripted, limit: usize) -> (Held<Scripted>, Gauge) {
    let gauge = Gauge::default();
    let memory = Arc::new(ReplayMemory::new(1 << 20, gauge.clone()));
    (Held::new(body, limit, memory), gauge)
}

/// Reads up to so many frames: what they say, and whether that was the end.
fn read(
    held: &mut Held<Scripted>,
    attempt: u32,
    frames: usize,
) -> Result<(Vec<u8>, Option<HeaderMap>), BodyError> {
    let mut cx = Context::from_waker(Waker::noop());
    let (mut bytes, mut trailers, mut left) = (Vec::new(), None, frames);
    while left > 0 {
        match held.poll(attempt, &mut cx).polled {
            Poll::Pending => continue,
            Poll::Ready(None) => break,
            Poll::Ready(Some(frame)) => match frame?.into_data() {
                Ok(data) => bytes.extend(data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
        }
        left -= 1;
    }
    Ok((bytes, trailers))
}

#[test]
fn a_body_is_read_again_with_its_trailers() {
    let (mut held, gauge) = held(scripted(&[b"one".to_vec(), b"two".to_vec()], true), 4096);
    for attempt in 0..3 {
        assert_eq!(held.size_hint(attempt).exact(), Some(6));
        let whole = read(&mut held, attempt, 100).unwrap();
        assert_eq!(whole, (b"onetwo".to_vec(), Some(trailers())));
        assert!(held.is_at_end(attempt));
        assert_eq!(gauge.get(), 2048, "small pieces are charged for more");
        assert_eq!(held.begin_again(), Some(attempt + 1));
        assert!(!held.is_at_end(attempt + 1));
    }
    drop(held);
    assert_eq!(gauge.get(), 0);
}

#[test]
fn an_attempt_that_was_given_up_reads_no_more() {
    let (mut held, _) = held(scripted(&[b"one".to_vec(), b"two".to_vec()], false), 4096);
    assert_eq!(read(&mut held, 0, 1).unwrap().0, b"one");
    assert_eq!(held.begin_again(), Some(1));
    assert!(matches!(read(&mut held, 0, 1), Err(BodyError::Superseded)));
    assert_eq!(read(&mut held, 1, 100).unwrap().0, b"onetwo");
    assert!(held.is_at_end(1) && !held.is_at_end(0), "half of it must not look whole");
    assert_eq!((held.size_hint(1).exact(), held.size_hint(0).exact()), (Some(0), None));
}

#[test]
fn what_is_too_long_is_passed_on_and_not_held() {
    let pieces = [vec![1; 3000], vec![2; 3000]];
    let (mut held, gauge) = held(scripted(&pieces, true), 4096);
    assert_eq!(read(&mut held, 0, 1).unwrap().0.len(), 3000);
    assert!(held.keeps() && gauge.get() == 3000);
    let (rest, end) = read(&mut held, 0, 100).unwrap();
    assert_eq!((rest.len(), end), (3000, Some(trailers())));
    assert_eq!((held.keeps(), held.begin_again(), gauge.get()), (false, None, 0));
}

#[test]
fn when_all_memory_is_taken_nothing_more_is_held() {
    let memory = Arc::new(ReplayMemory::new(2048, Gauge::default()));
    let new = || Held::new(scripted(&[vec![1; 2048]], false), 4096, Arc::clone(&memory));
    let (mut first, mut second) = (new(), new());
    assert_eq!(read(&mut first, 0, 9).unwrap().0.len(), 2048);
    assert_eq!(read(&mut second, 0, 9).unwrap().0.len(), 2048);
    assert_eq!((first.keeps(), second.keeps()), (true, false));
    drop(first);
    let mut third = new();
    assert_eq!(read(&mut third, 0, 9).unwrap().0.len(), 2048);
    assert!(third.keeps());
}

proptest! {
    /// Attempts that are broken off anywhere, and a time from which on nobody
    /// wants another one.
    #[test]
    fn every_attempt_reads_the_same_body(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..8),
        has_trailers: bool,
        broken_off_after in prop::collection::vec(0_usize..10, 0..4),
        let_go_after in 0_usize..10,
    ) {
        let (mut held, gauge) = held(scripted(&pieces, has_trailers), 1 << 20);
        let (whole, end) = (pieces.concat(), has_trailers.then(trailers));
        let mut attempt = 0;
        for frames in broken_off_after {
            let (beginning, _) = read(&mut held, attempt, frames).unwrap();
            prop_assert!(whole.starts_with(&beginning));
            attempt = held.begin_again().unwrap();
            prop_assert_eq!(held.size_hint(attempt).exact(), Some(whole.len() as u64));
        }
        let (mut all, early) = read(&mut held, attempt, let_go_after).unwrap();
        held.let_go();
        let (rest, late) = read(&mut held, attempt, 100).unwrap();
        all.extend(rest);
        prop_assert_eq!(all, whole);
        prop_assert_eq!(early.or(late), end);
        prop_assert!(held.is_at_end(attempt));
        prop_assert_eq!(gauge.get(), 0);
    }
}
