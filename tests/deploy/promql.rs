//! As much of PromQL as it takes to see which series an expression asks for.

/// A metric, with the labels that select of it: `None` as the value where any will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    pub metric: String,
    pub labels: Vec<(String, Option<String>)>,
}

/// Every selector of a metric of ours, in their order.
pub fn selectors(expression: &str) -> Vec<Selector> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find("mutirao_") {
        let word = &rest[at..];
        let length = word.find(|c| !is_part(c)).unwrap_or(word.len());
        let after = &word[length..];
        let labels = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((inner, _)) => inner.split(',').map(label).collect(),
            None => Vec::new(),
        };
        found.push(Selector { metric: word[..length].to_owned(), labels });
        rest = after;
    }
    found
}

/// `name="value"`; patterns of several words and variables are left to whoever reads the name.
fn label(text: &str) -> (String, Option<String>) {
    let (name, value) = text.split_once('=').unwrap_or_else(|| panic!("{text} is no label"));
    let value = value.trim_start_matches('~').trim_matches('"');
    let is_plain = !value.contains(['$', '|', '*']);
    (name.trim().trim_end_matches('!').to_owned(), is_plain.then(|| value.to_owned()))
}

/// The labels by which an expression groups or joins.
pub fn groupings(expression: &str) -> Vec<String> {
    let mut found = Vec::new();
    for word in ["by (", "on (", "without (", "ignoring ("] {
        for rest in expression.split(word).skip(1) {
            let inner = rest.split(')').next().unwrap_or_default();
            found.extend(inner.split(',').map(|name| name.trim().to_owned()));
        }
    }
    found
}

#[test]
fn selectors_are_found_with_their_labels() {
    let found =
        selectors(r#"sum by (le) (rate(mutirao_a_bucket[5m])) > mutirao_b{x="y", z=~"v|w"}"#);
    let labels = vec![("x".to_owned(), Some("y".to_owned())), ("z".to_owned(), None)];
    assert_eq!(found[0], Selector { metric: "mutirao_a_bucket".into(), labels: Vec::new() });
    assert_eq!(found[1], Selector { metric: "mutirao_b".into(), labels });
    assert_eq!(
        groupings("sum by (instance, le) (x) and on (queue) y"),
        ["instance", "le", "queue"]
    );
}
