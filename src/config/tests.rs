use super::*;

fn load(text: &str, variables: &[(&str, &str)], flags: &[&str]) -> Result<Loaded, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("truceline.toml");
    std::fs::write(&path, text).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    Config::load(Some(&path), variables, &flags)
}

/// What is wrong, each as the file's line or the name of its place, and the sentence.
fn complaints(text: &str, variables: &[(&str, &str)], flags: &[&str]) -> Vec<String> {
    match load(text, variables, flags) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Faults(complaints)) => complaints
            .iter()
            .map(|complaint| match &complaint.place {
                Some(Place::Line(_, line)) => format!("{line}: {}", complaint.sentence),
                _ => complaint.to_string(),
            })
            .collect(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn nothing_set_is_the_default() {
    assert_eq!(load("", &[], &[]).unwrap().config, Config::default());
    assert_eq!(Config::load(None, [], &[]).unwrap().config, Config::default());
}

#[test]
fn the_default_has_no_fault() {
    assert_eq!(Config::default().faults(), []);
}

#[test]
fn the_file_goes_before_the_default_the_variable_before_the_file_and_the_flag_before_all() {
    let file = "[engine]\nlateness_s = 10\nmax_future_s = 10\nidle_after_s = 10\n";
    let variables = [("TRUCELINE_ENGINE__LATENESS_S", "20"), ("TRUCELINE_ENGINE__MAX_FUTURE_S", "20")];
    let loaded = load(file, &variables, &["engine.lateness_s=40"]).unwrap();
    assert_eq!(loaded.config.engine.lateness_s, 40.0);
    assert_eq!(loaded.config.engine.max_future_s, 20.0);
    assert_eq!(loaded.config.engine.idle_after_s, 10.0);
    assert_eq!(loaded.places["engine.lateness_s"].to_string(), "--set engine.lateness_s");
    assert_eq!(loaded.places["engine.max_future_s"].to_string(), "TRUCELINE_ENGINE__MAX_FUTURE_S");
}

#[test]
fn an_unknown_key_is_told_with_its_line_and_the_key_that_was_meant() {
    assert_eq!(
        complaints("[engine]\nlateness_s = 3\nlatenes_s = 4\n", &[], &[]),
        ["3: engine.latenes_s is not a known key; did you mean engine.lateness_s?"]
    );
    assert_eq!(
        complaints("[engin]\nlateness_s = 3\n", &[], &[]),
        ["1: engin is not a known key; did you mean engine?"]
    );
    assert_eq!(
        complaints("enter_p = 0.8\n", &[], &[]),
        ["1: enter_p is not a known key; did you mean engine.tracks.enter_p?"]
    );
    assert_eq!(
        complaints("[log]\nwhatever = 1\n", &[], &[]),
        ["2: log.whatever is not a known key; expected one of filter, colour"]
    );
}

#[test]
fn all_faults_of_all_layers_are_told_at_once() {
    let file =
        "[engine]\nlateness_s = \"soon\"\n\n[engine.fire]\non = 1\nmin_arrivals = 4.5\n[log]\ncolour = \"green\"\n";
    assert_eq!(
        complaints(file, &[("TRUCELINE_ENGINE__FIRE__ONN", "true")], &["engine.tracks.enter_p=2", "output"]),
        [
            "2: engine.lateness_s held \"soon\"; expected a number",
            "5: engine.fire.on held 1; expected true or false",
            "6: engine.fire.min_arrivals held 4.5; expected a whole number, not negative",
            "8: log.colour held \"green\"; expected one of auto, always, never",
            "TRUCELINE_ENGINE__FIRE__ONN: engine.fire.onn is not a known key; did you mean engine.fire.on?",
            "--set output: has no value; expected section.key=value",
            "--set engine.tracks.enter_p: engine.tracks.enter_p held 2; expected a number from 0.5 to 1 (a probability)",
        ]
    );
}

#[test]
fn a_value_out_of_range_is_told_with_its_line() {
    assert_eq!(
        complaints("[engine]\n\n\nlateness_s = -1\n", &[], &[]),
        ["4: engine.lateness_s held -1; expected a number from 0 to 3600 seconds"]
    );
    assert_eq!(
        complaints("[log]\nfilter = \"info,=,x=y\"\n", &[], &[]).len(),
        1,
        "a filter that cannot be read is a fault"
    );
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let told = complaints("[engine]\nlateness_s = = 3\n", &[], &[]);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("2: is not TOML: "), "{told:?}");
}

#[test]
fn variables_that_are_not_settings_are_left_alone() {
    assert_eq!(complaints("", &[("TRUCELINE_PORT", "tcp://10.0.0.1:9092"), ("TRUCELINE_LOG", "debug")], &[]), [""; 0]);
}

#[test]
fn text_needs_no_quotes_in_variables_and_flags() {
    let loaded = load("", &[("TRUCELINE_LOG__FILTER", "debug")], &["reference.areas=a b.geojson"]).unwrap();
    assert_eq!(loaded.config.log.filter, "debug");
    assert_eq!(loaded.config.reference.areas, Some("a b.geojson".into()));
    let quoted = load("", &[], &["log.filter=\"warn\"", "reference.sensors=7"]).unwrap();
    assert_eq!(quoted.config.log.filter, "warn");
    assert_eq!(quoted.config.reference.sensors, Some("7".into()));
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/truceline.toml")), [], &[]).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the configuration /nowhere/truceline.toml");
}

/// The tree's leaves by their full keys.
fn leaves(table: &toml::Table, path: &str, found: &mut BTreeMap<String, toml::Value>) {
    for (key, value) in table {
        let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(inner) => leaves(inner, &full, found),
            leaf => {
                found.insert(full, leaf.clone());
            }
        }
    }
}

const DOCUMENTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/truceline.toml");

#[test]
fn the_documented_file_holds_every_key_with_its_default() {
    let documented = Config::load(Some(Path::new(DOCUMENTED)), [], &[]).unwrap_or_else(|error| panic!("{error}"));
    let (mut held, mut expected) = (BTreeMap::new(), BTreeMap::new());
    leaves(&toml::Table::try_from(documented.config).unwrap(), "", &mut held);
    leaves(&toml::Table::try_from(Config::default()).unwrap(), "", &mut expected);
    for (key, value) in &expected {
        assert_eq!(held.get(key), Some(value), "{key}");
        assert!(documented.places.contains_key(key), "{key} is not in the file");
    }
}

#[test]
fn every_key_of_the_documented_file_has_a_comment() {
    let text = std::fs::read_to_string(DOCUMENTED).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2) {
        let is_key = !pair[1].starts_with(['#', '[']) && pair[1].contains('=');
        assert!(!is_key || pair[0].starts_with("# "), "{} has no comment above it", pair[1]);
    }
    for optional in ["# sensors = ", "# areas = ", "# notices = "] {
        assert!(text.contains(optional), "{optional}");
    }
}

#[test]
fn the_file_for_production_has_no_fault() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/production.toml");
    let secrets = [("TRUCELINE_KAFKA__CLIENT__SASL_PASSWORD".to_owned(), "hush=now".to_owned())];
    let loaded = Config::load(Some(Path::new(path)), secrets, &[]).unwrap_or_else(|error| panic!("{error}"));
    assert!(loaded.places.contains_key("kafka.client.security.protocol"));
    assert_eq!(loaded.places["kafka.client.sasl.password"].to_string(), "TRUCELINE_KAFKA__CLIENT__SASL_PASSWORD");
}

#[test]
fn names_with_dots_are_one_key_however_they_are_written() {
    let file = "[kafka.client]\nsasl.mechanism = \"PLAIN\"\n\"ssl.ca.location\" = \"ca.pem\"\nsocket.keepalive.enable = true\n";
    let loaded = load(file, &[], &["kafka.client.sasl.username=me"]).unwrap();
    let tree = toml::Table::try_from(loaded.config.kafka).unwrap();
    let client = tree["client"].as_table().unwrap();
    assert_eq!(client["sasl.mechanism"].as_str(), Some("PLAIN"));
    assert_eq!(client["ssl.ca.location"].as_str(), Some("ca.pem"));
    assert_eq!(client["socket.keepalive.enable"].as_str(), Some("true"));
    assert_eq!(client["sasl.username"].as_str(), Some("me"));
}

#[test]
fn the_sections_of_kafka_and_the_archive_check_their_own_values() {
    let file = "[kafka]\nbrokers = \"localhost\"\n[kafka.client]\ngroup.id = \"x\"\n[archive]\nzstd_level = 99\n";
    assert_eq!(
        complaints(file, &[], &[]),
        [
            "2: kafka.brokers held \"localhost\"; expected host:port with a port from 1 to 65535",
            "4: kafka.client.group.id held \"x\"; expected kafka.group instead of this property",
            "6: archive.zstd_level held 99; expected 1 to 22",
        ]
    );
    assert_eq!(
        complaints("[kafka]\ngrup = \"x\"\n", &[], &["kafka.partitions=many"]),
        [
            "2: kafka.grup is not a known key; did you mean kafka.group?",
            "--set kafka.partitions: kafka.partitions held \"many\"; expected a whole number, not negative",
        ]
    );
}
