//! Choices that a seed repeats.

use std::{collections::BTreeSet, time::Duration};
use whimbrel_testkit::dice::Dice;

fn drawn<const N: usize>(mut dice: Dice) -> [u64; N] {
    std::array::from_fn(|_| dice.next())
}

#[test]
fn the_numbers_are_those_of_splitmix64_as_published() {
    let published = [
        6_457_827_717_110_365_317,
        3_203_168_211_198_807_973,
        9_817_491_932_198_370_423,
        4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
    ];
    assert_eq!(drawn(Dice::from_state(1_234_567)), published);
}

/// Seeds are written down where they found something: they have to go on meaning the same.
#[test]
fn a_seed_means_what_it_always_meant() {
    assert_eq!(drawn(Dice::new(7)), RECORDED);
    assert_ne!(drawn::<3>(Dice::new(8)), RECORDED);
}

const RECORDED: [u64; 3] = [
    7_046_236_936_444_258_700,
    11_572_677_092_435_907_128,
    6_350_764_380_712_088_086,
];

#[test]
fn every_choice_comes_up_and_no_other() {
    let mut dice = Dice::new(3);
    let mut many = |draw: &mut dyn FnMut(&mut Dice) -> u64| -> BTreeSet<u64> {
        (0..1_000).map(|_| draw(&mut dice)).collect()
    };
    assert!(many(&mut |dice| dice.below(7)).into_iter().eq(0..7));
    assert!(many(&mut |dice| dice.between(5, 9)).into_iter().eq(5..=9));
    assert!(many(&mut |dice| dice.any_size(9)).into_iter().eq(1..=9));
    assert!(many(&mut |dice| dice.index(3) as u64).into_iter().eq(0..3));
    assert!(many(&mut |dice| u64::from(dice.coin())).into_iter().eq(0..2));
    let most = Duration::from_millis(2);
    assert!((0..100).all(|_| dice.millis(2) <= most));
    let small = (0..1_000).filter(|_| dice.any_size(1 << 40) <= 1 << 20).count();
    assert!(
        (300..700).contains(&small),
        "small ones as often as large ones: {small}"
    );
    assert!((1..=u64::MAX).contains(&dice.any_size(u64::MAX)));
}

#[test]
fn of_nothing_there_is_nothing() {
    let mut dice = Dice::new(3);
    assert_eq!((dice.below(0), dice.index(0)), (0, 0));
    assert_eq!(dice.pick::<char>(&[]), None);
    assert_eq!(dice.weighed(&[(0, 'a')]), None);
    assert_eq!(dice.weighed::<char>(&[]), None);
}

#[test]
fn a_rate_is_kept_about() {
    let mut dice = Dice::new(5);
    let percent = (0..10_000).filter(|_| dice.percent(30)).count();
    assert!((2_800..3_200).contains(&percent), "{percent}");
    let per_mille = (0..10_000).filter(|_| dice.per_mille(30)).count();
    assert!((200..400).contains(&per_mille), "{per_mille}");
    assert!((0..1_000).all(|_| !dice.percent(0) && dice.percent(100)));
}

#[test]
fn what_weighs_nothing_is_never_picked() {
    let mut dice = Dice::new(1);
    let items = [(0, 'a'), (3, 'b'), (0, 'c'), (1, 'd')];
    let picked: Vec<_> = (0..1_000).filter_map(|_| dice.weighed(&items)).collect();
    assert_eq!(picked.len(), 1_000);
    assert!(!picked.contains(&'a') && !picked.contains(&'c'));
    let b = picked.iter().filter(|picked| **picked == 'b').count();
    assert!((650..850).contains(&b), "{b}");
}
