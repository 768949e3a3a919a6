//! Asking several hosts for one connection.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Fault;

/// How much of a start each attempt has over the next. A host that answers at all does so sooner, so the others are asked
/// only when it doesn't; and one that says nothing costs no more than this.
const HEAD_START: Duration = Duration::from_millis(150);

/// The result of the first attempt that succeeds. Later ones begin when an earlier one failed or took long, and those that
/// are not needed any more are dropped. When all fail, the most telling error.
pub(super) async fn first<T, F>(attempts: Vec<F>) -> Result<T, Fault>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Fault>> + Send + 'static,
{
    let mut waiting = attempts.into_iter();
    let mut running = JoinSet::new();
    let mut worst = Fault::Outage("the address names no host");
    loop {
        if let Some(attempt) = waiting.next() {
            running.spawn(attempt);
        }
        let more = waiting.len() > 0;
        let ended = tokio::select! {
            ended = running.join_next() => ended,
            () = sleep(HEAD_START), if more => continue,
        };
        match ended {
            Some(Ok(Ok(made))) => return Ok(made),
            Some(Ok(Err(fault))) => worst = more_telling(worst, fault),
            Some(Err(_)) => worst = more_telling(worst, Fault::Outage("an attempt to connect broke off")),
            None => return Err(worst),
        }
    }
}

/// A server that was refused for its settings says more than one that couldn't be reached.
fn more_telling(one: Fault, other: Fault) -> Fault {
    match (&one, &other) {
        (Fault::Unfit(_), _) => one,
        _ => other,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::Pin;

    use super::*;

    type Attempt = Pin<Box<dyn Future<Output = Result<u32, Fault>> + Send>>;

    fn works(number: u32) -> Attempt {
        Box::pin(async move { Ok(number) })
    }

    fn fails() -> Attempt {
        Box::pin(async { Err(Fault::Outage("down")) })
    }

    fn unfit() -> Attempt {
        Box::pin(async { Err(Fault::Unfit("fsync=off".to_owned())) })
    }

    fn hangs() -> Attempt {
        Box::pin(pending())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_that_works_wins() {
        let check =
            async |attempts: Vec<Attempt>, expect: u32| assert_eq!(first(attempts).await.unwrap(), expect);
        check(vec![works(1), works(2)], 1).await;
        check(vec![fails(), works(2), works(3)], 2).await;
        check(vec![hangs(), works(2)], 2).await;
        check(vec![hangs(), hangs(), fails(), works(4)], 4).await;
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_fail_the_most_telling_error_is_told() {
        let told = first(vec![fails(), unfit(), fails()]).await.unwrap_err();
        assert!(matches!(told, Fault::Unfit(_)), "{told}");
        assert!(matches!(first::<u32, Attempt>(Vec::new()).await, Err(Fault::Outage(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_hangs_costs_its_head_start() {
        let begun = tokio::time::Instant::now();
        first(vec![hangs(), works(2)]).await.unwrap();
        assert_eq!(begun.elapsed(), HEAD_START);
    }
}
