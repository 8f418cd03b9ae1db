use super::*;
use clap::{CommandFactory, error::ErrorKind};

fn parsed(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line.split(' '))
}

#[test]
fn the_arguments_are_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn every_command_shows_examples_that_it_accepts() {
    for command in Arguments::command().get_subcommands() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default().replace("\\\n", " ");
        let examples: Vec<Vec<&str>> = help
            .lines()
            .filter_map(|line| line.strip_prefix("  "))
            .map(|line| line.split_whitespace().skip_while(|word| *word != "truceline"))
            .map(|words| words.take_while(|word| !matches!(*word, "|" | "&&")).collect())
            .filter(|words: &Vec<&str>| !words.is_empty())
            .collect();
        assert!(examples.len() >= 2, "{} shows {} examples", command.get_name(), examples.len());
        for mut words in examples {
            if command.get_name() == "schema" {
                // The examples of this one explain themselves on the same line.
                words.truncate(2);
            }
            Arguments::try_parse_from(&words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        }
    }
}

#[test]
fn the_commands_of_the_contract_are_understood() {
    for line in [
        "truceline replay --telemetry a b --sensors s --areas a --notices n --out o --config c",
        "truceline simulate sparse --seed 7 --out o",
        "truceline score --alerts a --truth t --by place --seconds 3 --metres 1000",
        "truceline run --config c",
        "truceline demo --for 60s",
        "truceline check --config c",
        "truceline schema",
        "truceline bench",
        "truceline bench associate --quality --seeds 1,2 --regime sparse,hour --set engine.lateness_s=20 --json",
        "truceline bench associate --saturation --events 100",
        "truceline bench associate --ablation --seeds 71,72 --json",
        "truceline bench --report out --runs 1 --loads 20,50",
        "truceline bench peers --peer a=./a --mix quiet,mixed --no-latency",
        "truceline --quiet verify o",
        "truceline report --day 2026-03-01 --sector s --alerts a --offset -03:30 --out o",
        "truceline run --role report",
    ] {
        parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn a_wrong_argument_is_a_misuse() {
    for line in [
        "truceline",
        "truceline replay --out o",
        "truceline simulate nowhere --seed 1 --out o",
        "truceline simulate sparse --out o",
        "truceline demo --for 0s",
        "truceline report --day today --out o",
        "truceline report --day 2026-03-01 --offset 2 --out o",
        "truceline report --day 2026-03-01 --alerts a --archive b --out o",
        "truceline demo --for soon",
        "truceline demo --for 5s --endless",
        "truceline score --alerts a --truth t --seconds -1",
        "truceline check --quiet --verbose",
        "truceline bench associate --seeds many",
        "truceline bench associate --quality --saturation",
        "truceline bench associate --ablation --quality",
        "truceline bench associate --ablation --saturation",
        "truceline bench associate --ablation --regime hour",
        "truceline bench --runs 2",
        "truceline bench --report out --loads 0",
        "truceline bench peers --mix none",
    ] {
        let error = parsed(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
        assert_ne!(error.kind(), ErrorKind::DisplayHelp);
    }
}

#[test]
fn files_of_the_command_line_go_before_those_of_the_configuration() {
    let mut reference = crate::config::Reference { sensors: Some("a".into()), areas: Some("b".into()), notices: None };
    let files = ReferenceFiles { sensors: Some("c".into()), areas: None, notices: Some("d".into()) };
    files.lay_over(&mut reference);
    let expected =
        crate::config::Reference { sensors: Some("c".into()), areas: Some("b".into()), notices: Some("d".into()) };
    assert_eq!(reference, expected);
}
