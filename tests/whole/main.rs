//! Whole-program tests against a real broker. One broker serves the run; the tests take turns.
//!
//! Each subject has a file with a list of `TRIALS`; add yours to [`trials`]. Without Java and Maven they are
//! ignored; when the environment says `CI` that is a failure.

mod bounded;
mod broker;
mod catching_up;
mod checkpoints;
mod cluster;
mod connections;
mod crashes;
mod faults;
mod filler;
mod hostile;
mod lasting;
mod learnt;
mod ledger;
mod live;
mod program;
mod proxy;
mod quiet;
mod reading;
mod records;
mod renewed;
mod reporting;
mod reviewed;
mod rights;
mod scene;
mod shuffled;
mod soak;
mod starting;
mod stream;
mod tables;
mod taken_away;
mod topics;
mod writing;

use broker::Broker;
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use std::sync::Arc;

/// A test: its name, a sentence, and what it does.
pub type Case = (&'static str, fn(&Broker));

fn trials() -> Vec<Case> {
    [
        reading::TRIALS,
        writing::TRIALS,
        topics::TRIALS,
        starting::TRIALS,
        live::TRIALS,
        reporting::TRIALS,
        quiet::TRIALS,
        shuffled::TRIALS,
        hostile::TRIALS,
        learnt::TRIALS,
        crashes::TRIALS,
        lasting::TRIALS,
        faults::TRIALS,
        checkpoints::TRIALS,
        connections::TRIALS,
        taken_away::TRIALS,
        rights::TRIALS,
        reviewed::TRIALS,
        cluster::TRIALS,
        renewed::TRIALS,
        bounded::TRIALS,
        catching_up::TRIALS,
        soak::TRIALS,
    ]
    .concat()
}

/// The program under test.
pub fn truceline_binary() -> &'static str {
    env!("CARGO_BIN_EXE_truceline")
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A test may kill the broker, and the kernel ends the broker with the thread that started it.
    arguments.test_threads = Some(1);
    let wanted = |name: &str| arguments.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()));
    let is_idle = arguments.list || !trials().iter().any(|(name, _)| wanted(name));
    let broker = match Broker::missing() {
        _ if is_idle => Err("not started".to_owned()),
        Some(missing) => Err(missing),
        None => Broker::start().map(Arc::new),
    };
    if let (Err(why), false, Some(_)) = (&broker, is_idle, std::env::var_os("CI")) {
        eprintln!("whole-program tests can't run: {why}");
        return ExitCode::FAILURE;
    }
    let trial = |(name, run): Case| match &broker {
        Ok(broker) => {
            let broker = Arc::clone(broker);
            Trial::test(name, move || {
                run(&broker);
                Ok::<(), Failed>(())
            })
        }
        Err(_) if is_idle => Trial::test(name, || Ok(())),
        Err(why) => Trial::test(name, || Err("the broker is missing".into())).with_kind(why).with_ignored_flag(true),
    };
    let ran = libtest_mimic::run(&arguments, trials().into_iter().map(trial).collect());
    ledger::print_table();
    ran.exit_code()
}
