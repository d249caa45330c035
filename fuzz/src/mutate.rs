//! Bytes that were right, made a little wrong.

use simulation::random::Random;

use crate::words;

/// One to four changes.
pub fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..random.between(1, 4) {
        once(bytes, random);
    }
}

fn once(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.index(bytes.len() + 1);
    let end = (at + random.between(1, 32) as usize).min(bytes.len());
    match random.between(0, 8) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.between(0, 7),
        1 if at < bytes.len() => bytes[at] = random.next() as u8,
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let copy = bytes[at..end].to_vec();
            let to = random.index(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        5 => drop(bytes.splice(at..at, words::any(random))),
        6 => drop(bytes.splice(at..at, [0xff; 9].into_iter().chain([random.next() as u8 & 1]))),
        7 => bytes[at..end].fill(if random.coin() { 0 } else { 0xff }),
        _ => drop(bytes.splice(at..end, words::number(random).to_le_bytes())),
    }
}
