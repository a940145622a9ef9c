//! All signals about a server, and what follows from them.

use std::time::Duration;

use super::board::{Belief, Board, Health, Verdict};
use super::finding::{Finding, Outcome};
use super::signal::Says;
use super::signal_tests::{at, failed, finding, no_result};
use crate::identity::RealServer;

fn server(last: u8) -> RealServer {
    RealServer(([10, 1, 0, last], 53).into())
}

/// Of a source whose every finding is a word.
fn says(source: &str, last: u8, second: u64, outcome: Outcome) -> Finding {
    Finding {
        source: source.to_owned(),
        server: server(last),
        rise: 1,
        fall: 1,
        ..finding(second, outcome)
    }
}

/// By which source, about which server, at which second.
type Said = (&'static str, u8, u64, Outcome);

fn board(findings: &[Said]) -> Board {
    let mut board = Board::default();
    for (source, last, second, outcome) in findings.iter().cloned() {
        board.hear(&says(source, last, second, outcome));
    }
    board
}

fn health(board: &Board, last: u8, second: u64) -> Health {
    let service = finding(0, Outcome::Passed).service;
    board.health(&service, &server(last), at(second)).unwrap()
}

fn up() -> Outcome {
    Outcome::Passed
}

fn is_unknown(health: &Health) -> bool {
    matches!(health.verdict, Verdict::Unknown(_))
}

fn is_down(health: &Health) -> bool {
    matches!(health.verdict, Verdict::Down { .. })
}

#[test]
fn down_outweighs_up_and_up_outweighs_no_word() {
    let one = board(&[("a", 5, 0, up()), ("b", 5, 1, failed()), ("c", 5, 2, no_result())]);
    let down = health(&one, 5, 3);
    let expected = Verdict::Down {
        source: "b".to_owned(),
        cause: "refused".to_owned(),
    };
    assert_eq!((down.verdict, down.since, down.failures), (expected, at(1), 1));
    assert_eq!(down.last_pass, Some(at(0)));

    let well = board(&[("a", 5, 0, up()), ("b", 5, 4, up()), ("c", 5, 2, no_result())]);
    let well = health(&well, 5, 5);
    assert_eq!(
        (well.verdict, well.since),
        (Verdict::Up, at(4)),
        "since all say so"
    );

    let none = health(&board(&[("c", 5, 2, no_result())]), 5, 3);
    assert_eq!(
        none.verdict,
        Verdict::Unknown("no word from c (no route)".to_owned())
    );
    let service = finding(0, up()).service;
    assert_eq!(Board::default().health(&service, &server(5), at(0)), None);
}

#[test]
fn the_failure_began_with_the_first_source_that_still_says_so() {
    let two = [
        ("a", 5, 0, failed()),
        ("b", 5, 3, failed()),
        ("b", 5, 4, failed()),
    ];
    let down = health(&board(&two), 5, 5);
    assert_eq!((down.since, down.failures), (at(0), 3));
}

#[test]
fn a_report_that_expires_while_down_is_unknown_whatever_others_say() {
    let one = board(&[("a", 5, 0, failed()), ("b", 5, 9, up())]);
    assert!(is_down(&health(&one, 5, 10)));
    let expired = health(&one, 5, 11);
    assert!(is_unknown(&expired), "{expired:?}");
    assert_eq!(expired.since, at(10));

    // It stumbles, and has still no word.
    let mut stumbled = one.clone();
    stumbled.hear(&says("a", 5, 12, no_result()));
    assert!(is_unknown(&health(&stumbled, 5, 13)));
    // It says up: so do all.
    stumbled.hear(&says("a", 5, 14, up()));
    assert_eq!(health(&stumbled, 5, 15).verdict, Verdict::Up);

    // Of one that said up, silence leaves what the others say.
    let other = board(&[("a", 5, 0, up()), ("b", 5, 9, up())]);
    assert_eq!(health(&other, 5, 15).verdict, Verdict::Up);
    assert!(is_unknown(&health(&other, 5, 20)));
    let later = board(&[
        ("a", 5, 6, up()),
        ("b", 5, 0, up()),
        ("b", 5, 9, up()),
        ("b", 5, 18, up()),
    ]);
    assert_eq!(
        health(&later, 5, 20).since,
        at(6),
        "its silence makes the time that it was well no longer"
    );
}

#[test]
fn a_source_that_is_withdrawn_says_nothing_and_the_others_begin_anew() {
    let mut one = board(&[("a", 5, 5, failed()), ("b", 5, 0, up())]);
    one.hear(&says("a", 5, 8, Outcome::Withdrawn));
    let left = health(&one, 5, 9);
    assert_eq!(
        (left.verdict, left.since),
        (Verdict::Up, at(8)),
        "it was not well for as long as the other one said so"
    );
    let mut two = board(&[("a", 5, 5, up()), ("b", 5, 0, up())]);
    two.hear(&says("a", 5, 8, Outcome::Withdrawn));
    assert_eq!(health(&two, 5, 9).since, at(5), "nor longer than both did");

    one.hear(&says("b", 5, 9, Outcome::Withdrawn));
    assert_eq!(one, Board::default());
    one.hear(&says("c", 7, 9, Outcome::Withdrawn));
    assert_eq!(one, Board::default(), "nobody ever spoke of it");
}

#[test]
fn all_sources_agree_where_two_or_more_have_a_word_and_all_say_down() {
    let cases: [(&[Said], bool); 6] = [
        (&[("a", 5, 0, failed())], false),
        (&[("a", 5, 0, failed()), ("b", 5, 0, failed())], true),
        (&[("a", 5, 0, failed()), ("b", 5, 0, up())], false),
        (&[("a", 5, 0, failed()), ("b", 5, 0, no_result())], false),
        (
            &[("a", 5, 0, failed()), ("b", 5, 0, failed()), ("c", 5, 0, up())],
            false,
        ),
        (
            &[
                ("a", 5, 0, failed()),
                ("b", 5, 0, failed()),
                ("c", 5, 0, no_result()),
            ],
            true,
        ),
    ];
    for (findings, unanimous) in cases {
        assert_eq!(
            health(&board(findings), 5, 1).unanimous,
            unanimous,
            "{findings:?}"
        );
    }
}

#[test]
fn a_failure_is_believed_once_another_server_was_found_well_after_it() {
    let cases: [(&[Said], Belief); 9] = [
        // Nobody looks at the others.
        (&[], Belief::Believed),
        (&[("a", 6, 4, up())], Belief::Awaited),
        (&[("a", 6, 5, up())], Belief::Awaited),
        (&[("a", 6, 6, up())], Belief::Believed),
        (&[("a", 6, 6, failed())], Belief::AllFail),
        (&[("a", 6, 6, failed()), ("a", 7, 4, up())], Belief::Awaited),
        (&[("a", 6, 6, failed()), ("a", 7, 6, up())], Belief::Believed),
        (&[("a", 6, 6, failed()), ("a", 7, 6, failed())], Belief::AllFail),
        (&[("a", 6, 6, no_result())], Belief::Awaited),
    ];
    for (others, belief) in cases {
        let mut one = board(others);
        one.hear(&says("a", 5, 5, failed()));
        assert_eq!(health(&one, 5, 7).belief, belief, "{others:?}");
    }
    // At its beginning nobody was heard yet.
    for (second, belief) in [(29, Belief::Awaited), (30, Belief::Believed)] {
        let mut new = Board::since(at(0));
        new.hear(&Finding {
            stale_after: Duration::from_mins(1),
            ..says("a", 5, 0, failed())
        });
        assert_eq!(health(&new, 5, second).belief, belief, "second {second}");
    }
    // It passed since, but not for long enough to be well.
    let mut rising = board(&[("a", 5, 5, failed()), ("a", 6, 5, failed())]);
    rising.hear(&Finding {
        rise: 2,
        ..says("a", 6, 6, up())
    });
    assert_eq!(health(&rising, 5, 7).belief, Belief::AllFail);
}

#[test]
fn a_checker_that_breaks_is_never_believed_in_whatever_order_its_findings_come() {
    // Three servers are looked at in turn, and from second 10 on each is found to fail.
    let mut one = Board::default();
    for second in 0..30u64 {
        let last = 5 + u8::try_from(second % 3).unwrap();
        let outcome = if second < 10 { up() } else { failed() };
        one.hear(&says("a", last, second, outcome));
        for last in 5..8 {
            let service = finding(0, up()).service;
            let Some(health) = one.health(&service, &server(last), at(second)) else {
                continue;
            };
            assert!(
                !is_down(&health) || health.belief != Belief::Believed,
                "second {second}, server {last}: {health:?}"
            );
        }
    }
    assert_eq!(health(&one, 5, 30).belief, Belief::AllFail);
}

#[test]
fn words_say_what_each_source_found() {
    let one = board(&[("a", 5, 0, failed()), ("b", 5, 1, up())]);
    let words = one.words(&finding(0, up()).service, &server(5), at(11));
    let told: Vec<_> = words
        .iter()
        .map(|word| {
            (
                word.source.as_str(),
                word.says,
                word.cause.as_str(),
                word.failures,
            )
        })
        .collect();
    assert_eq!(told, [("a", Says::Unknown, "refused", 1), ("b", Says::Up, "", 0)]);
}

#[test]
fn what_nobody_spoke_of_for_a_day_is_forgotten() {
    let day = Duration::from_hours(24);
    let mut one = board(&[("a", 5, 0, failed()), ("a", 6, 5, up())]);
    // Stale at second 10.
    let before = crate::moment::Moment::from_nanos((at(10) + day).as_nanos() - 1);
    one.forget(before);
    assert_eq!(one.servers().count(), 2);
    one.forget(at(10) + day);
    let left: Vec<_> = one.servers().map(|(_, server)| server).collect();
    assert_eq!(left, [server(6)]);
    assert_eq!(one.servers_of(&finding(0, up()).service).count(), 1);
}

#[test]
fn a_word_that_stands_is_a_witness_until_it_runs_out_and_then_nobody_looks() {
    let standing = |last, second, outcome, ttl| Finding {
        stands: true,
        rise: 1,
        fall: 1,
        stale_after: Duration::from_secs(ttl),
        ..says("monitor", last, second, outcome)
    };
    let mut one = Board::default();
    one.hear(&standing(6, 0, up(), 100));
    one.hear(&standing(5, 60, failed(), 100));
    assert_eq!(
        health(&one, 5, 100).belief,
        Belief::Believed,
        "said before, and it stands"
    );
    assert_eq!(
        health(&one, 5, 101).belief,
        Belief::Believed,
        "nobody looks at the other one any more"
    );
    one.hear(&standing(6, 102, failed(), 100));
    assert_eq!(health(&one, 5, 103).belief, Belief::AllFail);
}
