//! A collector of OpenTelemetry that records what it is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

const SOON: Duration = Duration::from_secs(60);

/// A span, as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Got {
    pub service: String,
    pub name: String,
    pub trace: String,
    pub id: String,
    /// Empty: it has none.
    pub parent: String,
    pub start: u64,
    pub end: u64,
    pub attributes: BTreeMap<String, String>,
    /// Of one that failed.
    pub error: Option<String>,
}

#[derive(Default)]
struct Shared {
    spans: Mutex<Vec<Got>>,
    grown: Condvar,
}

/// Listens on loopback until it is dropped.
pub struct Collector {
    pub port: u16,
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

impl Collector {
    pub fn start() -> anyhow::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let service = TraceServiceServer::new(Recorder(Arc::clone(&shared)));
        let server = tonic::transport::Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Ok(Self { port, shared, _runtime: runtime })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All that came, once `is_enough`.
    pub fn wait_for(&self, is_enough: impl Fn(&[Got]) -> bool) -> anyhow::Result<Vec<Got>> {
        let deadline = Instant::now() + SOON;
        let mut spans = self.shared.spans.lock().expect("nobody panicked");
        while !is_enough(&spans) {
            let left = deadline.checked_duration_since(Instant::now());
            let left = left.with_context(|| format!("only this came: {spans:#?}"))?;
            spans = self.shared.grown.wait_timeout(spans, left).expect("nobody panicked").0;
        }
        Ok(spans.clone())
    }
}

struct Recorder(Arc<Shared>);

#[tonic::async_trait]
impl TraceService for Recorder {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.spans.lock().expect("nobody panicked");
        for resource in request.into_inner().resource_spans {
            let of_resource = resource.resource.map(|resource| texts(resource.attributes));
            let service = of_resource.and_then(|mut texts| texts.remove("service.name"));
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let status = span.status.unwrap_or_default();
                spans.push(Got {
                    service: service.clone().unwrap_or_default(),
                    name: span.name,
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    start: span.start_time_unix_nano,
                    end: span.end_time_unix_nano,
                    attributes: texts(span.attributes),
                    error: (status.code == StatusCode::Error as i32).then_some(status.message),
                });
            }
        }
        self.0.grown.notify_all();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pair = |pair: KeyValue| (pair.key, text(pair.value.and_then(|value| value.value)));
    attributes.into_iter().map(pair).collect()
}
