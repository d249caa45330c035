//! What attempts say while they run: kept by whoever is principal, and recorded of those that end with their workers.

use std::sync::Arc;

use common::proto::worker_message::Message;
use common::proto::{AttemptOutput, LiveOutput, OutputPiece, OutputStream};
use worker::slots::Key;

use crate::network::ConnId;
use crate::world::World;

impl World {
    /// An attempt that has just begun says something, or not.
    pub fn speak(&mut self, nth: usize, conn: ConnId, key: &Key) {
        if !self.chance.one_in_thousand(300) {
            return;
        }
        let data = format!("{}/{} begins", key.task_id, key.attempt).into_bytes();
        let stream = OutputStream::Stdout.into();
        let piece = OutputPiece { stream, data, ..OutputPiece::default() };
        let output = AttemptOutput {
            task_id: key.task_id.clone(),
            attempt: key.attempt,
            pieces: vec![piece],
            progress: None,
        };
        self.say(nth, conn, Message::Output(LiveOutput { attempts: vec![output] }));
    }

    /// The node hears it.
    pub fn note_words(&mut self, place: usize, worker: &str, output: LiveOutput) {
        let Some(process) = &self.places[place].process else { return };
        let (outputs, worker) = (process.driver.outputs(), Arc::from(worker));
        output.attempts.into_iter().for_each(|of| outputs.note(&worker, of));
    }
}
