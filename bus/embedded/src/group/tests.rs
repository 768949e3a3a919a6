//! The state of a group, step by step.

use std::time::Duration;

use super::*;

const LEASE: Duration = Duration::from_secs(30);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn reserve(group: &mut Group, member: Member, max: usize, now: i64, head: u64) -> Vec<(u64, u32)> {
    let reserved = group.reserve(member, max, at(now), at(now) + LEASE, head);
    let again = reserved.again.iter().map(|again| (again.position, again.attempt));
    again.chain(reserved.fresh.map(|position| (position, 1))).collect()
}

fn ack(group: &mut Group, member: Member, position: u64, attempt: u32) {
    group.settle(member, vec![Settlement { tag: tag(position, attempt), verdict: Verdict::Ack }], at(0));
}

fn retry(group: &mut Group, member: Member, position: u64, attempt: u32, now: i64, after: u64) {
    let verdict = Verdict::Retry { after: Duration::from_secs(after), reason: "no".to_owned() };
    group.settle(member, vec![Settlement { tag: tag(position, attempt), verdict }], at(now));
}

fn cursor(group: &mut Group) -> Option<u64> {
    group.changes().map(|changes| {
        group.written(&changes);
        changes.cursor
    })
}

#[test]
fn the_cursor_waits_for_the_oldest_that_is_held() {
    let mut group = Group::resume(0, Vec::new());
    assert_eq!(reserve(&mut group, 1, 3, 0, 10), [(1, 1), (2, 1), (3, 1)]);
    ack(&mut group, 1, 2, 1);
    ack(&mut group, 1, 3, 1);
    assert_eq!(cursor(&mut group), None);
    ack(&mut group, 1, 1, 1);
    assert_eq!(cursor(&mut group), Some(3));
    assert_eq!(cursor(&mut group), None);
}

#[test]
fn a_retry_lets_the_cursor_pass_but_is_not_settled() {
    let mut group = Group::resume(0, Vec::new());
    reserve(&mut group, 1, 2, 0, 2);
    retry(&mut group, 1, 1, 1, 0, 5);
    ack(&mut group, 1, 2, 1);
    assert_eq!((group.settled_through(), group.pending(2)), (0, 1));
    let changes = group.changes().unwrap();
    assert_eq!(changes.cursor, 2);
    assert!(matches!(changes.rows[..], [(1, Some(Row { attempt: 1, .. }))]));
    group.written(&changes);
    assert_eq!(reserve(&mut group, 1, 2, 4, 2), []);
    assert_eq!(reserve(&mut group, 1, 2, 5, 2), [(1, 2)]);
    ack(&mut group, 1, 1, 2);
    assert!(matches!(group.changes().unwrap().rows[..], [(1, None)]));
    assert_eq!((group.settled_through(), group.pending(2)), (2, 0));
}

#[test]
fn what_could_not_be_written_is_written_the_next_time() {
    let mut group = Group::resume(0, Vec::new());
    reserve(&mut group, 1, 1, 0, 1);
    retry(&mut group, 1, 1, 1, 0, 5);
    let changes = group.changes().unwrap();
    group.unwritten(changes);
    let changes = group.changes().unwrap();
    assert_eq!((changes.cursor, changes.rows.len()), (1, 1));
}

#[test]
fn a_lease_runs_out_for_those_only_whose_time_has_come() {
    let mut group = Group::resume(0, Vec::new());
    reserve(&mut group, 1, 1, 0, 9);
    reserve(&mut group, 2, 1, 10, 9);
    group.expire(at(29));
    assert_eq!(reserve(&mut group, 3, 1, 29, 2), []);
    group.expire(at(30));
    assert_eq!(group.next_change(), Some(at(30)));
    assert_eq!(reserve(&mut group, 3, 5, 30, 2), [(1, 2)]);
    group.expire(at(40));
    assert_eq!(reserve(&mut group, 3, 5, 40, 2), [(2, 2)]);
    ack(&mut group, 1, 1, 1);
    assert_eq!(group.pending(2), 2, "an old tag means nothing");
}

#[test]
fn what_a_member_never_saw_or_hands_back_is_not_an_attempt() {
    let mut group = Group::resume(0, Vec::new());
    let reserved = group.reserve(1, 2, at(0), at(30), 2);
    group.take_back(1, reserved.positions(), at(0));
    assert_eq!(reserve(&mut group, 2, 5, 0, 2), [(1, 1), (2, 1)]);
    group.leave(2, at(0));
    assert_eq!(reserve(&mut group, 3, 5, 0, 2), [(1, 1), (2, 1)]);
    retry(&mut group, 3, 1, 1, 0, 0);
    assert_eq!(reserve(&mut group, 3, 5, 0, 2), [(1, 2)]);
    group.leave(3, at(0));
    assert_eq!(reserve(&mut group, 4, 5, 0, 2), [(1, 2), (2, 1)], "what failed stays counted");
}

#[test]
fn retries_above_the_cursor_are_not_handed_out_as_new_after_a_restart() {
    let row = |due| Row { attempt: 4, due: at(due), history: Vec::new() };
    let mut group = Group::resume(1, vec![(1, row(0)), (3, row(100))]);
    assert_eq!(group.pending(5), 5);
    assert_eq!(reserve(&mut group, 1, 10, 0, 5), [(1, 5), (2, 1)]);
    assert_eq!(reserve(&mut group, 1, 10, 0, 5), [(4, 1), (5, 1)]);
    assert_eq!(reserve(&mut group, 1, 10, 100, 5), [(3, 5)]);
}

#[test]
fn a_retry_that_is_settled_before_the_new_events_in_front_of_it_stays_settled() {
    let kept = Row { attempt: 1, due: at(0), history: Vec::new() };
    let mut group = Group::resume(3, vec![(5, kept)]);
    assert_eq!(group.settled_through(), 3, "4 was never handed out");
    assert_eq!(reserve(&mut group, 1, 1, 0, 6), [(5, 2)]);
    ack(&mut group, 1, 5, 2);
    assert_eq!((group.settled_through(), group.pending(6)), (3, 2));
    assert_eq!(reserve(&mut group, 1, 9, 0, 6), [(4, 1)]);
    assert_eq!(reserve(&mut group, 1, 9, 0, 6), [(6, 1)]);
}

#[test]
fn what_was_forgotten_is_neither_pending_nor_handed_out() {
    let mut group = Group::resume(0, Vec::new());
    reserve(&mut group, 1, 4, 0, 9);
    retry(&mut group, 1, 2, 1, 0, 0);
    group.forget_through(7);
    assert_eq!(reserve(&mut group, 2, 10, 1, 9), [(8, 1), (9, 1)]);
    for position in [1, 3, 4] {
        ack(&mut group, 1, position, 1);
    }
    assert_eq!((group.pending(9), group.settled_through()), (2, 7));
}

#[test]
fn nothing_waits_longer_because_the_clock_was_set_back() {
    let mut group = Group::resume(0, Vec::new());
    group.expire(at(1_000));
    reserve(&mut group, 1, 2, 1_000, 2);
    retry(&mut group, 1, 1, 1, 1_000, 5);
    group.expire(at(1_001));
    // By 901 seconds, with 4 seconds to go for the retry and 29 for the lease.
    group.expire(at(100));
    assert_eq!(group.next_change(), Some(at(104)));
    assert_eq!(reserve(&mut group, 2, 2, 103, 2), []);
    assert_eq!(reserve(&mut group, 2, 2, 104, 2), [(1, 2)]);
    group.expire(at(128));
    assert_eq!(reserve(&mut group, 2, 2, 128, 2), []);
    group.expire(at(129));
    assert_eq!(reserve(&mut group, 2, 2, 129, 2), [(2, 2)]);
}
