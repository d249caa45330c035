//! The ids of arrays and of their tasks, as text: an array's is a UUID of version 8 whose last four bytes are 0; there
//! a task of it has its number and 1.

use uuid::Uuid;

/// Where a UUID says of which version it is.
const VERSION: u128 = 0xf << 76;
const NUMBER: u128 = u32::MAX as u128;

/// A fresh one, in the order of time as UUIDv7 are.
pub fn new() -> String {
    like(Uuid::now_v7())
}

/// What of another id an array's can have.
pub fn like(id: Uuid) -> String {
    text(id.as_u128() & !VERSION & !NUMBER | 8 << 76)
}

/// Whether an array, rather than a task, can have this id.
pub fn is_array(id: &str) -> bool {
    bits(id).is_some_and(|bits| bits & NUMBER == 0)
}

/// The task with this number, which is less than `u32::MAX`; `None` if `array` is not the id of one.
pub fn task(array: &str, number: u32) -> Option<String> {
    bits(array).filter(|bits| bits & NUMBER == 0).map(|bits| text(bits | (u128::from(number) + 1)))
}

/// The array that the task belongs to, and its number there.
pub fn of_task(task: &str) -> Option<(String, u32)> {
    let bits = bits(task)?;
    let number = u32::try_from(bits & NUMBER).ok()?.checked_sub(1)?;
    Some((text(bits & !NUMBER), number))
}

/// As people read and write it: a task of an array is `ARRAY_7`, where 7 is its number.
pub fn shown(task: &str) -> String {
    match of_task(task) {
        Some((array, number)) => format!("{array}_{number}"),
        None => task.to_owned(),
    }
}

/// Of a UUID of version 8.
fn bits(id: &str) -> Option<u128> {
    let bits = Uuid::try_parse(id).ok()?.as_u128();
    (bits & VERSION == 8 << 76).then_some(bits)
}

fn text(bits: u128) -> String {
    Uuid::from_u128(bits).hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_leads_back_to_its_array() {
        let array = new();
        assert!(is_array(&array) && of_task(&array).is_none());
        for number in [0, 7, u32::MAX - 1] {
            let task = task(&array, number).expect("it is an array");
            assert!(!is_array(&task));
            assert_eq!(of_task(&task), Some((array.clone(), number)));
            assert_eq!(shown(&task), format!("{array}_{number}"));
        }
    }

    #[test]
    fn other_ids_are_of_no_array() {
        for other in [Uuid::now_v7().to_string(), Uuid::nil().to_string(), "x".to_owned()] {
            assert!(!is_array(&other) && of_task(&other).is_none() && task(&other, 1).is_none());
            assert_eq!(shown(&other), other);
        }
    }
}
