//! The power goes, again and again: nothing that got its promise is lost, nothing happens twice, and the platform starts by
//! itself. `docs/durability.md` has the model.
//!
//! A kill -9 can't show that, because it leaves the page cache alive. Here the whole platform runs over a disk whose cut
//! loses, tears and reorders what was not synced. `ECS_TEST_CUTS` and `ECS_TEST_SEED` make it longer and different.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod campaign;
mod life;
mod load;
mod promises;
mod tally;

use ecs_bus_embedded::Synchronous as Bus;
use ecs_store_sqlite::Synchronous as Store;

use crate::campaign::{Breach, Campaign};
use crate::life::Durability;
use crate::tally::Phase;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn nothing_promised_is_lost_whenever_the_power_goes() {
    let (cuts, seed) = (number("ECS_TEST_CUTS", 80), number("ECS_TEST_SEED", 20_251_121));
    let durability = Durability { store: Store::Full, bus: Bus::Full };
    let mut campaign = Campaign::new(seed, durability);
    if let Err(broken) = campaign.run(cuts) {
        panic!("{broken}");
    }
    let tally = campaign.finish();
    println!("{cuts} cuts, seed {seed}: {}", tally.to_json());
    assert!(tally.promises() > cuts * 20, "only {} promises in {cuts} cuts", tally.promises());
    // A stop in good order is rare enough to be left out of a short run by chance.
    for phase in Phase::ALL.into_iter().filter(|phase| *phase != Phase::Stopping || cuts >= 500) {
        assert!(tally.cuts_in(phase) > 0, "no cut while {phase}: {}", tally.to_json());
    }
}

/// How many cuts may pass without a broken promise where not everything is synced.
const ENOUGH: u64 = 200;

/// A test that can't fail proves nothing. With less than all of the syncs, it finds broken promises soon.
#[test]
fn without_every_sync_promises_are_broken_and_this_test_sees_it() {
    let table = [(Store::Off, Bus::Off), (Store::Normal, Bus::Full), (Store::Full, Bus::Normal)];
    for (store, bus) in table {
        let mut campaign = Campaign::new(number("ECS_TEST_SEED", 7), Durability { store, bus });
        let mut breaches = Vec::new();
        while campaign.cuts() < ENOUGH && !breaches.iter().any(Breach::is_a_broken_promise) {
            breaches.extend(campaign.run(1).err().map(|broken| broken.breach));
        }
        let cuts = campaign.cuts();
        let told: Vec<String> =
            breaches.iter().map(|breach| breach.to_string().chars().take(300).collect()).collect();
        println!("store {store:?}, bus {bus:?}, {cuts} cuts:\n  {}", told.join("\n  "));
        assert!(breaches.iter().any(Breach::is_a_broken_promise), "store {store:?}, bus {bus:?}: {told:?}");
    }
}
