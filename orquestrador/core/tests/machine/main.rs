//! The task machine: what each command leads to, and what is always true.

#![allow(clippy::single_range_in_vec_init, reason = "sets of one range are meant")]

mod again;
mod array_waits;
mod arrays;
mod blobs;
mod cancelling;
mod delivery;
mod dependencies;
mod digests;
mod expiring;
mod groups;
mod keys;
mod later;
mod ledger;
mod needing;
mod outcomes;
mod prefetching;
mod properties;
mod querying;
mod queues;
mod quotas;
mod retention;
mod retries;
mod scene;
mod schedules;
mod submitting;
mod surroundings;
mod taking;
mod timetable;
mod tokens;
mod traces;
mod users;
mod webhooks;
mod workers;
