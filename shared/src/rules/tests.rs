//! What the counts say of any replies.

use super::{Counts, Number, Rules};
use proptest::{collection::vec, prelude::*};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The rows that the database would have after these replies.
fn counted(rules: &Rules, replies: &[Value]) -> Counts {
    let mut rows = BTreeMap::<_, (i64, Decimal)>::new();
    for reply in replies {
        for tally in rules.tallies(reply, false) {
            let row = rows.entry((tally.kind, tally.part)).or_default();
            *row = (row.0 + 1, row.1 + tally.total);
        }
    }
    let rows = rows.into_iter().map(|((kind, part), (n, total))| json!([kind, part, n, total.to_string()]));
    Counts::of(&rows.collect())
}

fn decimal(value: &Value) -> Decimal {
    value.to_string().parse().unwrap()
}

proptest! {
    #[test]
    fn a_histogram_has_every_number_once_and_in_its_place(
        numbers in vec((-999_999_999_i64..=999_999_999, 0_u32..=6, -3_i64..=3), 0..50),
    ) {
        let rules = Rules::parse("number", None).unwrap();
        // Large, small, and near to zero.
        let numbers: Vec<Decimal> = numbers
            .into_iter()
            .map(|(n, scale, near)| if scale % 2 == 0 { Decimal::new(n, scale) } else { Decimal::new(near, scale) })
            .collect();
        let replies: Vec<Value> = numbers.iter().map(|n| serde_json::from_str(&n.to_string()).unwrap()).collect();
        prop_assert!(replies.iter().all(|reply| Number::of(reply).is_some()));
        let summary = rules.summary(&counted(&rules, &replies), numbers.iter().min().copied(), numbers.iter().max().copied());
        prop_assert_eq!(&summary["count"], &json!(numbers.len()));
        prop_assert_eq!(decimal(&summary["sum"]), numbers.iter().sum());
        let mut end = None;
        for bucket in summary["histogram"].as_array().unwrap() {
            let (from, to) = (decimal(&bucket["from"]), decimal(&bucket["to"]));
            prop_assert!(from <= to && end.is_none_or(|end| end <= from), "in order, and apart: {}", bucket);
            end = Some(to);
            let inside = numbers.iter().filter(|n| match from.cmp(&Decimal::ZERO) {
                // The end nearer to zero belongs to it.
                _ if from == to => n.is_zero(),
                std::cmp::Ordering::Less => from < **n && **n <= to,
                _ => from <= **n && **n < to,
            });
            prop_assert_eq!(&bucket["count"], &json!(inside.count()), "{}", bucket);
        }
        let counts = summary["histogram"].as_array().unwrap().iter().map(|bucket| bucket["count"].as_u64().unwrap());
        prop_assert_eq!(counts.sum::<u64>(), numbers.len() as u64);
    }

    #[test]
    fn the_shares_of_a_single_choice_add_up(chosen in vec(0_usize..4, 1..40)) {
        let options = ["a", "b", "c", "d"];
        let rules = Rules::parse("single_choice", Some(&json!(options))).unwrap();
        let replies: Vec<Value> = chosen.iter().map(|index| json!(options[*index])).collect();
        let summary = rules.summary(&counted(&rules, &replies), None, None);
        let shares = summary["options"].as_array().unwrap().iter().map(|option| decimal(&option["share"]));
        prop_assert!((shares.sum::<Decimal>() - Decimal::ONE).abs() <= Decimal::new(2, 6));
    }

    #[test]
    fn mean_and_score_are_those_of_the_replies(steps in vec(0_i64..=10, 1..40)) {
        let rules = Rules::parse("nps", None).unwrap();
        let replies: Vec<Value> = steps.iter().map(|step| json!(step)).collect();
        let summary = rules.summary(&counted(&rules, &replies), None, None);
        let of = |n: i64| Decimal::from(n) / Decimal::from(steps.len());
        prop_assert_eq!(decimal(&summary["mean"]), of(steps.iter().sum()).round_dp(6).normalize());
        let promoters = steps.iter().filter(|step| **step >= 9).count();
        let detractors = steps.iter().filter(|step| **step <= 6).count();
        let score = of(100 * (i64::try_from(promoters).unwrap() - i64::try_from(detractors).unwrap()));
        prop_assert_eq!(decimal(&summary["score"]), score.round_dp(1).normalize());
    }
}
