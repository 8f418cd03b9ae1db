//! One layer of the configuration: a file, a variable or a flag, read against the tree with the place of each key.

use super::{Complaint, Config, DOTTED_SECTIONS, Place, VARIABLE_PREFIX, spelling::nearest};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What one layer sets, and what is wrong with it.
#[derive(Default)]
pub(super) struct Layer {
    /// What it sets, without what is wrong.
    pub table: toml::Table,
    /// Where it sets each key.
    pub places: BTreeMap<String, Place>,
    /// What is wrong with it.
    pub complaints: Vec<Complaint>,
}

impl Layer {
    /// The layer of a file of that text.
    pub fn of_file(text: &str, path: &Path) -> Layer {
        read(text, &|at| Place::Line(path.to_owned(), 1 + text[..at.min(text.len())].matches('\n').count()))
    }

    /// The layer of a variable, `None` if it is none of ours. `TRUCELINE_ENGINE__FIRE__ON` is `engine.fire.on`.
    pub fn of_variable(name: &str, value: &str) -> Option<Layer> {
        let rest = name.strip_prefix(VARIABLE_PREFIX)?;
        if !rest.contains("__") {
            return None;
        }
        let mut path = rest.to_ascii_lowercase().replace("__", ".");
        for section in DOTTED_SECTIONS {
            // A shell allows no dot in a name: below such a section an underscore stands for it.
            if let Some(key) = path.strip_prefix(section).and_then(|key| key.strip_prefix('.')) {
                path = format!("{section}.{}", key.replace('_', "."));
            }
        }
        Some(assignment(&path, value, Place::Variable(name.to_owned())))
    }

    /// The layer of `section.key=value`.
    pub fn of_flag(flag: &str) -> Layer {
        let place = Place::Flag(flag.to_owned());
        match flag.split_once('=') {
            Some((path, value)) => assignment(path.trim(), value, Place::Flag(path.trim().to_owned())),
            None => Layer {
                complaints: vec![Complaint {
                    place: Some(place),
                    sentence: "has no value; expected section.key=value".to_owned(),
                }],
                ..Layer::default()
            },
        }
    }
}

/// A layer of one key. The value is read as TOML (`30`, `true`, `["a", "b"]`), and as bare text where that does not
/// fit the key: nobody wants to quote a group's name twice in a shell, nor to be told that `7` is no text.
fn assignment(path: &str, value: &str, place: Place) -> Layer {
    let at = |_: usize| place.clone();
    let key = quoted_path(path);
    let as_toml = read(&format!("{key} = {value}"), &at);
    if as_toml.complaints.is_empty() && !value.contains('\n') {
        return as_toml;
    }
    let as_text = read(&format!("{key} = {}", toml::Value::String(value.to_owned())), &at);
    let bare_word = DeTable::parse(&format!("{key} = {value}")).is_err();
    if as_text.complaints.is_empty() || bare_word { as_text } else { as_toml }
}

/// `kafka.client.sasl.password` as `"kafka"."client"."sasl.password"`.
fn quoted_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut rest = path;
    for section in DOTTED_SECTIONS {
        if let Some(key) = path.strip_prefix(section).and_then(|key| key.strip_prefix('.')) {
            segments.extend(section.split('.'));
            segments.push(key);
            rest = "";
        }
    }
    if !rest.is_empty() || segments.is_empty() {
        segments.extend(rest.split('.'));
    }
    let quoted: Vec<String> =
        segments.iter().map(|segment| toml::Value::String((*segment).to_owned()).to_string()).collect();
    quoted.join(".")
}

/// Reads `text` against the tree. Whatever does not fit is taken out and told, until the rest fits.
fn read(text: &str, place_at: &dyn Fn(usize) -> Place) -> Layer {
    let mut layer = Layer::default();
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            layer.complaints.push(Complaint {
                place: Some(place_at(error.span().map_or(0, |span| span.start))),
                sentence: format!("is not TOML: {}", error.message().lines().collect::<Vec<_>>().join(", ")),
            });
            return layer;
        }
    };
    let (span, mut root) = (root.span(), root.into_inner());
    for section in DOTTED_SECTIONS {
        join_dotted_keys(&mut root, section);
    }
    let mut unfit: Vec<(usize, Complaint)> = Vec::new();
    loop {
        let whole = Spanned::new(span.clone(), root.clone());
        let error = match Config::deserialize(toml::de::Deserializer::from(whole)) {
            Ok(_) => break,
            Err(error) => error,
        };
        let at = error.span().map(|span| span.start);
        let place = at.map(place_at);
        let Some(path) = error.span().and_then(|span| find(&root, &span, &mut Vec::new())) else {
            unfit.push((usize::MAX, Complaint { place, sentence: error.message().to_owned() }));
            root = DeTable::new();
            break;
        };
        let held = remove(&mut root, &path).map(|value| text[value.span()].trim().to_owned()).unwrap_or_default();
        let sentence = sentence(&path, &held, error.message());
        unfit.push((at.unwrap_or(usize::MAX), Complaint { place, sentence }));
    }
    unfit.sort_by_key(|(at, _)| *at);
    layer.complaints.extend(unfit.into_iter().map(|(_, complaint)| complaint));
    note_places(&root, &mut Vec::new(), place_at, &mut layer.places);
    match toml::Table::deserialize(toml::de::Deserializer::from(Spanned::new(span, root))) {
        Ok(table) => layer.table = table,
        Err(error) => layer.complaints.push(Complaint { place: None, sentence: error.message().to_owned() }),
    }
    layer
}

/// The path of the entry whose key or value has that span; of one that holds the span, the deepest.
fn find(table: &DeTable<'_>, span: &Range<usize>, path: &mut Vec<String>) -> Option<Vec<String>> {
    for (key, value) in table.iter() {
        path.push(key.get_ref().to_string());
        if let DeValue::Table(inner) = value.get_ref()
            && let Some(found) = find(inner, span, path)
        {
            return Some(found);
        }
        let whole = value.span();
        if key.span() == *span || whole == *span || (whole.start <= span.start && span.end <= whole.end) {
            return Some(path.clone());
        }
        path.pop();
    }
    None
}

fn remove<'i>(table: &mut DeTable<'i>, path: &[String]) -> Option<Spanned<DeValue<'i>>> {
    let (first, rest) = path.split_first()?;
    let mut removed = None;
    let mut emptied = DeTable::new();
    for (key, mut value) in std::mem::take(table) {
        if *key.get_ref() == first.as_str() {
            if rest.is_empty() {
                removed = Some(value);
                continue;
            }
            if let DeValue::Table(inner) = value.get_mut() {
                removed = remove(inner, rest);
            }
        }
        emptied.insert(key, value);
    }
    *table = emptied;
    removed
}

/// Below `section`, `a.b.c = 1` becomes `"a.b.c" = "1"`: the names and values are handed on as text.
fn join_dotted_keys(root: &mut DeTable<'_>, section: &str) {
    let mut table = root;
    for name in section.split('.') {
        let Some(next) = table.iter_mut().find(|(key, _)| *key.get_ref() == name) else { return };
        let DeValue::Table(inner) = next.1.get_mut() else { return };
        table = inner;
    }
    let nested = std::mem::take(table);
    join_into(table, nested, "");
}

fn join_into<'i>(joined: &mut DeTable<'i>, nested: DeTable<'i>, prefix: &str) {
    for (key, value) in nested {
        let name = format!("{prefix}{}", key.get_ref());
        let span = value.span();
        let text = match value.into_inner() {
            DeValue::Table(inner) => {
                join_into(joined, inner, &format!("{name}."));
                continue;
            }
            DeValue::Integer(number) => DeValue::String(number.to_string().into()),
            DeValue::Float(number) => DeValue::String(number.as_str().to_owned().into()),
            DeValue::Boolean(truth) => DeValue::String(truth.to_string().into()),
            other => other,
        };
        joined.insert(Spanned::new(key.span(), name.into()), Spanned::new(span, text));
    }
}

fn note_places(
    table: &DeTable<'_>,
    path: &mut Vec<String>,
    place_at: &dyn Fn(usize) -> Place,
    places: &mut BTreeMap<String, Place>,
) {
    for (key, value) in table.iter() {
        path.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) => note_places(inner, path, place_at, places),
            _ => {
                places.insert(path.join("."), place_at(key.span().start));
            }
        }
        path.pop();
    }
}

/// What serde said of the entry at `path`, as one sentence that names the key, what it held and what was expected.
fn sentence(path: &[String], held: &str, message: &str) -> String {
    let key = path.join(".");
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let known: Vec<&str> =
            rest.split('`').skip(1).filter(|word| !word.is_empty() && !word.contains([' ', ','])).collect();
        return unknown_key(path, &known);
    }
    let secret = ["password", "secret", "pem"].iter().any(|word| key.contains(word));
    let mut held: String = if secret { "a secret".to_owned() } else { held.chars().take(120).collect() };
    if held.is_empty() {
        held = "nothing".to_owned();
    }
    match message.rsplit_once("expected ") {
        Some((_, expected)) => format!("{key} held {held}; expected {}", plain(expected)),
        None => format!("{key} held {held}; {message}"),
    }
}

/// Rust's names of types in plain words.
fn plain(expected: &str) -> String {
    match expected.trim_end_matches(|c: char| c.is_whitespace() || c == '.') {
        "f64" | "f32" => "a number".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "path string" => "text in quotes".to_owned(),
        other if other.starts_with("struct ") => "a section".to_owned(),
        other => other.replace('`', ""),
    }
}

fn unknown_key(path: &[String], known: &[&str]) -> String {
    let (last, above) = match path.split_last() {
        Some((last, above)) => (last.as_str(), above.join(".")),
        None => ("", String::new()),
    };
    let within = |key: &str| if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
    let mut sentence = format!("{} is not a known key", within(last));
    if let Some(meant) = nearest(last, known.iter().copied()) {
        sentence += &format!("; did you mean {}?", within(meant));
    } else if let Some(elsewhere) = known_key_named(last) {
        sentence += &format!("; did you mean {elsewhere}?");
    } else if !known.is_empty() {
        sentence += &format!("; expected one of {}", known.join(", "));
    }
    sentence
}

/// The full key of a setting of that name in some other section.
fn known_key_named(name: &str) -> Option<String> {
    fn search(table: &toml::Table, name: &str, path: &str) -> Option<String> {
        table.iter().find_map(|(key, value)| {
            let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            if key == name {
                return Some(full);
            }
            value.as_table().and_then(|inner| search(inner, name, &full))
        })
    }
    search(&toml::Table::try_from(Config::default()).ok()?, name, "")
}
