//! What keeps the program from starting is said in one sentence, before anything starts.

use super::Case;
use super::broker::Broker;
use super::live::LARGEST_BYTES;
use super::program::{Ended, Program, Site};
use truceline::kafka::topics::check;

pub const TRIALS: &[Case] = &[
    ("without_a_broker_it_says_so_and_ends", without_a_broker_it_says_so_and_ends),
    ("without_a_topic_it_says_which_and_ends", without_a_topic_it_says_which_and_ends),
    ("without_a_reference_file_it_says_which_and_ends", without_a_reference_file_it_says_which_and_ends),
    ("a_key_or_a_value_that_can_not_be_is_named", a_key_or_a_value_that_can_not_be_is_named),
    ("create_topics_makes_them_and_it_starts", create_topics_makes_them_and_it_starts),
];

fn refused(site: &Site, command: &str, more: &[&str]) -> String {
    let Ended { code, said } = Program::run_to_end(&site.arguments(&[&[command], more].concat()));
    let told: Vec<&str> = said.lines().filter(|line| line.starts_with("truceline: ")).collect();
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(told.len(), 1, "one sentence: {said}");
    told[0].to_owned()
}

fn without_a_broker_it_says_so_and_ends(_: &Broker) {
    // Nobody listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    let site = Site::at(&format!("127.0.0.1:{port}"), "nobody");
    for command in ["run", "check"] {
        let said = refused(&site, command, &["--set", "kafka.answer_timeout_ms=1000"]);
        let config = site.config();
        let start = format!(
            "truceline: {}:2: kafka.brokers is \"127.0.0.1:{port}\", but no broker answered within 1 s (",
            config.display()
        );
        assert!(said.starts_with(&start), "{said}");
    }
}

fn without_a_topic_it_says_which_and_ends(broker: &Broker) {
    let site = Site::new(broker, "missing");
    site.create_topics(broker, LARGEST_BYTES);
    for command in ["run", "check"] {
        let said = refused(&site, command, &["--set", "kafka.topics.rejected=nowhere"]);
        let sentence = "kafka.topics.rejected is \"nowhere\", but the broker has no such topic; expected an existing \
                        topic, or create it with --create-topics";
        assert_eq!(said, format!("truceline: --set kafka.topics.rejected: {sentence}"));
    }
}

fn without_a_reference_file_it_says_which_and_ends(broker: &Broker) {
    let site = Site::new(broker, "unreadable");
    site.create_topics(broker, LARGEST_BYTES);
    let said = refused(&site, "run", &["--areas", "/nowhere/areas.geojson"]);
    assert!(said.contains("reference.areas held /nowhere/areas.geojson; expected a GeoJSON"), "{said}");
}

fn a_key_or_a_value_that_can_not_be_is_named(broker: &Broker) {
    let site = Site::new(broker, "mistaken");
    for (set, named, expected) in [
        ("kafka.brokr=a:1", "kafka.brokr", "brokers"),
        ("engine.lateness_s=-1", "engine.lateness_s", "seconds"),
        ("engine.fire.min_arrivals=many", "engine.fire.min_arrivals", "many"),
        ("kafka.partitions=0", "kafka.partitions", "a number above 0"),
        ("kafka.client.nonsense=1", "kafka.client.nonsense", "librdkafka property"),
        ("archive.zstd_level=99", "archive.zstd_level", "22"),
        ("output.rates_every_s=0", "output.rates_every_s", "seconds"),
    ] {
        let said = refused(&site, "run", &["--set", set]);
        assert!(said.contains(named) && said.contains(expected), "{set}: {said}");
    }
    let text = std::fs::read_to_string(site.config()).expect("the configuration");
    std::fs::write(site.config(), text.replace("[output]", "[output]\narchive_directory = \"a\"")).expect("written");
    let said = refused(&site, "run", &[]);
    assert!(said.contains("truceline.toml:8: ") && said.contains("archive_directory"), "{said}");
}

fn create_topics_makes_them_and_it_starts(broker: &Broker) {
    let site = Site::new(broker, "made");
    let settings =
        truceline::config::Config::load(Some(&site.config()), [], &[]).expect("a configuration").config.kafka;
    assert_eq!(check(&settings, &settings.topics.all()).expect_err("nothing is there").len(), 13);
    let program = site.run(&["--create-topics"]);
    program.await_line(0, "its assignment", |line| line.contains("partitions assigned"));
    assert_eq!(check(&settings, &settings.topics.all()), Ok(()));
    let ended = program.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
}
