//! What `cliente map` is given, and how it goes into a command line: the placeholders of GNU parallel.

/// Between the program and its inputs.
const SEPARATOR: &str = ":::";

/// What of an input may stand in its place.
const PARTS: [&str; 5] = ["", ".", "/", "//", "/."];

/// The inputs of one task: one from each source.
pub type Inputs = Vec<String>;

/// The program, and the sources named behind it.
pub fn split(argv: &[String]) -> (Vec<String>, Vec<Vec<String>>) {
    let mut parts = argv.split(|arg| arg == SEPARATOR).map(<[String]>::to_vec);
    let program = parts.next().unwrap_or_default();
    (program, parts.collect())
}

/// What GNU parallel knows besides [`SEPARATOR`] and is not known here.
pub fn foreign_separator(argv: &[String]) -> Option<&String> {
    argv.iter().find(|arg| ["::::", ":::+", "::::+"].contains(&arg.as_str()))
}

/// How many combinations there are; `None` of more than anybody waits for.
pub fn count(sources: &[Vec<String>]) -> Option<u32> {
    let first = u32::from(!sources.is_empty());
    let counts = sources.iter().map(Vec::len);
    counts.into_iter().try_fold(first, |all, n| all.checked_mul(u32::try_from(n).ok()?))
}

/// Every combination of one from each source, `count` in all; the last source goes round first.
pub fn combinations(
    sources: &[Vec<String>],
    count: u32,
) -> impl Iterator<Item = Inputs> + Send + use<> {
    let sources = sources.to_vec();
    (0..count as usize).map(move |nth| {
        let mut rest = nth;
        let mut inputs: Inputs = sources
            .iter()
            .rev()
            .map(|source| {
                let input = source[rest % source.len()].clone();
                rest /= source.len();
                input
            })
            .collect();
        inputs.reverse();
        inputs
    })
}

/// The command line of the `number`th task. Inputs for which it has no place come last.
pub fn fill(program: &[String], inputs: &[String], number: u64) -> Vec<String> {
    let mut has_place = false;
    let mut argv: Vec<String> = program
        .iter()
        .map(|arg| {
            let (filled, found) = fill_one(arg, inputs, number);
            has_place |= found;
            filled
        })
        .collect();
    if !has_place {
        argv.extend(inputs.iter().cloned());
    }
    argv
}

/// Another text of the `number`th task, with the inputs in their places.
pub fn fill_text(text: &str, inputs: &[String], number: u64) -> String {
    fill_one(text, inputs, number).0
}

/// The first place of an input from a source beyond these: `{3}` of two.
pub fn place_beyond(text: &str, sources: usize) -> Option<&str> {
    let starts = text.match_indices('{').map(|(start, _)| &text[start..]);
    let mut places = starts.filter_map(|from| Some(&from[..=from.find('}')?]));
    places.find(|place| {
        let (nth, part) = numbered(&place[1..place.len() - 1]);
        nth.parse::<usize>().is_ok_and(|nth| nth > sources) && PARTS.contains(&part)
    })
}

/// Whether an input has its place there.
fn fill_one(arg: &str, inputs: &[String], number: u64) -> (String, bool) {
    let (mut filled, mut rest, mut has_place) = (String::new(), arg, false);
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        filled.push_str(before);
        let place = from.find('}').map(|end| (&from[1..end], &from[end + 1..]));
        match place.and_then(|(name, after)| Some((value(name, inputs, number)?, name, after))) {
            Some((value, name, after)) => {
                has_place |= name != "#";
                filled.push_str(&value);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = &from[1..];
            }
        }
    }
    filled.push_str(rest);
    (filled, has_place)
}

/// What stands in the place of `{name}`; `None` if that is no placeholder.
fn value(name: &str, inputs: &[String], number: u64) -> Option<String> {
    if name == "#" {
        return Some(number.to_string());
    }
    let (nth, part) = numbered(name);
    let input = match nth {
        "" => inputs.join(" "),
        nth => inputs.get(nth.parse::<usize>().ok()?.checked_sub(1)?)?.clone(),
    };
    Some(match part {
        "" => input,
        "." => without_extension(&input).to_owned(),
        "/" => name_of(&input).to_owned(),
        "//" => folder_of(&input).to_owned(),
        "/." => without_extension(name_of(&input)).to_owned(),
        _ => return None,
    })
}

/// Which source's input a name stands for, and what of it.
fn numbered(name: &str) -> (&str, &str) {
    name.split_at(name.len() - name.trim_start_matches(|c: char| c.is_ascii_digit()).len())
}

fn without_extension(path: &str) -> &str {
    match path.rfind('.') {
        Some(dot) if !path[dot..].contains('/') => &path[..dot],
        Some(_) | None => path,
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(folder, _)| if folder.is_empty() { "/" } else { folder })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn filled(program: &[&str], inputs: &[&str]) -> Vec<String> {
        fill(&texts(program), &texts(inputs), 7)
    }

    #[test]
    fn placeholders_name_the_parts_of_a_path() {
        let places = ["{}", "{.}", "{/}", "{//}", "{/.}", "{#}", "{1}", "{1/.}"];
        let expected = ["a/b.c.gz", "a/b.c", "b.c.gz", "a", "b.c", "7", "a/b.c.gz", "b.c"];
        assert_eq!(filled(&places, &["a/b.c.gz"]), texts(&expected));
        assert_eq!(filled(&["{.} {/} {//} {/.}"], &["x"]), ["x x . x"]);
        assert_eq!(filled(&["{//} {.}"], &["/x.d/y"]), ["/x.d /x.d/y"]);
        assert_eq!(filled(&["{//}"], &["/x"]), ["/"]);
    }

    #[test]
    fn what_is_no_placeholder_stays() {
        let awk = ["awk", "{print $1} {0} {3} {} {x", "{}"];
        assert_eq!(filled(&awk, &["f"]), ["awk", "{print $1} {0} {3} f {x", "f"]);
    }

    #[test]
    fn a_place_of_a_source_that_is_not_there_is_found() {
        assert_eq!(place_beyond("a {1} {2/.} {3//} {4}", 2), Some("{3//}"));
        assert_eq!(place_beyond("x{{3}", 2), Some("{3}"));
        for text in
            ["{2} {} {#} {0}", "{3,3} {3x} {print $3}", "{3", "}3{", "é{", "{99999999999999999999}"]
        {
            assert_eq!(place_beyond(text, 2), None, "{text}");
        }
    }

    #[test]
    fn inputs_without_a_place_come_last() {
        assert_eq!(filled(&["echo", "{#}"], &["a b", "c"]), ["echo", "7", "a b", "c"]);
        assert_eq!(filled(&["echo", "{2}-{1}"], &["a", "b"]), ["echo", "b-a"]);
        assert_eq!(filled(&["echo", "{}"], &["a", "b"]), ["echo", "a b"]);
    }

    #[test]
    fn sources_are_combined() {
        let argv = texts(&["echo", ":::", "a", "b", ":::", "1", "2", "3"]);
        let (program, sources) = split(&argv);
        assert_eq!(program, ["echo"]);
        assert_eq!(count(&sources), Some(6));
        let all: Vec<_> = combinations(&sources, 6).map(|inputs| inputs.concat()).collect();
        assert_eq!(all, ["a1", "a2", "a3", "b1", "b2", "b3"]);
        assert_eq!(count(&[texts(&["a"]), vec![]]), Some(0));
        assert_eq!(count(&[]), Some(0));
        let many = vec!["x".to_owned(); 256];
        assert_eq!(count(&vec![many; 8]), None, "more than there are numbers for");
    }
}
