//! What was probably meant by a name that nothing has.

/// From here on two names are alike: a letter is missing, wrong, or in another place.
const ALIKE: f64 = 0.85;

/// The known name that is most like this one, if any is.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let alike = known.into_iter().map(|known| (strsim::jaro_winkler(name, known), known));
    let nearest = alike.max_by(|(one, _), (other, _)| one.total_cmp(other));
    nearest.filter(|(alike, _)| *alike >= ALIKE).map(|(_, known)| known)
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
}
