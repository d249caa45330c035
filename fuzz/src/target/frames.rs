//! Frames of HTTP/2, right and wrong.

use simulation::random::Random;

use crate::{mutate, words};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;

pub fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = (content.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(content);
    bytes
}

/// A header that is not indexed, or (`kept`) goes into the table.
fn header(name: &str, value: &[u8], kept: bool) -> Vec<u8> {
    let mut bytes = vec![if kept { 0x40 } else { 0 }];
    for text in [name.as_bytes(), value] {
        integer(text.len(), &mut bytes);
        bytes.extend_from_slice(text);
    }
    bytes
}

/// With a prefix of seven bits.
fn integer(value: usize, out: &mut Vec<u8>) {
    if value < 127 {
        return out.push(value as u8);
    }
    out.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// The headers of a call.
pub fn request(path: &str, random: &mut Random) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in
        [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", path)]
    {
        block.extend(header(name, value.as_bytes(), random.coin()));
    }
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")] {
        block.extend(header(name, value.as_bytes(), random.coin()));
    }
    block
}

/// The beginning of an honest session.
pub fn greeting() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// A session: the beginning, and what is said again and again, so many times.
pub fn session(path: &str, random: &mut Random) -> (Vec<u8>, Vec<u8>, u32) {
    let stream = random.between(0, 6) as u32 * 2 + 1;
    let headers = request(path, random);
    let opened = frame(HEADERS, END_HEADERS, stream, &headers);
    let start = greeting();
    match random.between(0, 12) {
        0 => (start, frame(SETTINGS, 0, 0, &settings(random)), 3_000),
        1 => (start, frame(PING, 0, 0, &random.next().to_be_bytes()), 5_000),
        // Streams are opened and reset at once.
        2 => (start, resets(&headers), 40),
        3 => (
            [start, frame(HEADERS, 0, stream, &headers)].concat(),
            frame(CONTINUATION, 0, stream, &header("x", &[b'a'; 4_000], false)),
            400,
        ),
        // One entry of the table, meant thousands of times.
        4 => {
            let bomb = [header("x", &[b'a'; 3_900], true), vec![0xbe; 12_000]].concat();
            (start, frame(HEADERS, END_HEADERS | END_STREAM, stream, &bomb), 20)
        }
        // A message that is longer than may be.
        5 => {
            let length = words::number(random) as u32;
            let prefix = [&[random.between(0, 2) as u8][..], &length.to_be_bytes()].concat();
            (
                [start, opened, frame(DATA, 0, stream, &prefix)].concat(),
                frame(DATA, 0, stream, &[b'z'; 16_000]),
                200,
            )
        }
        6 => (
            start,
            frame(
                WINDOW_UPDATE,
                0,
                random.between(0, 1) as u32 * stream,
                &(words::number(random) as u32).to_be_bytes(),
            ),
            200,
        ),
        7 => ([start, opened].concat(), frame(DATA, 0, stream, &[]), 5_000),
        8 => (
            start,
            frame(
                random.next() as u8,
                random.next() as u8,
                words::number(random) as u32,
                &words::nasty(random)[..],
            ),
            3,
        ),
        9 => (
            [start, opened].concat(),
            frame(RST_STREAM, 0, stream, &random.next().to_be_bytes()[..4]),
            2_000,
        ),
        10 => {
            // A frame that says that it is longer than it is.
            let mut lie = frame(HEADERS, END_HEADERS, stream, &headers);
            lie[..3].copy_from_slice(&[random.next() as u8, 0xff, 0xff]);
            (start, lie, 2)
        }
        11 => (start, many_streams(&headers), 1),
        _ => {
            let mut all =
                [start, opened, frame(DATA, END_STREAM, stream, &[0, 0, 0, 0, 0])].concat();
            mutate::mutate(&mut all, random);
            (all, Vec::new(), 0)
        }
    }
}

fn settings(random: &mut Random) -> Vec<u8> {
    (0..random.between(0, 40))
        .flat_map(|_| {
            let key = (random.between(0, 9) as u16).to_be_bytes();
            [&key[..], &(words::number(random) as u32).to_be_bytes()].concat()
        })
        .collect()
}

fn resets(headers: &[u8]) -> Vec<u8> {
    (0..100)
        .flat_map(|nth| {
            let stream = nth * 2 + 1;
            [
                frame(HEADERS, END_HEADERS, stream, headers),
                frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()),
            ]
        })
        .flatten()
        .collect()
}

fn many_streams(headers: &[u8]) -> Vec<u8> {
    (0..3_000).flat_map(|nth| frame(HEADERS, END_HEADERS, nth * 2 + 1, headers)).collect()
}
