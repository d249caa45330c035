//! Messages of any service, made from their descriptors: whatever is added to the protocol is fuzzed from then on.

use anyhow::Context as _;
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use simulation::random::Random;

use crate::{mutate, words};

/// Deeper messages are empty.
const DEPTH: u32 = 5;

/// All that an orchestrator serves by gRPC.
///
/// # Errors
/// The descriptors cannot be read.
pub fn pool() -> anyhow::Result<DescriptorPool> {
    let mut pool = DescriptorPool::decode(common::proto::DESCRIPTORS)?;
    pool.decode_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)?;
    pool.decode_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)?;
    Ok(pool)
}

/// Every method of every service.
pub fn methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// A message of ours by its name.
///
/// # Errors
/// There is none.
pub fn named(pool: &DescriptorPool, name: &str) -> anyhow::Result<MessageDescriptor> {
    pool.get_message_by_name(&format!("mutirao.v1.{name}"))
        .with_context(|| format!("no message {name}"))
}

/// An encoded message: mostly well formed, sometimes not.
pub fn message(of: &MessageDescriptor, random: &mut Random) -> Vec<u8> {
    let most = match random.between(0, 999) {
        0 => 20 << 20,
        1..=10 => 4 << 20,
        _ => 64 << 10,
    };
    let mut encoded = Vec::new();
    Maker { random, left: most }.write(of, 0, &mut encoded);
    if random.one_in_thousand(120) {
        mutate::mutate(&mut encoded, random);
    }
    encoded
}

struct Maker<'a> {
    random: &'a mut Random,
    /// Bytes that may still be said.
    left: usize,
}

impl Maker<'_> {
    fn write(&mut self, of: &MessageDescriptor, depth: u32, out: &mut Vec<u8>) {
        // Some messages are nearly whole, others nearly empty.
        let presence = [950, 700, 300][self.random.index(3)];
        for oneof in of.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            let fields: Vec<_> = oneof.fields().collect();
            if !fields.is_empty() && self.random.one_in_thousand(950) {
                let nth = self.random.index(fields.len());
                self.field(&fields[nth], depth, out);
            }
        }
        for each in of.fields() {
            let is_in_oneof = each.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic());
            if is_in_oneof || !self.random.one_in_thousand(presence) {
                continue;
            }
            let times = if each.is_list() || each.is_map() { self.times() } else { 1 };
            for _ in 0..times {
                if self.left == 0 {
                    return;
                }
                self.field(&each, depth, out);
            }
        }
    }

    fn times(&mut self) -> u64 {
        match self.random.between(0, 199) {
            0 => 10_001,
            1..=3 => self.random.between(20, 1_100),
            _ => self.random.between(0, 4),
        }
    }

    fn field(&mut self, field: &FieldDescriptor, depth: u32, out: &mut Vec<u8>) {
        let (name, random) = (field.name(), &mut *self.random);
        let wire = |kind: u32| u64::from(field.number() << 3 | kind);
        let content = match field.kind() {
            Kind::Message(inner) => {
                let mut content = Vec::new();
                if depth < DEPTH {
                    self.write(&inner, depth + 1, &mut content);
                }
                content
            }
            Kind::String => words::text(name, random),
            Kind::Bytes => words::bytes(name, random),
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => {
                varint(wire(1), out);
                return out.extend(words::number(random).to_le_bytes());
            }
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => {
                varint(wire(5), out);
                return out.extend((words::number(random) as u32).to_le_bytes());
            }
            Kind::Enum(of) => {
                let values: Vec<_> = of.values().map(|value| value.number()).collect();
                varint(wire(0), out);
                return match random.one_in_thousand(80) {
                    true => varint(words::number(random), out),
                    false => varint(i64::from(values[random.index(values.len())]) as u64, out),
                };
            }
            Kind::Bool => {
                varint(wire(0), out);
                return varint(u64::from(random.coin()), out);
            }
            Kind::Int32
            | Kind::Int64
            | Kind::Uint32
            | Kind::Uint64
            | Kind::Sint32
            | Kind::Sint64 => {
                varint(wire(0), out);
                return varint(words::number(random), out);
            }
        };
        self.left = self.left.saturating_sub(content.len() + 2);
        varint(wire(2), out);
        varint(content.len() as u64, out);
        out.extend_from_slice(&content);
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
