//! What was probably meant by a name that nothing has.

/// From here on two names are alike: a letter is missing, wrong, or in another place.
const ALIKE: f64 = 0.85;

/// So many letters are wrong at most where a hand slipped.
const SLIP: usize = 2;

/// The known name that is most like this one, if any is.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let alike = known.into_iter().map(|known| (strsim::jaro_winkler(name, known), known));
    let nearest = alike.max_by(|(one, _), (other, _)| one.total_cmp(other));
    nearest.filter(|(alike, _)| *alike >= ALIKE).map(|(_, known)| known)
}

/// The known name from which this one differs by a slip, if any: another one may well be meant as it is.
pub fn misspelt<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let distances = known.iter().map(|known| (strsim::osa_distance(name, known), *known));
    let nearest = distances.filter(|(distance, _)| (1..=SLIP).contains(distance)).min();
    nearest.map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_is_most_alike_is_named_and_a_strange_one_none() {
        let known = ["default", "night", "nightly"];
        assert_eq!(nearest("nigth", known), Some("night"));
        assert_eq!(nearest("defualt", known), Some("default"));
        assert_eq!(nearest("render", known), None);
    }

    #[test]
    fn a_slip_is_told_from_a_name_that_is_only_alike() {
        let known = ["KILLED_BY_SIGNAL", "OUT_OF_MEMORY"];
        assert_eq!(misspelt("OUT_OF_MEMROY", &known), Some("OUT_OF_MEMORY"));
        assert_eq!(misspelt("KILLED_BY_SIGNALS", &known), Some("KILLED_BY_SIGNAL"));
        assert_eq!(misspelt("KILLED_BY_USER", &known), None);
        assert_eq!(misspelt("OUT_OF_INK", &known), None);
    }
}
