//! What the two orchestrators say to each other: the dialled link, the served one, and the conversion
//! of their messages. Decides nothing: everything goes to the role machine through the driver.

pub mod convert;
pub mod dial;
pub mod service;
pub mod snapshot;
