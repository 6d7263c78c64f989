// SPDX-License-Identifier: GPL-2.0

//! Random sequences of operations against the engine, and those that once failed.
//!
//! `MODEL_STEPS` says how many operations there are to be; the rest is in `tests/host/run.sh`. A sequence that fails is
//! made as short as can be and printed as the text of a seed, to be kept in `seeds/`.

use crate::nft;
use crate::ops::{self, Op};
use crate::world::World;
use proptest::{
    collection,
    test_runner::{Config, TestError, TestRunner},
};
use std::{
    fs, panic,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

/// As many operations as a few seconds are good for.
const STEPS: u64 = 300_000;
const LONGEST: usize = 120;

/// Runs a sequence; how many steps it was.
fn run(sequence: &[Op]) -> u64 {
    nft::start();
    let mut steps = 0;
    let mut ops = sequence.iter().copied();
    while let Some(op) = ops.next() {
        let (op, meanwhile) = match op {
            Op::Meanwhile { at } => {
                let Some(nested) = ops.next() else {
                    break;
                };
                let Some(op) = ops.next() else {
                    break;
                };
                (op, Some((at, nested)))
            }
            op => (op, None),
        };
        nft::step(op, meanwhile);
        steps += 1;
    }
    nft::end();
    steps
}

/// Runs random sequences until there were so many steps. The text of the shortest that fails.
fn search(steps: &AtomicU64, wanted: u64) -> Result<(), String> {
    while steps.load(Ordering::Relaxed) < wanted {
        let mut runner = TestRunner::new(Config {
            cases: 200,
            failure_persistence: None,
            max_shrink_iters: 20_000,
            ..Config::default()
        });
        let strategy = collection::vec(Op::any(), 1..LONGEST);
        let result = runner.run(&strategy, |sequence| {
            steps.fetch_add(run(&sequence), Ordering::Relaxed);
            Ok(())
        });
        if let Err(error) = result {
            // What the failure has left behind cannot be taken down.
            World::create();
            World::end();
            return Err(match error {
                TestError::Fail(reason, sequence) => {
                    format!("# {reason}\n{}", ops::write(&sequence))
                }
                TestError::Abort(reason) => reason.to_string(),
            });
        }
    }
    Ok(())
}

#[test]
fn random_sequences() {
    let given = std::env::var("MODEL_STEPS").ok();
    let wanted = given.map_or(STEPS, |steps| {
        steps.parse().expect("MODEL_STEPS is a number")
    });
    // Each failure on the way to the shortest sequence would be printed.
    panic::set_hook(Box::new(|_| {}));
    let steps = AtomicU64::new(0);
    let begin = Instant::now();
    let threads = thread::available_parallelism().map_or(1, |n| n.get());
    let found: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| search(&steps, wanted)))
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| match thread.join() {
                Ok(result) => result.err(),
                Err(_) => Some("the search itself has failed".into()),
            })
            .collect()
    });
    drop(panic::take_hook());
    let done = steps.load(Ordering::Relaxed);
    let rate = done as f64 / begin.elapsed().as_secs_f64();
    println!("model: {done} steps, {rate:.0} a second");
    if let Some(shortest) = found.iter().min_by_key(|text| text.lines().count()) {
        panic!("keep it as tests/model/seeds/NAME:\n{shortest}");
    }
}

#[test]
fn seeds() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let mut seeds: Vec<_> = fs::read_dir(dir)
        .expect("there are seeds")
        .map(|entry| entry.expect("a file").path())
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty());
    for path in seeds {
        let text = fs::read_to_string(&path).expect("a text");
        let sequence = ops::read(&text).expect("a sequence");
        let result = panic::catch_unwind(|| run(&sequence));
        if result.is_err() {
            World::create();
            World::end();
            panic!("{} fails", path.display());
        }
    }
}

#[test]
fn a_sequence_is_read_as_it_is_written() {
    let sequence = [
        Op::New {
            table: 1,
            connection: 2,
            from: 3,
            to: 0,
        },
        Op::Gc { flow: 7 },
    ];
    let text = ops::write(&sequence);
    assert_eq!(text, "New table=1 connection=2 from=3 to=0\nGc flow=7\n");
    assert_eq!(ops::read(&text).as_deref(), Ok(&sequence[..]));
    assert!(ops::read("Gc flow=8").is_err());
    assert!(ops::read("Gc").is_err());
    assert!(ops::read("Nothing").is_err());
}
