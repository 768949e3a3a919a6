use proptest::prelude::*;

use super::*;
use crate::measures::{Activity, Measure};

fn record(number: u32, age: Option<&str>, region: Option<&str>, transactions: u64) -> Record {
    let mut pseudonym = [0; 16];
    pseudonym[..4].copy_from_slice(&number.to_le_bytes());
    let attributes = Attributes {
        age_band: age.map(|age| age.parse().unwrap()),
        region: region.map(|region| region.parse().unwrap()),
    };
    let measures = Measures::of(&Activity { transactions, denied: transactions % 2, ..Activity::default() });
    Record { pseudonym, attributes, measures }
}

/// So many people who told this, from number `from` on, of whom every other one bought something.
fn people(from: u32, count: u32, age: Option<&str>, region: Option<&str>) -> Vec<Record> {
    (from..from + count).map(|number| record(number, age, region, u64::from(number % 2))).collect()
}

fn names(release: &Release) -> Vec<(String, usize)> {
    let name = |group: &[Row]| (format!("{:?}", group[0].group), group.len());
    groups(release.rows()).map(name).collect()
}

#[test]
fn small_groups_are_generalised_step_by_step_and_then_suppressed() {
    let check = |records: Vec<Vec<Record>>, expect: &[(&str, usize)], suppressed: (usize, usize)| {
        let release = Release::of(records.concat(), K::LEAST).unwrap();
        let expect: Vec<_> = expect.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        assert_eq!(names(&release), expect);
        let summary = release.summary();
        assert_eq!((summary.suppressed_cells, summary.suppressed_people), suppressed);
        assert_eq!(summary.rows + summary.suppressed_people, summary.people);
    };
    let young = |from, count, region| people(from, count, Some("25-34"), Some(region));
    check(vec![], &[], (0, 0));
    check(vec![young(0, 10, "BR-SP")], &[("Group { age: Band(From25), place: Region(BR-SP) }", 10)], (0, 0));
    check(vec![young(0, 9, "BR-SP")], &[], (1, 9));
    // Two regions of one country.
    check(
        vec![young(0, 9, "BR-SP"), young(9, 9, "BR-RJ")],
        &[("Group { age: Band(From25), place: Region(BR) }", 18)],
        (0, 0),
    );
    // Two bands, which are one wider band.
    check(
        vec![people(0, 5, Some("18-24"), Some("BR-SP")), young(5, 5, "BR-RJ")],
        &[("Group { age: Wide(\"18-34\"), place: Region(BR) }", 10)],
        (0, 0),
    );
    // Two countries.
    check(
        vec![young(0, 5, "BR"), young(5, 5, "AR")],
        &[("Group { age: Wide(\"18-34\"), place: Any }", 10)],
        (0, 0),
    );
    // Nothing in common, and people who told nothing.
    check(
        vec![young(0, 4, "BR"), people(4, 4, Some("65+"), None), people(8, 4, None, None)],
        &[("Group { age: Any, place: Any }", 12)],
        (0, 0),
    );
    // Those who are left over are suppressed beside a group that is large enough.
    check(
        vec![young(0, 12, "BR-SP"), people(12, 4, Some("65+"), None), people(16, 3, None, None)],
        &[("Group { age: Band(From25), place: Region(BR-SP) }", 12)],
        (2, 7),
    );
}

#[test]
fn what_everybody_in_a_group_has_is_withheld() {
    let mut records = people(0, 10, None, None);
    let told = |records: &[Record]| {
        let release = Release::of(records.to_vec(), K::LEAST).unwrap();
        let row = release.rows()[0];
        (Measure::ALL.map(|measure| row.measures.text(measure)), release.summary().withheld_values)
    };
    let some = Some("0");
    assert_eq!(told(&records), ([some, Some("*"), Some("*"), Some("*"), Some("*"), some], 40));
    records.iter_mut().for_each(|record| record.measures = Measures::of(&Activity::default()));
    assert_eq!(told(&records), ([Some("*"); 6], 60));
}

#[test]
fn a_person_counts_once() {
    let nine = people(0, 9, None, None);
    let release = Release::of([nine.clone(), nine].concat(), K::LEAST).unwrap();
    assert_eq!((release.rows().len(), release.summary().people), (0, 9));
}

#[test]
fn a_release_that_fails_the_check_is_none() {
    let good = Release::of(people(0, 20, None, None), K::LEAST).unwrap();
    assert_eq!(good.check(K::LEAST), Ok(()));
    assert_eq!(good.check(K::new(21).unwrap()), Err(Unsafe::SmallGroup));
    let spoilt = |spoil: fn(&mut Release)| {
        let mut release = good.clone();
        spoil(&mut release);
        release.check(K::LEAST)
    };
    assert_eq!(spoilt(|release| release.summary.suppressed_people = 1), Err(Unsafe::Miscounted));
    assert_eq!(spoilt(|release| release.rows.truncate(19)), Err(Unsafe::Miscounted));
    assert_eq!(spoilt(|release| release.rows[0].group.age = Age::Any), Err(Unsafe::SmallGroup));
    let repeat = |release: &mut Release| {
        let first = release.rows[0].pseudonym;
        release.rows.iter_mut().for_each(|row| row.pseudonym = first);
    };
    assert_eq!(spoilt(repeat), Err(Unsafe::SmallGroup));
    let level = |release: &mut Release| {
        let first = release.rows[0].measures;
        release.rows.iter_mut().for_each(|row| row.measures.0[0] = first.0[0]);
    };
    assert_eq!(spoilt(level), Err(Unsafe::Homogeneous));
}

#[test]
fn k_is_ten_or_more() {
    for (people, expect) in [(0, None), (9, None), (10, Some(K(10))), (1_000, Some(K(1_000))), (1_001, None)]
    {
        assert_eq!(K::new(people), expect);
    }
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let age = prop::option::of(prop::sample::select(AgeBand::ALL.to_vec()));
    let codes: Vec<Region> =
        ["BR", "BR-SP", "BR-RJ", "AR", "AR-B", "US-CA"].map(|code| code.parse().unwrap()).to_vec();
    let region = prop::option::of(prop::sample::select(codes));
    let one = (0_u32..300, age, region, 0_u64..60, 0_u64..3).prop_map(
        |(number, age_band, region, transactions, denied)| {
            let activity = Activity { transactions, denied, ..Activity::default() };
            let attributes = Attributes { age_band, region };
            Record { attributes, measures: Measures::of(&activity), ..record(number, None, None, 0) }
        },
    );
    prop::collection::vec(one, 0..400)
}

proptest! {
    /// Whatever goes in: nobody stands in a group of fewer than `k`, nobody twice, and everybody is accounted for.
    #[test]
    fn no_group_is_ever_smaller_than_k(records in records(), k in 10_usize..40) {
        let everybody: BTreeSet<Pseudonym> = records.iter().map(|record| record.pseudonym).collect();
        let release = Release::of(records, K::new(k).unwrap()).unwrap();
        let mut sizes = std::collections::BTreeMap::new();
        let mut seen = BTreeSet::new();
        for row in release.rows() {
            *sizes.entry(row.group).or_insert(0) += 1;
            prop_assert!(seen.insert(row.pseudonym), "a person stands in it twice");
        }
        prop_assert!(sizes.values().all(|size| *size >= k));
        prop_assert!(seen.is_subset(&everybody));
        let summary = release.summary();
        prop_assert_eq!(summary.people, everybody.len());
        prop_assert_eq!(summary.rows, seen.len());
        prop_assert_eq!(summary.rows + summary.suppressed_people, summary.people);
        prop_assert_eq!(summary.groups, sizes.len());
        prop_assert!(summary.suppressed_people < k, "enough people are a group of their own");
        prop_assert!(summary.suppressed_cells <= summary.suppressed_people);
    }
}
