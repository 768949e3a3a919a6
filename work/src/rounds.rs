//! Work that is looked for again and again, by whoever has time.

use std::fmt;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{BackOff, Wake};

/// How often is looked for what nobody here was woken for.
const POLL: Duration = Duration::from_secs(1);

/// Does one round after the other until `token` is cancelled: at once while a round says that there may be more, else when `wake` is
/// woken or a second is over. A round that fails is logged with the words of `waiting`, and the next one comes later each time.
pub async fn rounds<F, E>(
    waiting: &'static str,
    wake: &Wake,
    token: &CancellationToken,
    mut round: impl FnMut() -> F,
) where
    F: Future<Output = Result<bool, E>>,
    E: fmt::Display,
{
    let mut troubles = 0;
    while !token.is_cancelled() {
        let found = round().await;
        troubles = if found.is_ok() { 0 } else { troubles + 1 };
        let pause = match found {
            Ok(true) => continue,
            Ok(false) => POLL,
            Err(error) => {
                tracing::warn!(troubles, %error, "{waiting}");
                BackOff::OUTAGE.delay(troubles, 0)
            }
        };
        tokio::select! {
            () = token.cancelled() => {}
            () = wake.woken() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rounds_follow_each_other_as_they_say() {
        let (token, wake) = (CancellationToken::new(), Wake::new());
        let (began, begun) = (Instant::now(), RefCell::new(Vec::new()));
        let round = async || {
            begun.borrow_mut().push(began.elapsed());
            match begun.borrow().len() {
                1 => Ok(true),
                3 | 4 => Err("not now"),
                5 => {
                    wake.wake();
                    Ok(false)
                }
                6 => {
                    token.cancel();
                    Ok(true)
                }
                _ => Ok(false),
            }
        };
        rounds("nothing is done", &wake, &token, round).await;
        let [first, second, third, fourth, fifth, sixth] = begun.into_inner()[..] else {
            panic!("six rounds")
        };
        assert_eq!((first, second), (Duration::ZERO, Duration::ZERO), "there may be more");
        assert_eq!(third - second, POLL);
        // The runtime's timers go by the millisecond, and end no sooner than asked.
        for (paused, troubles) in [(fourth - third, 1), (fifth - fourth, 2)] {
            let delay = BackOff::OUTAGE.delay(troubles, 0);
            assert!((delay..delay + Duration::from_millis(1)).contains(&paused), "{paused:?} for {delay:?}");
        }
        assert_eq!(sixth, fifth, "it was woken");
    }
}
