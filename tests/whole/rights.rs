//! Rights are taken away while the program runs: it says which one is missing of what, and when it is back, nothing is lost
//! or said twice.

use super::Case;
use super::broker::{Broker, GUARDED_USER};
use super::program::Site;
use super::scene::Scene;
use super::stream::Stream;
use std::time::Instant;
use truceline::simulate::Scenario;

pub const TRIALS: &[Case] =
    &[("rights_that_are_taken_away_are_named_and_cost_and_repeat_nothing", rights_are_taken_away)];

fn rights_are_taken_away(broker: &Broker) {
    let site = Site::at(&broker.guarded(), "rights");
    let (user, password) = GUARDED_USER;
    let principal = format!("User:{user}");
    let name = site.name().to_owned();
    let everything = ["--topic", &name, "--group", &name, "--transactional-id", &name];
    let allow = ["--add", "--allow-principal", &principal, "--operation", "All"];
    broker.acl(&[&allow[..], &["--resource-pattern-type", "prefixed"], &everything].concat());
    let mut stream = Stream::of(broker, site, Scene::new(Scenario::Hour, 161, 8.0));
    stream.deliver(broker, 0.2);
    let login = [
        "kafka.client.security.protocol=sasl_plaintext".to_owned(),
        "kafka.client.sasl.mechanism=PLAIN".to_owned(),
        format!("kafka.client.sasl.username={user}"),
        format!("kafka.client.sasl.password={password}"),
    ];
    let program = stream.run_set(&login.each_ref().map(String::as_str));
    program.await_more();

    let (violations, sensors) = (stream.site.topic("violations"), stream.site.topic("sensors"));
    let id = format!("{name}-main");
    let taken = [
        ("Write", ["--topic", &violations], format!("may not write to {violations:?}")),
        ("Read", ["--topic", &sensors], format!("may not read {sensors:?}")),
        ("Write", ["--transactional-id", &id], format!("may not write as {id:?}")),
    ];
    let mut recoveries = Vec::new();
    for (number, (operation, resource, sentence)) in (1u8..).zip(&taken) {
        let seen = program.lines();
        broker.deny(&principal, operation, resource);
        stream.deliver_live(broker, 0.2 + 0.2 * f64::from(number));
        program.await_line(seen, sentence, |line| line.contains(sentence));
        broker.deny_no_more(&principal, operation, resource);
        let since = Instant::now();
        stream.deliver_live(broker, 0.3 + 0.2 * f64::from(number));
        stream.await_delivered(&program);
        recoveries.push(since.elapsed());
    }
    stream.conclude(broker, program, "rights taken away", taken.len(), &recoveries);
}
