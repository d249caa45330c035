//! A request that is encoded once, however often it is sent.

use bytes::{Buf, BufMut, Bytes};
use common::proto::{SubmitTasksRequest, SubmitTasksResponse};
use prost::Message;
use prost::encoding::{DecodeContext, WireType};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

const SUBMIT_TASKS: &str = "/mutirao.v1.TaskOrchestrator/SubmitTasks";

/// The encoded form of a message; cheap to clone. Only ever sent.
#[derive(Clone, Debug, Default)]
pub struct Encoded(Bytes);

impl Encoded {
    pub fn new(request: &SubmitTasksRequest) -> Self {
        Self(request.encode_to_vec().into())
    }
}

impl Message for Encoded {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put(self.0.clone());
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        prost::encoding::skip_field(wire_type, tag, buf, context)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// `SubmitTasks` with a request that was encoded before.
pub async fn submit_tasks(
    channel: Channel,
    request: Request<Encoded>,
) -> Result<SubmitTasksResponse, Status> {
    let mut client = tonic::client::Grpc::new(channel);
    let unready = |error| Status::unavailable(format!("the channel is not ready: {error}"));
    client.ready().await.map_err(unready)?;
    let codec = ProstCodec::<Encoded, SubmitTasksResponse>::default();
    let path = PathAndQuery::from_static(SUBMIT_TASKS);
    Ok(client.unary(request, path, codec).await?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::proto::TaskSpec;

    #[test]
    fn the_bytes_are_those_of_the_request() {
        let task = TaskSpec { handler: "echo".into(), ..TaskSpec::default() };
        let request = SubmitTasksRequest { tasks: vec![task; 3], allow_unknown_handler: true };
        let encoded = Encoded::new(&request);
        assert_eq!(encoded.encode_to_vec(), request.encode_to_vec());
    }
}
