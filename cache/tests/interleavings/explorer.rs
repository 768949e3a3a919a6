//! Runs asynchronous tasks in every order in which they can take turns.
//!
//! A task runs until it waits; then somebody is chosen to go on, among all who can. Running the tasks anew for each
//! sequence of choices, the explorer goes through all of them, depth first. It needs no thread and no time, so a
//! counterexample is the same every time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// What is interleaved. It ends by itself, is cancelled, or panics.
pub(crate) struct Task {
    work: Pin<Box<dyn Future<Output = ()>>>,
    /// Whether it is dropped at each of its waits, once per run.
    cancellable: bool,
}

impl Task {
    pub(crate) fn new(work: impl Future<Output = ()> + 'static) -> Self {
        Self { work: Box::pin(work), cancellable: false }
    }

    /// One that may be dropped at any of its waits.
    pub(crate) fn cancellable(self) -> Self {
        Self { cancellable: true, ..self }
    }
}

/// Waits for one turn: the place at which others may come in between.
pub(crate) fn turn() -> impl Future<Output = ()> + Send {
    let mut waited = false;
    std::future::poll_fn(move |context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

/// A run with more steps than this goes round in circles.
const MOST_STEPS: usize = 1_000;

/// How far to go.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// How often a task that could go on is made to wait for another, per run; `None` for every interleaving there is.
    /// Most faults take one or two.
    pub(crate) preemptions: Option<usize>,
}

/// Runs the tasks that `start` makes in every order. `check` looks at what they left behind when all have ended. Returns
/// how many orders there were, or what went wrong in the first that failed.
pub(crate) fn explore<W>(
    bounds: Bounds,
    start: impl Fn() -> (W, Vec<Task>),
    check: impl Fn(&W) -> Result<(), String>,
) -> Result<usize, String> {
    let mut path = Path::default();
    let mut runs = 0;
    loop {
        let (world, tasks) = start();
        let steps = Run::new(tasks, bounds).finish(&mut path)?;
        runs += 1;
        check(&world).map_err(|fault| format!("{fault} after {steps:?}"))?;
        if !path.advance() {
            return Ok(runs);
        }
    }
}

/// The choices of a run, each with the number of options that there were.
#[derive(Default)]
struct Path {
    choices: Vec<(usize, usize)>,
    at: usize,
}

impl Path {
    fn choose(&mut self, options: usize) -> usize {
        let choice = match self.choices.get(self.at) {
            Some((choice, known)) => {
                assert_eq!(*known, options, "the same choices must lead to the same place");
                *choice
            }
            None => {
                self.choices.push((0, options));
                0
            }
        };
        self.at += 1;
        choice
    }

    /// Goes on to the next path; false after the last.
    fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((choice, options)) = self.choices.pop() {
            if choice + 1 < options {
                self.choices.push((choice + 1, options));
                return true;
            }
        }
        false
    }
}

/// One thing that happens in a run, to the task of that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Poll(usize),
    Cancel(usize),
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Run {
    tasks: Vec<Option<Task>>,
    woken: Vec<Arc<Flag>>,
    current: Option<usize>,
    preemptions: usize,
}

impl Run {
    fn new(tasks: Vec<Task>, bounds: Bounds) -> Self {
        let woken = tasks.iter().map(|_| Arc::new(Flag(AtomicBool::new(true)))).collect();
        let preemptions = bounds.preemptions.unwrap_or(usize::MAX);
        Self { tasks: tasks.into_iter().map(Some).collect(), woken, current: None, preemptions }
    }

    /// The steps of the run, or why it has no end.
    fn finish(mut self, path: &mut Path) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        while self.tasks.iter().any(Option::is_some) {
            let options = self.options();
            let chosen = match options.len() {
                _ if steps.len() >= MOST_STEPS => return Err("they go round in circles".to_owned()),
                0 => return Err(format!("nobody can go on after {steps:?}")),
                1 => 0,
                many => path.choose(many),
            };
            steps.push(options[chosen]);
            self.take(options[chosen]);
        }
        Ok(steps)
    }

    /// Who can go on, the one who went last first.
    fn options(&self) -> Vec<Step> {
        let can_go_on =
            |index: &usize| self.tasks[*index].is_some() && self.woken[*index].0.load(Ordering::SeqCst);
        let current = self.current.filter(can_go_on);
        if let Some(current) = current.filter(|_| self.preemptions == 0) {
            return vec![Step::Poll(current)];
        }
        let others = (0..self.tasks.len()).filter(can_go_on).filter(|index| Some(*index) != current);
        let polls = current.into_iter().chain(others).map(Step::Poll);
        let cancellable = |task: &Option<Task>| task.as_ref().is_some_and(|task| task.cancellable);
        let cancels =
            (0..self.tasks.len()).filter(|index| cancellable(&self.tasks[*index])).map(Step::Cancel);
        polls.chain(cancels).collect()
    }

    fn take(&mut self, step: Step) {
        let (Step::Poll(index) | Step::Cancel(index)) = step;
        if self.current.is_some_and(|last| last != index && self.tasks[last].is_some()) {
            let waits = !self.woken[self.current.unwrap_or(index)].0.load(Ordering::SeqCst);
            self.preemptions = self.preemptions.saturating_sub(usize::from(!waits));
        }
        self.current = Some(index);
        let Some(task) = &mut self.tasks[index] else { return };
        let ended = match step {
            Step::Cancel(_) => true,
            Step::Poll(_) => {
                self.woken[index].0.store(false, Ordering::SeqCst);
                let waker = Waker::from(Arc::clone(&self.woken[index]));
                let poll = || task.work.as_mut().poll(&mut Context::from_waker(&waker));
                catch_unwind(AssertUnwindSafe(poll)).map_or(true, |poll| poll.is_ready())
            }
        };
        if ended {
            self.tasks[index] = None;
        }
    }
}
