//! Words that events of several kinds hold.

use common::proto;
use orquestrador_core::event::LossCause;
use orquestrador_core::terms::Expiry;

use super::CodecError;

pub(super) fn expiry_to_proto(expiry: Expiry) -> proto::Expiry {
    match expiry {
        Expiry::NotBegun => proto::Expiry::NotBegun,
        Expiry::NotEnded => proto::Expiry::NotEnded,
    }
}

pub(super) fn expiry_from_proto(expiry: i32) -> Result<Expiry, CodecError> {
    match proto::Expiry::try_from(expiry) {
        Ok(proto::Expiry::NotBegun) => Ok(Expiry::NotBegun),
        Ok(proto::Expiry::NotEnded) => Ok(Expiry::NotEnded),
        Ok(proto::Expiry::Unspecified) | Err(_) => Err(CodecError::Invalid("expiry")),
    }
}

pub(super) fn cause_to_proto(cause: LossCause) -> proto::LossCause {
    match cause {
        LossCause::WorkerSilent => proto::LossCause::WorkerSilent,
        LossCause::WorkerRestarted => proto::LossCause::WorkerRestarted,
        LossCause::WorkerDrained => proto::LossCause::WorkerDrained,
    }
}

pub(super) fn cause_from_proto(cause: i32) -> Result<LossCause, CodecError> {
    match proto::LossCause::try_from(cause) {
        Ok(proto::LossCause::WorkerSilent) => Ok(LossCause::WorkerSilent),
        Ok(proto::LossCause::WorkerRestarted) => Ok(LossCause::WorkerRestarted),
        Ok(proto::LossCause::WorkerDrained) => Ok(LossCause::WorkerDrained),
        Ok(proto::LossCause::Unspecified) | Err(_) => Err(CodecError::Invalid("cause")),
    }
}
