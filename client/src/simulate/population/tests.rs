//! What the people do is what docs/simulator.md says they do.

use super::*;

const DAYS: u32 = 60;

fn window() -> Window {
    Window::new("2026-04-01".parse().unwrap(), "2026-05-30".parse().unwrap()).unwrap()
}

fn history(users: usize) -> History {
    History::new(Population::new(7, users, &Mix::default()), window()).unwrap()
}

fn all(history: &History) -> Vec<Event> {
    (0..history.total()).map(|number| history.event(number).unwrap()).collect()
}

#[test]
fn the_same_seed_tells_the_same_story_and_another_seed_another() {
    let story = |seed, users| {
        let history = History::new(Population::new(seed, users, &Mix::default()), window()).unwrap();
        all(&history)
    };
    let first = story(1, 30);
    assert_eq!(first, story(1, 30));
    assert_ne!(first, story(2, 30));
    // Who is there doesn't change what the others do.
    let of_five = |events: Vec<Event>| events.into_iter().filter(|it| it.user < 5).collect::<Vec<_>>();
    assert_eq!(of_five(first), of_five(story(1, 12)));
    let live = |seed, number| {
        let live = Live::new(Population::new(seed, 30, &Mix::default()), None);
        live.event(number, "2026-11-20T15:00:00Z".parse().unwrap())
    };
    for number in 0..50 {
        assert_eq!(live(1, number), live(1, number));
    }
    assert!((0..50).any(|number| live(1, number) != live(2, number)));
}

#[test]
fn a_longer_history_holds_the_shorter_one() {
    let population = || Population::new(3, 40, &Mix::default());
    let long = History::new(population(), window()).unwrap();
    let short = History::new(population(), window().last(10)).unwrap();
    let begin = window().over_at() - jiff::SignedDuration::from_hours(240);
    let tail: Vec<Event> = all(&long).into_iter().filter(|it| it.at >= begin).collect();
    assert!(short.total() > 500);
    assert_eq!(tail.len() as u64, short.total());
    assert!(all(&short).iter().all(|event| tail.contains(event)));
}

#[test]
fn one_user_looked_at_alone_does_the_same() {
    let history = history(40);
    let alone: Vec<Event> = history.population().events_of(17, window()).collect();
    let among: Vec<Event> = all(&history).into_iter().filter(|event| event.user == 17).collect();
    assert_eq!(alone, among);
}

#[test]
fn events_lie_within_their_days_in_the_order_of_the_days() {
    let history = history(60);
    let days: Vec<_> = all(&history).iter().map(|event| ecs_domain::utc_day(event.at)).collect();
    assert!(days.is_sorted());
    assert_eq!(
        (days[0].to_string().as_str(), days.last().unwrap().to_string().as_str()),
        ("2026-04-01", "2026-05-30")
    );
    assert_eq!(history.event(history.total()), None);
    assert_eq!(window().to_string(), "2026-04-01 to 2026-05-30");
    assert_eq!(window().days(), DAYS);
}

/// Means over a large sample.
#[derive(Default)]
struct Means {
    people: f64,
    emotions: f64,
    transactions: f64,
    amount: f64,
    positivity: f64,
    stress: f64,
    stress_events: f64,
}

fn means(events: &[Event], people: &[Traits]) -> PerPersona<Means> {
    let mut means = PerPersona::<Means>::default();
    people.iter().for_each(|person| means.of_mut(person.persona).people += 1.0);
    for event in events {
        let of = means.of_mut(event.persona);
        match event.content {
            Content::Emotion { positivity, stress, .. } => {
                of.emotions += 1.0;
                of.positivity += positivity;
                of.stress += stress;
                of.stress_events += f64::from(stress >= 0.7);
            }
            Content::Transaction { amount, .. } => {
                of.transactions += 1.0;
                of.amount += amount.minor_units() as f64 / 100.0;
            }
        }
    }
    means
}

/// The table of docs/simulator.md: per person and day, and per event.
#[test]
fn personas_do_what_the_table_says() {
    let history = history(1_000);
    let means = means(&all(&history), history.population().people());
    let check = |persona, per_day: (f64, f64), amount: f64, felt: (f64, f64), stress_events: f64| {
        let of = means.of(persona);
        let days = of.people * f64::from(DAYS);
        let near = |what: &str, is: f64, expect: f64, within: f64| {
            assert!((is - expect).abs() <= within, "{persona} {what}: {is:.3} instead of {expect}");
        };
        near("emotions a day", of.emotions / days, per_day.0, 0.1 * per_day.0);
        near("transactions a day", of.transactions / days, per_day.1, 0.12 * per_day.1);
        near("amount", of.amount / of.transactions, amount, 0.12 * amount);
        near("positivity", of.positivity / of.emotions, felt.0, 0.03);
        near("stress", of.stress / of.emotions, felt.1, 0.03);
        near("stress events", of.stress_events / of.emotions, stress_events, 0.04);
    };
    check(Persona::SteadyEarner, (3.0, 1.1), 87.0, (0.71, 0.22), 0.01);
    check(Persona::StressedSpender, (6.0, 1.6), 51.0, (0.38, 0.66), 0.48);
    check(Persona::SeasonalMerchant, (3.0, 3.0), 192.0, (0.58, 0.45), 0.08);
    // A new arrival is here for 23 of the 60 days on average.
    check(Persona::NewArrival, (1.5, 0.23), 154.0, (0.61, 0.39), 0.06);
    check(Persona::Fraudster, (1.5, 3.9), 770.0, (0.51, 0.34), 0.01);
}

#[test]
fn nothing_happens_before_somebody_arrived() {
    let history = history(400);
    let events = all(&history);
    let (mut arrivals, mut late) = (0, 0);
    for (number, person) in history.population().people().iter().enumerate() {
        let here_from = window().over_at() - jiff::SignedDuration::from_hours(24 * person.tenure_days as i64);
        let own = events.iter().filter(|event| event.user == number);
        assert!(own.clone().all(|event| event.at >= here_from), "user {number} acted before {here_from}");
        if person.persona == Persona::NewArrival {
            arrivals += 1;
            late += i32::from(
                own.min_by_key(|event| event.at)
                    .is_some_and(|it| it.at < here_from + jiff::SignedDuration::from_hours(72)),
            );
        }
    }
    assert!(arrivals > 50 && late > arrivals / 2, "{late} of {arrivals} arrivals act soon after they came");
}

#[test]
fn people_are_awake_by_day_and_pay_on_weekdays_and_weekends_as_they_are() {
    let history = history(600);
    let mut hours = PerPersona::<[f64; 24]>::default();
    let mut weekdays = PerPersona::<[f64; 7]>::default();
    for event in all(&history) {
        if let Content::Transaction { amount, .. } = event.content
            && amount.minor_units() > 0
        {
            let person = &history.population().people()[event.user];
            let hour = Moment::new(event.at).hour_of_week(person.zone);
            hours.of_mut(event.persona)[hour % 24] += 1.0;
            weekdays.of_mut(event.persona)[hour / 24] += 1.0;
        }
    }
    let part = |persona, range: std::ops::Range<usize>| {
        hours.of(persona)[range].iter().sum::<f64>() / hours.of(persona).iter().sum::<f64>()
    };
    assert!(part(Persona::SteadyEarner, 0..6) < 0.03, "{}", part(Persona::SteadyEarner, 0..6));
    assert!(part(Persona::SeasonalMerchant, 8..18) > 0.85, "{}", part(Persona::SeasonalMerchant, 8..18));
    assert!(part(Persona::Fraudster, 0..6) > 0.80, "{}", part(Persona::Fraudster, 0..6));
    let day = |persona, day: usize| weekdays.of(persona)[day] / weekdays.of(persona).iter().sum::<f64>();
    assert!(day(Persona::SteadyEarner, 5) > 1.4 * day(Persona::SteadyEarner, 6));
    assert!(day(Persona::SeasonalMerchant, 6) < 0.08, "{}", day(Persona::SeasonalMerchant, 6));
}

#[test]
fn fraudsters_strike_in_bursts_and_nobody_else_does() {
    let history = history(1_000);
    let mut by_user = std::collections::BTreeMap::<usize, Vec<Event>>::new();
    for event in all(&history) {
        if matches!(event.content, Content::Transaction { .. }) {
            by_user.entry(event.user).or_default().push(event);
        }
    }
    let mut burst_days = 0;
    for events in by_user.values_mut() {
        events.sort_by_key(|event| event.at);
        for ten in events.windows(10).filter(|ten| ten[9].at.as_second() - ten[0].at.as_second() < 540) {
            let Content::Transaction { category, .. } = ten[9].content else { unreachable!() };
            assert_eq!(ten[0].persona, Persona::Fraudster, "{ten:?}");
            assert_ne!(category, "groceries");
        }
        let mut days: Vec<_> = events
            .iter()
            .filter(|event| matches!(event.content, Content::Transaction { category: "gift-cards", .. }))
            .map(|event| ecs_domain::utc_day(event.at))
            .collect();
        days.dedup();
        burst_days += days.len();
    }
    // 30 fraudsters over 60 days, each with a burst on 12 of 100 days.
    assert!((150..=290).contains(&burst_days), "{burst_days} bursts");
}

#[test]
fn moods_last() {
    let population = Population::new(1, 200, &Mix::default());
    let feel = |person: &Traits, hours: i64| {
        let at = midnight(20_500) + jiff::SignedDuration::from_hours(hours);
        mood::mood(person, &Moment::new(at))
    };
    let correlation = |apart: i64| {
        let mut sums = (0.0, 0.0);
        for person in population.people() {
            for step in 0..20 {
                let (now, then) = (feel(person, 17 * step), feel(person, 17 * step + apart));
                sums = (sums.0 + now * then, sums.1 + now * now);
            }
        }
        sums.0 / sums.1
    };
    assert!(correlation(1) > 0.9, "{}", correlation(1));
    assert!((0.2..0.8).contains(&correlation(36)), "{}", correlation(36));
    assert!(correlation(24 * 40).abs() < 0.1, "{}", correlation(24 * 40));
}

#[test]
fn a_live_crowd_acts_by_the_clock_and_keeps_the_share_that_was_asked_for() {
    let share = |live: &Live, at: &str, is: &dyn Fn(&Event) -> bool| {
        let at = at.parse().unwrap();
        let hits = (0..20_000).filter_map(|number| live.event(number, at)).filter(|event| is(event)).count();
        hits as f64 / 20_000.0
    };
    let live = Live::new(Population::new(1, 500, &Mix::default()), None);
    let sells = |event: &Event| {
        event.persona == Persona::SeasonalMerchant && matches!(event.content, Content::Transaction { .. })
    };
    let (day, night) = ("2026-11-18T14:00:00Z", "2026-11-18T05:00:00Z");
    assert!(share(&live, day, &sells) > 0.10 && share(&live, night, &sells) < 0.01);
    let stressed = |event: &Event| event.persona == Persona::StressedSpender;
    assert!(share(&live, night, &stressed) > 1.3 * share(&live, day, &stressed));
    let is_transaction = |event: &Event| matches!(event.content, Content::Transaction { .. });
    for wanted in [0.0, 0.2, 1.0] {
        let live = Live::new(Population::new(1, 500, &Mix::default()), Some(wanted));
        let is = share(&live, day, &is_transaction);
        assert!((is - wanted).abs() < 0.015, "{is} instead of {wanted}");
    }
}

#[test]
fn a_live_crowd_has_bursts_of_one_fraudster_each() {
    let live = Live::new(Population::new(1, 100, &Mix::default()), None);
    let at = "2026-11-18T14:00:00Z".parse().unwrap();
    let loot = ["gift-cards", "crypto", "electronics", "jewellery", "travel"];
    let numbers: Vec<(u64, usize)> = (0..30_000)
        .filter_map(|number| live.event(number, at).map(|event| (number, event)))
        .filter(|(_, event)| matches!(event.content, Content::Transaction { category, .. } if loot.contains(&category)))
        .map(|(number, event)| (number, event.user))
        .collect();
    let bursts: Vec<&[(u64, usize)]> = numbers.chunk_by(|one, next| next.0 - one.0 <= 2).collect();
    assert!(bursts.len() > 10, "{} bursts", bursts.len());
    for burst in &bursts[1..bursts.len() - 1] {
        assert!(
            burst.len() >= BURST_LEAST as usize && burst.iter().all(|it| it.1 == burst[0].1),
            "{burst:?}"
        );
    }
}

/// Frozen: a model may have been trained on it.
#[test]
fn population_1_is_what_it_was() {
    let history = history(20);
    let line = |number: u64| {
        let event = history.event(number).unwrap();
        let told = format!("{event:?}");
        // An amount doesn't print by itself.
        match event.content {
            Content::Transaction { amount, .. } => {
                told.replace("Money(…)", &format!("Money({})", amount.digits()))
            }
            Content::Emotion { .. } => told,
        }
    };
    let told: Vec<String> = [0, 1_000, 2_500].into_iter().map(line).collect();
    assert_eq!(told.join("\n"), include_str!("population-1.golden").trim_end());
}

#[test]
fn a_history_that_makes_no_sense_is_refused() {
    let window = |first: &str, last: &str| Window::new(first.parse().unwrap(), last.parse().unwrap());
    assert!(window("2026-02-02", "2026-02-01").is_err());
    assert!(window("1969-02-02", "2026-02-01").is_err());
    assert!(Window::before("2026-02-02T10:00:00Z".parse().unwrap(), 0).is_err());
    let last_week = Window::before("2026-02-08T10:00:00Z".parse().unwrap(), 7).unwrap();
    assert_eq!(last_week.to_string(), "2026-02-01 to 2026-02-07");
    let centuries = window("1970-01-01", "2299-12-31").unwrap();
    assert!(History::new(Population::new(1, 1_000, &Mix::default()), centuries).is_err());
}
