//! Measures the simulated people: the tables of docs/simulator.md, what the best possible model of the default process
//! could know, and how fast events are made. `cargo run --release -p ecs-client --example population [USERS]`
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::Instant;

use ecs_client::simulate::population::{Content, History, Live, Mix, Persona, Population, Window};
use ecs_client::simulate::{Outcome, PROCESS};

fn main() -> anyhow::Result<()> {
    let users = std::env::args().nth(1).map_or(Ok(20_000), |text| text.parse())?;
    let window = Window::new("2026-10-01".parse()?, "2026-10-30".parse()?)?;
    let population = || Population::new(1, users, &Mix::default());
    println!("{users} users of seed 1, {window}\n");
    events(&History::new(population(), window)?);
    outcomes(&population(), window);
    speed(population(), window)
}

/// Per person and day, and per event.
fn events(history: &History) {
    println!(
        "persona              users  emotions/day  transactions/day  amount  positivity  stress  stress events"
    );
    let events: Vec<_> = (0..history.total()).filter_map(|number| history.event(number)).collect();
    for persona in Persona::ALL {
        let people = history.population().people().iter().filter(|person| person.persona == persona).count();
        let (mut felt, mut paid) = ((0.0, 0.0, 0.0, 0.0), (0.0, 0.0));
        for event in events.iter().filter(|event| event.persona == persona) {
            match event.content {
                Content::Emotion { positivity, stress, .. } => {
                    let stressful = f64::from(u8::from(stress >= 0.7));
                    felt = (felt.0 + 1.0, felt.1 + positivity, felt.2 + stress, felt.3 + stressful);
                }
                Content::Transaction { amount, .. } => {
                    paid = (paid.0 + 1.0, paid.1 + amount.minor_units() as f64 / 100.0);
                }
            }
        }
        let days = people as f64 * f64::from(history.window().days());
        println!(
            "{persona:18} {people:7} {:13.2} {:17.2} {:7.0} {:11.2} {:7.2} {:14.2}",
            felt.0 / days,
            paid.0 / days,
            paid.1 / paid.0,
            felt.1 / felt.0,
            felt.2 / felt.0,
            felt.3 / felt.0
        );
    }
}

fn outcomes(population: &Population, window: Window) {
    let all: Vec<Outcome> =
        (0..population.people().len()).filter_map(|user| Outcome::of(population, user, window)).collect();
    let rate = |of: &dyn Fn(&Outcome) -> bool| {
        let chosen: Vec<&Outcome> = all.iter().filter(|outcome| of(outcome)).collect();
        chosen.iter().filter(|outcome| outcome.defaulted).count() as f64 / chosen.len() as f64
    };
    println!("\n{PROCESS}: {:.3} default", rate(&|_| true));
    for persona in Persona::ALL {
        println!("{persona:18} {:.3}", rate(&|outcome| outcome.persona == persona));
    }
    type Score = fn(&Outcome) -> f64;
    let scores: [(&str, Score); 5] = [
        ("all that is known", |it| it.probability),
        ("all but the noise", |it| it.log_odds.observable + it.log_odds.interaction + it.log_odds.latent),
        ("observables and interactions", |it| it.log_odds.observable + it.log_odds.interaction),
        ("observables", |it| it.log_odds.observable),
        ("the number of transactions", |it| -it.seen.transactions_30d),
    ];
    println!();
    for (what, score) in scores {
        println!("AUC of {what:30} {:.3}", area_under_curve(&all, score));
    }
}

/// How likely a defaulter is ranked above somebody who isn't one.
fn area_under_curve(all: &[Outcome], score: impl Fn(&Outcome) -> f64) -> f64 {
    let mut ranked: Vec<&Outcome> = all.iter().collect();
    ranked.sort_by(|a, b| score(a).total_cmp(&score(b)));
    let (mut good, mut pairs) = (0.0, 0.0);
    for outcome in &ranked {
        if outcome.defaulted { pairs += good } else { good += 1.0 }
    }
    pairs / (good * (ranked.len() as f64 - good))
}

fn speed(population: Population, window: Window) -> anyhow::Result<()> {
    const EVENTS: u64 = 1_000_000;
    let live = Live::new(population, None);
    let at = "2026-11-18T14:00:00Z".parse()?;
    let begun = Instant::now();
    let made = (0..EVENTS).filter_map(|number| live.event(number, at)).count();
    println!("\nlive: {:.0} events/s on one core", made as f64 / begun.elapsed().as_secs_f64());
    let history =
        History::new(Population::new(1, live.population().people().len(), &Mix::default()), window)?;
    let begun = Instant::now();
    let made = (0..EVENTS.min(history.total())).filter_map(|number| history.event(number)).count();
    println!("history: {:.0} events/s on one core", made as f64 / begun.elapsed().as_secs_f64());
    Ok(())
}
